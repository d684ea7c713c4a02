/* SPDX-License-Identifier: Apache-2.0 */
/* transfer.c: exchanges over one easy handle. */
#include "registry/transfer.h"

#include <ctype.h>
#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>

#include <arpa/inet.h>
#include <netdb.h>

#include "base/str.h"
#include "registry/regerr.h"

#define CONNECT_TIMEOUT_S 30L
#define STALL_S 60L        /* without a byte */
#define FIELD_VALUE_MAX ((size_t)16 << 10)
#define REASON_MAX 256

struct transfer {
	CURL *curl;
	struct transfer_config cfg;
	char error[CURL_ERROR_SIZE];
	char peer[NI_MAXHOST + 8]; /* the last address that was tried */
};

/* One request under way. */
struct exchange {
	struct transfer *t;
	struct arena *a;
	const struct transfer_request *q;
	struct transfer_reply *reply;
	struct es_buf kept;
	uint64_t at;     /* body: bytes received, or sent */
	uint64_t sent;
	es_err *err;     /* of the sink */
	bool cancelled;
};

/* --- what curl calls --- */

/* The field may come more than once. */
static void add_challenges(struct arena *a, const char *value, struct transfer_reply *r)
{
	struct challenge more[CHALLENGES_MAX];
	size_t n = challenge_parse(a, value, more);

	for (size_t i = 0; i < n && r->n_challenges < CHALLENGES_MAX; i++)
		r->challenges[r->n_challenges++] = more[i];
}

static void keep_field(struct exchange *x, const char *name, const char *value)
{
	struct transfer_reply *r = x->reply;
	const struct {
		const char *name;
		const char **to;
	} rows[] = {
		{ "content-type", &r->content_type }, { "docker-content-digest", &r->digest },
		{ "location", &r->location }, { "link", &r->link },
		{ "last-modified", &r->modified }, { "content-disposition", &r->disposition },
	};
	unsigned long long start, length;

	for (size_t i = 0; i < ES_N(rows); i++)
		if (str_eq_nocase(name, rows[i].name))
			*rows[i].to = arena_strdup(x->a, value);
	if (str_eq_nocase(name, "content-range") && sscanf(value, "bytes %llu-", &start) == 1)
		r->start = start;
	if (str_eq_nocase(name, "content-length") && sscanf(value, "%llu", &length) == 1)
		r->length = length;
	if (str_eq_nocase(name, "www-authenticate"))
		add_challenges(x->a, value, r);
}

/* "HTTP/1.1 404 Not Found": the words. */
static const char *reason_of(char *line)
{
	char *words = strchr(str_trim(line), ' ');

	words = words ? strchr(words + 1, ' ') : NULL;
	return words ? words + 1 : "";
}

static size_t on_header(char *bytes, size_t size, size_t n, void *self)
{
	struct exchange *x = self;
	char *line, *colon;

	if (size * n > FIELD_VALUE_MAX)
		return size * n;
	line = arena_strndup(x->a, bytes, size * n);
	if (strncmp(line, "HTTP/", 5) == 0) { /* a head begins: what an interim answer said does not count */
		*x->reply = (struct transfer_reply){ .reason = reason_of(line) };
		return size * n;
	}
	colon = strchr(line, ':');
	if (!colon)
		return size * n;
	*colon = '\0';
	keep_field(x, line, str_trim(colon + 1));
	return size * n;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *self)
{
	struct exchange *x = self;
	long status = 0;

	n *= size;
	(void)curl_easy_getinfo(x->t->curl, CURLINFO_RESPONSE_CODE, &status);
	if (x->q->sink && (status == 200 || status == 206)) {
		x->err = x->q->sink(x->q->self, (status == 206 ? x->reply->start : 0) + x->at, bytes, n);
		x->at += n;
		return x->err ? 0 : n;
	}
	es_buf_add(&x->kept, bytes, n);
	return x->kept.overflow && status < 300 ? 0 : n; /* of an error's text the beginning is enough */
}

static size_t on_send(char *bytes, size_t size, size_t n, void *self)
{
	struct exchange *x = self;
	uint64_t left = x->q->body_size - x->sent;
	ssize_t got;

	n *= size;
	if (n > left)
		n = (size_t)left;
	if (!n)
		return 0;
	got = pread(x->q->body_fd, bytes, n, (off_t)x->sent);
	if (got <= 0) {
		x->err = got < 0 ? es_err_sys(errno, "read what is to be sent") : es_err_new(ES_E_SYSTEM, "what is to be sent got shorter");
		return CURL_READFUNC_ABORT;
	}
	x->sent += (uint64_t)got;
	if (x->q->sent)
		x->q->sent(x->q->self, x->sent);
	return (size_t)got;
}

static int on_progress(void *self, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct exchange *x = self;

	(void)a, (void)b, (void)c, (void)d;
	x->cancelled = x->t->cfg.gone && x->t->cfg.gone(x->t->cfg.self);
	return x->cancelled;
}

