/* SPDX-License-Identifier: Apache-2.0 */
/* test_human.c: sizes, ages and durations as docker words them, as rows. */
#include "base/clock.h"
#include "base/ago.h"
#include "cli/human.h"

#include "check.h"

static void sizes(void)
{
	static const struct {
		double bytes;
		const char *decimal, *binary;
	} rows[] = {
		{ 0, "0B", "0B" },		   { 999, "999B", "999B" },	       { 1030, "1.03kB", "1.006KiB" },
		{ 3000600, "3MB", "2.862MiB" }, { 1982000, "1.98MB", "1.89MiB" }, { 25277300736, "25.3GB", "23.54GiB" },
	};
	es_autoarena *a = arena_new();

	for (size_t i = 0; i < ES_N(rows); i++) {
		CHECK_STR(human_size(a, rows[i].bytes), rows[i].decimal);
		CHECK_STR(human_bytes(a, rows[i].bytes), rows[i].binary);
	}
}

static void durations(void)
{
	static const struct {
		int64_t s;
		const char *want;
	} rows[] = {
		{ 0, "Less than a second" }, { 1, "1 second" },	    { 59, "59 seconds" }, { 60, "About a minute" },
		{ 119, "About a minute" },   { 120, "2 minutes" },  { 3599, "59 minutes" }, { 3600, "About an hour" },
		{ 5399, "About an hour" },   { 5400, "2 hours" },   { 47 * 3600, "47 hours" }, { 48 * 3600, "2 days" },
		{ 14 * 86400, "2 weeks" },   { 60 * 86400, "2 months" }, { 730 * 86400, "2 years" },
	};
	es_autoarena *a = arena_new();

	for (size_t i = 0; i < ES_N(rows); i++)
		CHECK_STR(ago_words(a, rows[i].s * CLOCK_NS_PER_S), rows[i].want);
}

static void go_durations(void)
{
	static const struct {
		int64_t ns;
		const char *want;
	} rows[] = {
		{ 0, "0s" },		       { 5000000000, "5s" },	    { 3600000000000, "1h0m0s" }, { 90500000000, "1m30.5s" },
		{ 300000000, "300ms" },	       { 1500, "1.5µs" },	    { 7, "7ns" },		 { -2000000000, "-2s" },
	};
	es_autoarena *a = arena_new();

	for (size_t i = 0; i < ES_N(rows); i++)
		CHECK_STR(human_go_duration(a, rows[i].ns), rows[i].want);
}

static void cut(void)
{
	es_autoarena *a = arena_new();

	CHECK_STR(human_ellipsis(a, "sleep 3600", 20), "sleep 3600");
	CHECK_STR(human_ellipsis(a, "/bin/echo one 'two three'", 20), "/bin/echo one 'two …");
	CHECK_STR(human_ellipsis(a, "ääää", 3), "ää…");
	CHECK_STR(human_short_id(a, "sha256:0123456789abcdef"), "0123456789ab");
}

CHECK_MAIN(TEST(sizes), TEST(durations), TEST(go_durations), TEST(cut))
