/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_oci_runtime.c: any text as config.json: decode, check, sort mount options, encode, and find the same again. */
#include "spec/oci_runtime.h"

#include "fuzz.h"
#include "runtime/rtconfig.h"
#include "runtime/rtmount.h"
#include "runtime/rtproc.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	es_autoarena *a = arena_new();
	es_autobuf one = ES_BUF((size_t)64 << 20), two = ES_BUF((size_t)64 << 20);
	es_autoerr es_err *err = NULL;
	struct oci_spec x = { 0 }, y = { 0 };
	struct rtmount_options options;

	err = oci_runtime_parse(a, (const char *)bytes, n, &x);
	if (err)
		return 0;
	field_encode_text(&one, oci_spec_fields, &x);
	err = oci_runtime_parse(a, one.p, one.len, &y);
	if (err)
		abort();
	field_encode_text(&two, oci_spec_fields, &y);
	if (one.len != two.len || memcmp(one.p, two.p, one.len) != 0)
		abort();
	err = rtconfig_check(&x);
	FIELD_LIST_EACH(const struct oci_mount, m, &x.mounts)
		es_err_drop(rtmount_options(a, m->options, &options));
	return 0;
}
