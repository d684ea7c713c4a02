/* SPDX-License-Identifier: Apache-2.0 */
/* upkeep.c: the check of the store as a document. */
#include "catalog/upkeep.h"

#include "base/str.h"
#include "catalog/image_priv.h"

#define T struct fsck_problem
static const struct field problem_fields[] = {
	F_STR(T, kind, "Kind", 0),
	F_STR(T, object, "Object", 0),
	F_STRV(T, images, "Images", FIELD_EMPTY_LIST),
	F_STR(T, file, "File", 0),
	F_STR(T, text, "Text", 0),
	F_STR(T, repair, "Repair", 0),
	F_END,
};
#undef T
#define T struct gc_result
static const struct field garbage_fields[] = {
	F_U64(T, layers, "Layers", 0),
	F_U64(T, blobs, "Blobs", 0),
	F_U64(T, bytes, "Bytes", 0),
	F_END,
};
#undef T
#define T struct fsck_report
static const struct field report_fields[] = {
	F_I64(T, left, "Left", 0),
	F_LIST(T, problems, "Problems", FIELD_EMPTY_LIST, struct fsck_problem, problem_fields),
	F_I64(T, images, "Images", 0),
	F_I64(T, layers, "Layers", 0),
	F_I64(T, blobs, "Blobs", 0),
	F_I64(T, snapshots, "Snapshots", 0),
	F_I64(T, bytes, "Bytes", 0),
	F_STRUCT(T, garbage, "Garbage", 0, struct gc_result, garbage_fields),
	F_END,
};
#undef T

/* Full references as users know them. */
static es_err *familiar(struct arena *a, char **names)
{
	for (; names && *names; names++) {
		struct ref ref;

		if (ref_is_full_id(*names) || str_starts(*names, "sha256:"))
			continue;
		ES_TRY(ref_parse(a, *names, &ref));
		*names = arena_strdup(a, ref_familiar(a, &ref));
	}
	return NULL;
}

es_err *upkeep_check(struct store *st, struct arena *a, const struct fsck_options *opts, struct json **ret)
{
	struct fsck_report report;

	ES_TRY(fsck_run(st, a, opts, &report));
	FIELD_LIST_EACH(struct fsck_problem, p, &report.problems)
		ES_TRY(familiar(a, p->images));
	*ret = field_encode(a, report_fields, &report);
	return NULL;
}
