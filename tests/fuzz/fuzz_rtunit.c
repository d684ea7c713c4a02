/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_rtunit.c: any text as an annotation's value and as a cgroupsPath: refused, or a property with a type and a unit with its ending. */
#include "runtime/rtunit.h"

#include "base/str.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	es_autoarena *a = arena_new();
	es_autofree char *text = es_xstrndup((const char *)bytes, n);
	struct scope_request r = { 0 };
	struct scope_property p = { 0 };
	es_err *err = rtunit_value(a, "Name", text, &p);

	if (!err && (str_empty(p.type) || !p.values))
		abort();
	es_err_drop(err);
	err = rtunit_parse(a, text, "id", false, &r);
	if (!err && (!str_ends(r.unit, ".scope") || !str_ends(r.slice, ".slice")))
		abort();
	es_err_drop(err);
	return 0;
}
