/* SPDX-License-Identifier: Apache-2.0 */
/* test_detach.c: which keys parse, and what passes through in whatever pieces it arrives. */
#include "check.h"

#include "base/str.h"
#include "codec/detach.h"

static void key_rows(void)
{
	static const struct {
		const char *text, *keys; /* NULL: refused */
	} rows[] = {
		{ NULL, "\x10\x11" },
		{ "", "\x10\x11" },
		{ "ctrl-p,ctrl-q", "\x10\x11" },
		{ "a", "a" },
		{ "A,ctrl-a", "A\x01" },
		{ "ctrl-[,ctrl-_,ctrl-^,ctrl-]", "\x1b\x1f\x1e\x1d" },
		{ "ctrl-A", NULL },
		{ "ctrl-", NULL },
		{ "ctrl-aa", NULL },
		{ "a,,b", NULL },
		{ "ctrl-p,", NULL },
		{ "q,q,q,q,q,q,q,q,q,q,q,q,q,q,q,q,q", NULL },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		struct detach d = { 0 };
		es_err *err = detach_parse(rows[i].text, &d);

		CHECK_INT(err != NULL, rows[i].keys == NULL);
		if (!err) {
			CHECK_INT(d.n, strlen(rows[i].keys));
			CHECK(memcmp(d.keys, rows[i].keys, d.n) == 0);
		}
		es_err_free(err);
	}
}

static void feed_rows(void)
{
	static const struct {
		const char *keys, *pieces, *out; /* pieces are separated by | */
		bool detached;
	} rows[] = {
		{ "a,b", "xyz", "xyz", false },
		{ "a,b", "xab", "x", true },
		{ "a,b", "x|a|b|z", "x", true },
		{ "a,b", "xa|c", "xac", false },
		{ "a,b", "aab", "a", true },           /* the second a begins anew */
		{ "a,a,b", "aaab", "a", true },
		{ "a,b,a,c", "abab|ac", "ab", true },  /* the longest border is kept */
		{ "a,b,a,c", "aba|d", "abad", false },
		{ "q", "q", "", true },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		struct detach d;
		char out[256] = "";
		size_t used = 0;
		bool detached = false;
		es_autostrv pieces = strv_split(rows[i].pieces, '|');

		CHECK_OK(detach_parse(rows[i].keys, &d));
		for (char **p = pieces; *p && !detached; p++)
			used += detach_feed(&d, *p, strlen(*p), out + used, &detached);
		out[used] = '\0';
		CHECK_STR(out, rows[i].out);
		CHECK_INT(detached, rows[i].detached);
	}
}

CHECK_MAIN(TEST(key_rows), TEST(feed_rows))
