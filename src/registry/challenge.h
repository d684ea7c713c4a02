/* SPDX-License-Identifier: Apache-2.0 */
/* challenge.h: the WWW-Authenticate field: which scheme a registry wants, and what it says about it. */
#pragma once

#include "base/arena.h"
#include "base/err.h"

#define CHALLENGES_MAX 16u /* schemes looked at */

/* Strings are NULL where they were not given. */
struct challenge {
	const char *scheme; /* lower case: "basic", "bearer" */
	const char *realm, *service, *scope;
	const char *error, *error_description; /* RFC 6750, section 3.1 */
};

/* All challenges of one field value (RFC 9110, section 11.6.1: several in one field, parameters as tokens or quoted strings). What
 * does not follow the grammar ends the list; it is no error. Returns how many of RET (CHALLENGES_MAX) were filled. */
size_t challenge_parse(struct arena *a, const char *value, struct challenge *ret);
