/* SPDX-License-Identifier: Apache-2.0 */
/* req.c: questions about a request. */
#include "api/req.h"

#include <fcntl.h>
#include <pthread.h>
#include <strings.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "codec/json.h"

#define PUMP_BYTES (64u << 10)

const char *req_query(const struct req *r, const char *name)
{
	for (size_t i = 0; i < r->n_query; i++)
		if (str_eq(r->query[i].name, name))
			return r->query[i].value;
	return NULL;
}

char **req_query_all(const struct req *r, const char *name)
{
	char **v = ARENA_ARRAY(r->a, char *, r->n_query + 1);
	size_t n = 0;

	for (size_t i = 0; i < r->n_query; i++)
		if (str_eq(r->query[i].name, name))
			v[n++] = arena_strdup(r->a, r->query[i].value);
	return v;
}

bool req_bool(const struct req *r, const char *name, bool otherwise)
{
	static const char *const no[] = { "", "0", "no", "false", "none" };
	const char *v = req_query(r, name);

	if (!v)
		return otherwise;
	for (size_t i = 0; i < ES_N(no); i++)
		if (str_eq_nocase(v, no[i]))
			return false;
	return true;
}

es_err *req_i64(const struct req *r, const char *name, int64_t otherwise, int64_t *ret)
{
	const char *v = req_query(r, name);
	es_err *err = NULL;

	*ret = otherwise;
	if (str_empty(v))
		return NULL;
	err = str_to_i64(v, 10, ret);
	if (!err)
		return NULL;
	es_err_drop(err);
	return es_err_new(ES_E_INTERNAL, "strconv.Atoi: parsing \"%s\": invalid syntax", v);
}

static es_err *one_size(const struct req *r, const char *name, int64_t *ret)
{
	if (str_empty(req_query(r, name)))
		return es_err_new(ES_E_INVALID, "strconv.Atoi: parsing \"\": invalid syntax");
	ES_TRY(es_err_as(req_i64(r, name, 0, ret), ES_E_INVALID));
	if (*ret < 0 || *ret > UINT16_MAX)
		return es_err_new(ES_E_INVALID, "invalid terminal size %s=%lld", name, (long long)*ret);
	return NULL;
}

es_err *req_size(const struct req *r, int64_t *ret_width, int64_t *ret_height)
{
	ES_TRY(one_size(r, "h", ret_height));
	return one_size(r, "w", ret_width);
}

es_err *req_time(const struct req *r, const char *name, int64_t otherwise, int64_t *ret_ns)
{
	const char *v = req_query(r, name);
	const char *dot = v ? strchr(v, '.') : NULL;
	es_autofree char *whole = v ? es_xstrndup(v, dot ? (size_t)(dot - v) : strlen(v)) : NULL;
	int64_t seconds, ns = 0, digit = CLOCK_NS_PER_S / 10;
	es_err *err;

	*ret_ns = otherwise;
	if (str_empty(v))
		return NULL;
	err = str_to_i64(whole, 10, &seconds);
	for (const char *p = dot ? dot + 1 : ""; !err && *p; p++, digit /= 10) {
		if (*p < '0' || *p > '9')
			err = es_err_new(ES_E_INVALID, "digit");
		else
			ns += (*p - '0') * digit;
	}
	if (err || seconds > INT64_MAX / CLOCK_NS_PER_S - 1 || seconds < INT64_MIN / CLOCK_NS_PER_S + 1) {
		es_err_drop(err);
		return es_err_new(ES_E_INTERNAL, "strconv.ParseInt: parsing \"%s\": invalid syntax", whole);
	}
	*ret_ns = seconds * CLOCK_NS_PER_S + ns;
	return NULL;
}

es_err *req_filters(const struct req *r, const char *const *allowed, struct filters *ret)
{
	ES_TRY(filters_parse(r->a, req_query(r, "filters"), ret));
	return allowed ? filters_check(ret, allowed) : NULL;
}

const char *req_header(const struct req *r, const char *name)
{
	return http_field_get(http_call_head(r->call), name);
}

static es_err *check_content_type(const struct req *r)
{
	const char *type = req_header(r, "Content-Type");
	es_autofree char *media = es_xstrndup(type ? type : "", strcspn(type ? type : "", ";"));

	if (str_eq_nocase(str_trim(media), "application/json"))
		return NULL;
	return es_err_new(ES_E_INVALID, "unsupported Content-Type header (%s): must be 'application/json'", type ? type : "");
}

/* Go's decoder does not say where, and calls a text that breaks off an unexpected EOF. Takes ERR; NULL stays NULL. */
static es_err *invalid_json(es_err *err)
{
	const char *text = err ? es_err_text(err) : "", *where = strstr(text, " at byte ");
	es_err *out;

	if (!err)
		return NULL;
	if (str_starts(text, "unexpected end"))
		out = es_err_new(ES_E_INVALID, "invalid JSON: unexpected EOF");
	else
		out = es_err_new(ES_E_INVALID, "invalid JSON: %.*s", (int)(where ? where - text : (long)strlen(text)), text);
	es_err_free(err);
	return out;
}

es_err *req_json(const struct req *r, struct json **ret)
{
	char *text;
	size_t n;
	es_err *err;

	*ret = NULL;
	if (http_call_head(r->call)->framing == HTTP_NO_BODY)
		return NULL;
	ES_TRY(check_content_type(r));
	ES_TRY(http_call_read_all(r->call, REQ_BODY_MAX, &text, &n));
	if (!*str_trim(text))
		return NULL;
	err = json_parse(r->a, text, strlen(text), ret);
	return invalid_json(err);
}

es_err *req_fields(const struct req *r, const struct field *rows, void *out)
{
	struct json *body;

	ES_TRY(req_json(r, &body));
	if (!body || json_is(body, JSON_NULL))
		return NULL;
	return es_err_in(field_decode(r->a, rows, body, out), "invalid JSON");
}

struct req_body {
	struct http_call *call;
	int out;
	es_err *err;
	pthread_t thread;
};

static void *body_main(void *arg)
{
	struct req_body *b = arg;
	es_autofree char *bytes = es_xmalloc(PUMP_BYTES);
	size_t n = 1;

	while (!b->err && n) {
		b->err = http_call_read(b->call, bytes, PUMP_BYTES, &n);
		if (!b->err && n) {
			es_err *err = file_write_all(b->out, bytes, n);

			/* A reader that closed has seen enough. */
			if (err && es_err_errno(err) == EPIPE)
				n = 0;
			else
				b->err = es_err_dup(err);
			es_err_drop(err);
		}
	}
	es_close(b->out);
	return NULL;
}

es_err *req_body_fd(struct req *r, struct req_body **ret, int *ret_fd)
{
	struct req_body *b;
	int fds[2], rc;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return es_err_sys(errno, "pipe");
	b = ES_NEW(struct req_body);
	b->call = r->call;
	b->out = fds[1];
	rc = pthread_create(&b->thread, NULL, body_main, b);
	if (rc) {
		es_close(fds[0]);
		es_close(fds[1]);
		free(b);
		return es_err_sys(rc, "start thread");
	}
	*ret = b;
	*ret_fd = fds[0];
	return NULL;
}

es_err *req_body_done(struct req_body *b)
{
	es_err *err;

	pthread_join(b->thread, NULL);
	err = b->err;
	free(b);
	return err;
}
