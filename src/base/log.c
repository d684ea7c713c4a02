/* SPDX-License-Identifier: Apache-2.0 */
/* log.c: lines for whoever runs the program. The sink is the one writable global of the house. */
#include "base/log.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"

#define LINE_MAX_BYTES ((size_t)16 << 10)

static struct {
	int fd;
	enum log_level level;
	bool json;
} sink = { STDERR_FILENO, LOG_L_INFO, false };

static const char *const level_names[] = {
	[LOG_L_ERROR] = "error",
	[LOG_L_WARN] = "warning",
	[LOG_L_INFO] = "info",
	[LOG_L_DEBUG] = "debug",
};

void log_setup(int fd, enum log_level level, bool json)
{
	sink.fd = fd;
	sink.level = level;
	sink.json = json;
}

bool log_is_on(enum log_level level)
{
	return level <= sink.level;
}

static void quoted(struct es_buf *b, const char *s)
{
	es_buf_addc(b, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			es_buf_printf(b, "\\%c", c);
		else if (c == '\n')
			es_buf_adds(b, "\\n");
		else if (c < 0x20)
			es_buf_printf(b, "\\u%04x", c);
		else
			es_buf_addc(b, (char)c);
	}
	es_buf_addc(b, '"');
}

static void emit(enum log_level level, const char *text)
{
	es_autobuf b = ES_BUF(LINE_MAX_BYTES);
	char when[CLOCK_TEXT_MAX];

	clock_rfc3339_fixed(clock_now_ns(), when);
	/* members in the order of dockerd's and runc's lines, for those who read them with a pattern */
	if (sink.json)
		es_buf_printf(&b, "{\"level\":\"%s\",\"msg\":", level_names[level]);
	else
		es_buf_printf(&b, "time=\"%s\" level=%s msg=", when, level_names[level]);
	quoted(&b, text);
	if (sink.json)
		es_buf_printf(&b, ",\"time\":\"%s\"}", when);
	es_buf_addc(&b, '\n');
	if (b.len)
		(void)!write(sink.fd, b.p, b.len); /* one write: lines of several threads do not mix */
}

void log_line(enum log_level level, const char *fmt, ...)
{
	es_autofree char *text = NULL;
	va_list ap;

	if (!log_is_on(level))
		return;
	va_start(ap, fmt);
	text = es_xvasprintf(fmt, ap);
	va_end(ap);
	emit(level, text);
}

void log_err(es_err *err, const char *fmt, ...)
{
	es_autofree char *text = NULL;
	va_list ap;

	if (!err)
		return;
	va_start(ap, fmt);
	text = es_xvasprintf(fmt, ap);
	va_end(ap);
	log_line(LOG_L_WARN, "%s: %s", text, es_err_text(err));
	es_err_free(err);
}

es_err *log_level_parse(const char *name, enum log_level *ret)
{
	if (strcmp(name, "fatal") == 0 || strcmp(name, "panic") == 0) {
		*ret = LOG_L_ERROR;
		return NULL;
	}
	if (strcmp(name, "warn") == 0)
		name = "warning";
	for (size_t i = 0; i < ES_N(level_names); i++)
		if (strcmp(level_names[i], name) == 0) {
			*ret = (enum log_level)i;
			return NULL;
		}
	return es_err_new(ES_E_INVALID, "unable to parse logging level: %s", name);
}
