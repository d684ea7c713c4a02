/* SPDX-License-Identifier: Apache-2.0 */
/* nocmocka.h: what check.h needs of cmocka, for machines that we cross-build for and that have no cmocka. */
#pragma once

#include <stdlib.h>

struct CMUnitTest {
	const char *name;
	void (*test)(void **state);
	void *setup, *teardown; /* never used */
	void *initial_state;
};

/* One program has one file, so one copy of this is enough; tests run one after the other. */
static jmp_buf nocmocka_end;
enum { NOCMOCKA_FAILED = 1, NOCMOCKA_SKIPPED };

#define fail_msg(...)                                    \
	do {                                             \
		fprintf(stderr, __VA_ARGS__);            \
		fprintf(stderr, "\n");                   \
		longjmp(nocmocka_end, NOCMOCKA_FAILED);  \
	} while (0)
#define print_message printf
#define skip() longjmp(nocmocka_end, NOCMOCKA_SKIPPED)
#define cmocka_run_group_tests(tests, setup, teardown) nocmocka_run(tests, sizeof(tests) / sizeof((tests)[0]))

static int nocmocka_run(const struct CMUnitTest *tests, size_t n)
{
	static const char *const words[] = { "OK", [NOCMOCKA_FAILED] = "FAILED", [NOCMOCKA_SKIPPED] = "SKIPPED" };
	static volatile int failed;

	for (volatile size_t i = 0; i < n; i++) {
		int how = setjmp(nocmocka_end);
		void *state = tests[i].initial_state;

		if (how == 0)
			tests[i].test(&state);
		failed += how == NOCMOCKA_FAILED;
		printf("%s %s\n", words[how], tests[i].name);
	}
	return failed;
}
