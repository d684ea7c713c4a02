/* SPDX-License-Identifier: Apache-2.0 */
/* test_table.c: columns as Go's tabwriter makes them. */
#include "cli/table.h"

#include "check.h"

static void rows(void)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{ "", "" },
		{ "A\tB\n1\t2\n", "A         B\n1         2\n" },
		{ "CONTAINER ID\tX\n1\t2\n", "CONTAINER ID   X\n1              2\n" },
		/* a row that ends in an empty cell keeps its blanks */
		{ "A\tB\tC\n1\t2\t\n", "A         B         C\n1         2         \n" },
		/* a line without tabs ends the columns above it */
		{ "a long first cell\tx\nplain\nb\ty\n", "a long first cell   x\nplain\nb         y\n" },
		/* width counts characters, not bytes */
		{ "ääääääääää\tx\nb\ty\n", "ääääääääää   x\nb            y\n" },
	};
	for (size_t i = 0; i < ES_N(cases); i++) {
		es_autobuf out = ES_BUF(4096);

		table_align(cases[i].in, 10, 3, &out);
		CHECK_STR(es_buf_str(&out), cases[i].want);
	}
}

CHECK_MAIN(TEST(rows))