static curl_socket_t on_socket(void *self, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct transfer *t = self;
	char host[NI_MAXHOST], port[16];

	(void)purpose;
	if (getnameinfo(&to->addr, to->addrlen, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		(void)snprintf(t->peer, sizeof t->peer, to->family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* --- open --- */

es_err *transfer_open(const struct transfer_config *cfg, struct transfer **ret)
{
	struct transfer *t = ES_NEW(struct transfer);

	t->curl = curl_easy_init();
	t->cfg = *cfg;
	if (!t->curl) {
		free(t);
		return es_err_new(ES_E_SYSTEM, "libcurl does not start");
	}
	*ret = t;
	return NULL;
}

void transfer_close(struct transfer *t)
{
	if (!t)
		return;
	curl_easy_cleanup(t->curl);
	free(t);
}

/* --- URLs --- */

char *transfer_escape(struct transfer *t, struct arena *a, const char *text)
{
	char *escaped = curl_easy_escape(t->curl, text, (int)strlen(text)), *out = arena_strdup(a, escaped ? escaped : "");

	curl_free(escaped);
	return out;
}

char *transfer_resolve_url(struct arena *a, const char *base, const char *url)
{
	CURLU *u = curl_url();
	char *text = NULL, *out = NULL;

	if (u && curl_url_set(u, CURLUPART_URL, base, 0) == CURLUE_OK && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_URL, &text, 0) == CURLUE_OK && (str_starts(text, "https://") || str_starts(text, "http://")))
		out = arena_strdup(a, text);
	curl_free(text);
	curl_url_cleanup(u);
	return out;
}

static bool same_part(CURLU *x, CURLU *y, CURLUPart part)
{
	char *p = NULL, *q = NULL;
	bool same = curl_url_get(x, part, &p, CURLU_DEFAULT_PORT) == CURLUE_OK && curl_url_get(y, part, &q, CURLU_DEFAULT_PORT) == CURLUE_OK &&
		    str_eq_nocase(p, q);

	curl_free(p);
	curl_free(q);
	return same;
}

bool transfer_same_origin(const char *x, const char *y)
{
	CURLU *u = curl_url(), *v = curl_url();
	bool same = u && v && curl_url_set(u, CURLUPART_URL, x, 0) == CURLUE_OK && curl_url_set(v, CURLUPART_URL, y, 0) == CURLUE_OK &&
		    same_part(u, v, CURLUPART_SCHEME) && same_part(u, v, CURLUPART_HOST) && same_part(u, v, CURLUPART_PORT);

	curl_url_cleanup(u);
	curl_url_cleanup(v);
	return same;
}

/* --- one exchange --- */

static struct curl_slist *header_list(const struct transfer_request *q)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");

	if (q->authorization) {
		es_autofree char *line = es_xasprintf("Authorization: %s", q->authorization);

		list = curl_slist_append(list, line);
	}
	for (const char *const *h = q->headers; h && *h; h++)
		list = curl_slist_append(list, *h);
	return list;
}

static void set_method(CURL *c, const struct transfer_request *q)
{
	if (str_eq(q->method, "HEAD")) {
		curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
		return;
	}
	if (q->body_size) {
		curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)q->body_size);
	} else if (!str_eq(q->method, "GET")) {
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body_len);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, q->body ? q->body : "");
	}
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, q->method);
}

static void set_up(struct exchange *x, struct curl_slist *headers)
{
	const struct transfer_request *q = x->q;
	CURL *c = x->t->curl;

	curl_easy_reset(c); /* keeps connections */
	curl_easy_setopt(c, CURLOPT_URL, q->url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "estiba/" ESTIBA_VERSION " (linux)");
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, STALL_S);
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 256L << 10);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, x->t->error);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(c, CURLOPT_READFUNCTION, on_send);
	curl_easy_setopt(c, CURLOPT_READDATA, x);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, x);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, x->t);
	if (x->t->cfg.ca) {
		struct curl_blob blob = { (void *)(uintptr_t)x->t->cfg.ca, x->t->cfg.ca_len, CURL_BLOB_NOCOPY };

		curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &blob);
	}
	if (q->unverified) {
		curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (q->from) { /* not RESUME_FROM: a registry that ignores ranges is no error here */
		es_autofree char *range = es_xasprintf("%" PRIu64 "-", q->from);

		curl_easy_setopt(c, CURLOPT_RANGE, range);
	}
	set_method(c, q);
}

/* --- failures in Go's words --- */

static const char *lower_strerror(int errnum, char *out, size_t size)
{
	(void)snprintf(out, size, "%s", strerror(errnum));
	return str_lower(out);
}

static es_err *certificate_error(CURL *c, const char *detail)
{
	long result = 0;

	(void)curl_easy_getinfo(c, CURLINFO_SSL_VERIFYRESULT, &result);
	switch (result) {
	case 18: case 19: case 20: case 21: /* X509_V_ERR_: self-signed, no issuer */
		return es_err_new(ES_E_SYSTEM, "tls: failed to verify certificate: x509: certificate signed by unknown authority");
	case 9: case 10: /* not yet valid, expired */
		return es_err_new(ES_E_SYSTEM, "tls: failed to verify certificate: x509: certificate has expired or is not yet valid");
	}
	return es_err_new(ES_E_SYSTEM, "tls: failed to verify certificate: x509: %s", detail);
}

