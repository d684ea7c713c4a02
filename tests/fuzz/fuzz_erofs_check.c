/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_erofs_check.c: any bytes as a layer file; its checksum is put right, else nothing more would be looked at. */
#include "codec/erofs_check.h"

#include "fuzz.h"

static es_err *check(uint8_t head[LAYER_FILE_HEAD], const uint8_t *bytes, size_t n)
{
	struct erofs_totals totals;
	struct erofs_area area;
	uint32_t sum;

	memset(head + EROFS_SUPER_AT + offsetof(struct erofs_super, checksum), 0, sizeof sum);
	sum = htole32(erofs_crc32c(head + EROFS_SUPER_AT, EROFS_BLOCK));
	memcpy(head + EROFS_SUPER_AT + offsetof(struct erofs_super, checksum), &sum, sizeof sum);
	ES_TRY(erofs_check_head(head, n, &area));
	return erofs_check_meta(&area, bytes + area.meta_at, &totals);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	uint8_t head[LAYER_FILE_HEAD];

	if (n < sizeof head)
		return 0;
	memcpy(head, bytes, sizeof head);
	es_err_drop(check(head, bytes, n));
	return 0;
}
