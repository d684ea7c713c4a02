/* SPDX-License-Identifier: Apache-2.0 */
/* test_rtargs.c: runc's way of writing options. */
#include "runtime/rtargs.h"

#include "base/str.h"
#include "check.h"

static void forms(void)
{
	char a[] = "--detach", b[] = "--env=A=b", c[] = "-e", d[] = "C=d", e[] = "--preserve-fds", f[] = "2", g[] = "id", h[] = "-x";
	char *argv[] = { a, b, c, d, e, f, g, h };
	struct rtargs args = { 0 };
	int at = 0;

	CHECK_OK(rtargs_parse(OF_EXEC, ES_N(argv), argv, &at, &args));
	CHECK_INT(at, 6); /* what follows the first word is the command's */
	CHECK(args.detach);
	CHECK_INT(args.preserve_fds, 2);
	CHECK_STR(args.env[0], "A=b");
	CHECK_STR(args.env[1], "C=d");
	strv_free(args.env);
}

static void refusals(void)
{
	static const struct {
		unsigned of;
		const char *word, *text;
	} rows[] = {
		{ OF_RUN, "--nosuch", "flag provided but not defined: --nosuch" },
		{ OF_RUN, "--tty", "flag provided but not defined: --tty" },
		{ OF_RUN, "--bundle", "flag needs an argument: --bundle" },
		{ OF_RUN, "--preserve-fds=x", "--preserve-fds" },
		{ OF_RUN, "--preserve-fds=-1", "--preserve-fds" },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autofree char *word = es_xstrdup(rows[i].word);
		char *argv[] = { word };
		struct rtargs args = { 0 };
		int at = 0;

		CHECK_ERR(rtargs_parse(rows[i].of, 1, argv, &at, &args), rows[i].text);
	}
}

CHECK_MAIN(TEST(forms), TEST(refusals))
