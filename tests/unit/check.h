/* SPDX-License-Identifier: Apache-2.0 */
/* check.h: the few words that unit tests are written in, on cmocka; a failing row prints both sides. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef CHECK_WITHOUT_CMOCKA
#include "nocmocka.h"
#else
#include <cmocka.h>
#endif

#include "base/err.h"

#define CHECK(cond)                                                                      \
	do {                                                                             \
		if (!(cond))                                                             \
			fail_msg("%s:%d: %s is false", __FILE__, __LINE__, #cond);       \
	} while (0)
#define CHECK_STR(got, want)                                                                                  \
	do {                                                                                                  \
		const char *got_ = (got), *want_ = (want);                                                    \
		if (!got_ || !want_ ? got_ != want_ : strcmp(got_, want_) != 0)                               \
			fail_msg("%s:%d: %s\n   got: %s\n  want: %s", __FILE__, __LINE__, #got,               \
				 got_ ? got_ : "(null)", want_ ? want_ : "(null)");                           \
	} while (0)
#define CHECK_INT(got, want)                                                                                  \
	do {                                                                                                  \
		long long got_ = (long long)(got), want_ = (long long)(want);                                 \
		if (got_ != want_)                                                                            \
			fail_msg("%s:%d: %s is %lld, want %lld", __FILE__, __LINE__, #got, got_, want_);      \
	} while (0)
/* The step must succeed. */
#define CHECK_OK(step)                                                                                        \
	do {                                                                                                  \
		es_err *err_ = (step);                                                                        \
		if (err_)                                                                                     \
			fail_msg("%s:%d: %s: %s", __FILE__, __LINE__, #step, es_err_text(err_));              \
	} while (0)
/* The step must fail, with WANT somewhere in its text (NULL: any text). */
#define CHECK_ERR(step, want)                                                                                 \
	do {                                                                                                  \
		es_err *err_ = (step);                                                                        \
		const char *want_ = (want);                                                                   \
		if (!err_)                                                                                    \
			fail_msg("%s:%d: %s succeeded, want an error", __FILE__, __LINE__, #step);            \
		if (want_ && !strstr(es_err_text(err_), want_))                                               \
			fail_msg("%s:%d: %s\n   got: %s\n  want: %s", __FILE__, __LINE__, #step,              \
				 es_err_text(err_), want_);                                                   \
		es_err_free(err_);                                                                            \
	} while (0)
/* Tests are void name(void); list them with CHECK_MAIN(TEST(a), TEST(b)). */
#define TEST(name) { #name, check_call, NULL, NULL, (void *)(uintptr_t)(name) }
#define CHECK_MAIN(...)                                                                    \
	static void check_call(void **state)                                               \
	{                                                                                  \
		((void (*)(void))(uintptr_t)*state)();                                     \
	}                                                                                  \
	int main(void)                                                                     \
	{                                                                                  \
		const struct CMUnitTest tests[] = { __VA_ARGS__ };                         \
		return cmocka_run_group_tests(tests, NULL, NULL);                          \
	}
