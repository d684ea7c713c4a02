/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_ref.c: a reference that parses has a full form that parses to itself, and a familiar form that means the same. */
#include "spec/ref.h"

#include "base/str.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	es_autoarena *a = arena_new();
	es_autofree char *text = es_xstrndup((const char *)bytes, n);
	struct ref r, again;
	es_autoerr es_err *err = ref_parse(a, text, &r);

	(void)ref_is_tag(text);
	(void)ref_is_digest(text);
	(void)ref_is_full_id(text);
	if (err)
		return 0;
	const char *full = ref_full(a, &r);
	err = ref_parse(a, full, &again);
	if (err || !str_eq(ref_full(a, &again), full))
		abort();
	err = ref_parse(a, ref_familiar(a, &r), &again);
	if (err || !str_eq(ref_full(a, &again), full))
		abort();
	return 0;
}
