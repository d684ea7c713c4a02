/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_logfile.c: whatever a container writes, in whatever pieces: the log is lines of JSON, and nothing is lost. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

#include "base/file.h"
#include "codec/detach.h"
#include "codec/json.h"
#include "monitor/logfile.h"

#define LOG_MAX (64u << 20)

/* Bytes of all log texts; every line must parse. */
static size_t read_back(const char *path)
{
	es_autoarena *a = arena_new();
	es_autofree char *text = NULL;
	size_t len, used, total = 0;

	if (file_read(AT_FDCWD, path, LOG_MAX, &text, &len))
		abort();
	for (const char *at = text; at < text + len; at += used + 1) {
		struct json *line;

		if (json_parse_prefix(a, at, (size_t)(text + len - at), &line, &used) || at[used] != '\n')
			abort();
		total += json_get(line, "log")->len;
	}
	return total;
}

/* A detach sequence passes on what is not the sequence. */
static void detach(const char *bytes, size_t n)
{
	struct detach d;
	char out[512 + DETACH_KEYS_MAX];
	size_t part = n < 512 ? n : 512;
	bool detached;

	es_err_drop(detach_parse(bytes, &d));
	if (detach_parse("a,b,a,c", &d))
		abort();
	if (detach_feed(&d, bytes, part, out, &detached) > part)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/tmp/estiba-fuzz-log-XXXXXX";
	es_autofree char *bytes = es_xstrndup((const char *)data, size);
	struct logfile *l = ES_NEW(struct logfile);
	size_t piece = size ? data[0] + 1u : 1;

	close(mkstemp(path));
	if (logfile_open(l, path, NULL, 0, 1))
		abort();
	for (size_t at = 0; at < size; at += piece)
		logfile_feed(l, (at / piece) % 2 ? LOGFILE_STDERR : LOGFILE_STDOUT, (const char *)data + at,
			     size - at < piece ? size - at : piece, 1);
	logfile_end(l, LOGFILE_STDOUT, 1);
	logfile_end(l, LOGFILE_STDERR, 1);
	if (l->dropped || read_back(path) < size) /* a bad byte becomes three */
		abort();
	logfile_done(l);
	free(l);
	unlink(path);
	detach(bytes, strlen(bytes));
	return 0;
}
