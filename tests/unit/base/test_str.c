/* SPDX-License-Identifier: Apache-2.0 */
/* test_str.c: numbers, sizes, durations and vectors as rows. */
#include "base/str.h"

#include "check.h"

static void bytes_rows(void)
{
	static const struct {
		const char *in;
		int64_t want; /* -1: refused */
	} rows[] = {
		{ "0", 0 },	   { "64m", 64 << 20 },	     { "1.5g", 1610612736 }, { "10kb", 10240 },
		{ "10KiB", 10240 }, { "512b", 512 },	     { "", -1 },	     { "m", -1 },
		{ "1x", -1 },	   { "1mm", -1 },	     { "-1", -1 },	     { "99999999999p", -1 },
		{ "1 k", 1024 },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		int64_t got = -1;
		es_err *err = str_to_bytes(rows[i].in, &got);

		if (rows[i].want < 0)
			CHECK_ERR(err, "invalid");
		else
			CHECK_OK(err);
		CHECK_INT(got, rows[i].want);
	}
}

static void duration_rows(void)
{
	static const struct {
		const char *in;
		int64_t want;
	} rows[] = {
		{ "30s", 30000000000 }, { "1m30s", 90000000000 }, { "1.5h", 5400000000000 },
		{ "300ms", 300000000 }, { "-2s", -2000000000 },	  { "0", 0 },
	};
	int64_t got;

	for (size_t i = 0; i < ES_N(rows); i++) {
		CHECK_OK(str_to_duration(rows[i].in, &got));
		CHECK_INT(got, rows[i].want);
	}
	CHECK_ERR(str_to_duration("3", &got), "missing unit");
	CHECK_ERR(str_to_duration("3y", &got), "unknown unit");
	CHECK_ERR(str_to_duration("", &got), "invalid duration");
}

static void vectors(void)
{
	es_autostrv v = strv_split("a:b::c", ':');
	es_autofree char *joined = strv_join(v, "+");

	CHECK_INT(strv_len(v), 4);
	CHECK_STR(joined, "a+b++c");
	strv_env_set(&v, "a", "1");
	strv_env_set(&v, "a", "2");
	CHECK_STR(strv_env_get(v, "a"), "2");
	CHECK_INT(strv_len(v), 5);
}

CHECK_MAIN(TEST(bytes_rows), TEST(duration_rows), TEST(vectors))
