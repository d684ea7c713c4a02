/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h: points in time in nanoseconds, and their RFC 3339 text. */
#pragma once

#include <stdint.h>

#include "base/err.h"

#define CLOCK_NS_PER_S INT64_C(1000000000)
#define CLOCK_NS_PER_MS INT64_C(1000000)
#define CLOCK_TEXT_MAX 40

int64_t clock_now_ns(void);  /* since 1970, CLOCK_REALTIME */
int64_t clock_mono_ns(void); /* CLOCK_MONOTONIC, for intervals and deadlines */
/* RFC 3339 with nanoseconds in UTC, trailing zeros of the fraction cut as Go's RFC3339Nano does. INT64_MIN is docker's zero
 * time "0001-01-01T00:00:00Z". OUT has CLOCK_TEXT_MAX bytes. Returns OUT. */
char *clock_rfc3339(int64_t ns, char *out);
/* Same with exactly nine digits of fraction, as log lines have it. */
char *clock_rfc3339_fixed(int64_t ns, char *out);
/* Inverse; takes any offset and any fraction. Zero time gives INT64_MIN. */
es_err *clock_parse(const char *text, int64_t *ret_ns) ES_CHECKED;
/* An HTTP date ("Sun, 06 Nov 1994 08:49:37 GMT") as seconds since 1970. */
es_err *clock_parse_http(const char *text, int64_t *ret_s) ES_CHECKED;
