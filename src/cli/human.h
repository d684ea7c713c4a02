/* SPDX-License-Identifier: Apache-2.0 */
/* human.h: sizes, ages and ids as docker prints them for people. */
#pragma once

#include <stdint.h>

#include "base/arena.h"

/* Decimal units, three significant digits: "3MB", "1.03kB", "0B". */
char *human_size(struct arena *a, double bytes);
/* The same with PRECISION significant digits; docker's image and container sizes have 3. */
char *human_size_digits(struct arena *a, double bytes, int precision);
/* Binary units: "7.79GiB", "21.5MiB" (memory of stats and info). */
char *human_bytes(struct arena *a, double bytes);
/* ago_words (base/ago.h) of what passed since a second of 1970, with " ago"; "N/A" for a time before 1970's start. */
char *human_ago(struct arena *a, int64_t unix_seconds);
/* A Go duration: "1h0m0s", "5s", "1.5s", "300ms". */
char *human_go_duration(struct arena *a, int64_t ns);
/* "2026-11-23 19:04:06 +0000 UTC" */
char *human_time(struct arena *a, int64_t unix_seconds);
/* The first 12 digits, without "sha256:". */
const char *human_short_id(struct arena *a, const char *id);
/* At most WIDTH characters (not bytes), the last one "…" when something was cut. */
char *human_ellipsis(struct arena *a, const char *s, size_t width);
/* Columns S takes on a terminal: characters, not bytes. */
size_t human_width(const char *s);
