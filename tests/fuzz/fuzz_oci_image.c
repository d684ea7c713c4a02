/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_oci_image.c: image configs, manifests and indexes: what is accepted is written, accepted again and written the same. */
#include "spec/oci_image.h"

#include "fuzz.h"

static void config(struct arena *a, const char *text, size_t n)
{
	es_autobuf one = ES_BUF((size_t)64 << 20), two = ES_BUF((size_t)64 << 20);
	struct oci_image img;
	es_autoerr es_err *err = oci_image_decode(a, text, n, &img);

	if (err)
		return;
	field_encode_text(&one, oci_image_fields, &img);
	if (one.len > OCI_CONFIG_MAX) /* escapes make it longer */
		return;
	err = oci_image_decode(a, one.p, one.len, &img);
	if (err)
		abort();
	field_encode_text(&two, oci_image_fields, &img);
	if (one.len != two.len || memcmp(one.p, two.p, one.len) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	es_autoarena *a = arena_new();
	const char *text = (const char *)bytes;
	struct oci_manifest manifest;
	struct oci_index index;

	config(a, text, n);
	es_err_drop(oci_manifest_decode(a, text, n, &manifest));
	es_err_drop(oci_index_decode(a, text, n, &index));
	return 0;
}