static es_err *failure(struct exchange *x, CURLcode code)
{
	struct transfer *t = x->t;
	long errnum = 0;
	char text[REASON_MAX];

	(void)curl_easy_getinfo(t->curl, CURLINFO_OS_ERRNO, &errnum);
	switch (code) {
	case CURLE_COULDNT_CONNECT:
		if (!errnum)
			return es_err_new(ES_E_UNAVAILABLE, "dial tcp %s: i/o timeout", t->peer);
		return es_err_new(ES_E_UNAVAILABLE, "dial tcp %s: connect: %s", t->peer, lower_strerror((int)errnum, text, sizeof text));
	case CURLE_COULDNT_RESOLVE_HOST: {
		const char *host = strstr(x->q->url, "://") + 3;

		return es_err_new(ES_E_UNAVAILABLE, "dial tcp: lookup %.*s: no such host", (int)strcspn(host, "/:"), host);
	}
	case CURLE_OPERATION_TIMEDOUT:
		return es_err_new(ES_E_UNAVAILABLE, "dial tcp %s: i/o timeout", t->peer);
	case CURLE_PEER_FAILED_VERIFICATION:
		return certificate_error(t->curl, t->error);
	case CURLE_SSL_CONNECT_ERROR:
		if (strstr(t->error, "wrong version number"))
			return es_err_new(ES_E_SYSTEM, "http: server gave HTTP response to HTTPS client");
		return es_err_new(ES_E_UNAVAILABLE, "tls: %s", t->error);
	case CURLE_GOT_NOTHING:
		return es_err_new(ES_E_UNAVAILABLE, "EOF");
	case CURLE_PARTIAL_FILE:
		return es_err_new(ES_E_UNAVAILABLE, "unexpected EOF");
	case CURLE_RECV_ERROR:
		return es_err_new(ES_E_UNAVAILABLE, "read tcp %s: %s", t->peer, lower_strerror(errnum ? (int)errnum : ECONNRESET, text, sizeof text));
	case CURLE_SEND_ERROR:
		return es_err_new(ES_E_UNAVAILABLE, "write tcp %s: %s", t->peer, lower_strerror(errnum ? (int)errnum : EPIPE, text, sizeof text));
	default:
		return es_err_new(ES_E_PROTOCOL, "%s", t->error[0] ? t->error : curl_easy_strerror(code));
	}
}

static es_err *why(struct exchange *x, CURLcode code)
{
	if (x->err)
		return ES_TAKE(x->err);
	if (x->cancelled)
		return es_err_new(ES_E_CANCELLED, "cancelled");
	if (x->kept.overflow)
		return es_err_new(ES_E_LIMIT, "answer of %s is larger than %zu bytes", x->q->url, x->kept.max);
	return regerr_at(failure(x, code), x->q->method, x->q->url);
}

static es_err *once(struct transfer *t, struct arena *a, const struct transfer_request *q, struct transfer_reply *ret)
{
	struct exchange x = { .t = t, .a = a, .q = q, .reply = ret, .kept = ES_BUF(q->max ? q->max : REGERR_BODY_MAX) };
	struct curl_slist *headers = header_list(q);
	es_err *err = NULL;
	CURLcode code;

	*ret = (struct transfer_reply){ .reason = "" };
	t->error[0] = '\0';
	set_up(&x, headers);
	code = curl_easy_perform(t->curl);
	if (code != CURLE_OK)
		err = why(&x, code);
	es_err_drop(x.err);
	curl_slist_free_all(headers);
	(void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &ret->status);
	ret->body = arena_strndup(a, es_buf_str(&x.kept), x.kept.len);
	ret->body_len = x.kept.len;
	es_buf_done(&x.kept);
	return err;
}

static bool is_redirect(long status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

es_err *transfer_do(struct transfer *t, struct arena *a, const struct transfer_request *q, struct transfer_reply *ret)
{
	struct transfer_request now = *q;

	for (int hops = 0; hops <= TRANSFER_REDIRECTS_MAX; hops++) {
		const char *next;

		ES_TRY(once(t, a, &now, ret));
		next = ret->location ? transfer_resolve_url(a, now.url, ret->location) : NULL;
		ret->location = next;
		if (!is_redirect(ret->status))
			return NULL;
		if (!next)
			return es_err_new(ES_E_PROTOCOL, "%s redirects to nowhere that can be gone to", now.url);
		/* Credentials stay with the origin that asked for them, and what began under TLS stays under TLS. */
		if (str_starts(now.url, "https://") && !str_starts(next, "https://") && !q->unverified)
			return es_err_new(ES_E_PROTOCOL, "%s redirects from https to %s", now.url, next);
		if (!transfer_same_origin(q->url, next))
			now.authorization = NULL;
		now.url = next;
	}
	return es_err_new(ES_E_PROTOCOL, "%s: stopped after %d redirects", q->url, TRANSFER_REDIRECTS_MAX);
}
