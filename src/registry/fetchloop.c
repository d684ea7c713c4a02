/* SPDX-License-Identifier: Apache-2.0 */
/* fetchloop.c: one request after the other: decode, check against the table of messages, do, reply. */
#include "registry/fetchloop.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "registry/fetchbox.h"
#include "registry/regsearch.h"
#include "registry/webfile.h"
#include "spec/ref.h"
#include "sys/uds.h"

#define PROGRESS_EVERY_NS (100 * CLOCK_NS_PER_MS)

struct loop_state {
	struct arena *a; /* of the session */
	struct remote *remote;
	bool with_path;
	int64_t told_ns; /* when progress was told last */
};

/* A request with its descriptors. */
struct call {
	struct loop_state *s;
	struct arena *a;
	struct fetch_request q;
	int fds[UDS_FDS_MAX];
	size_t n_fds;
	struct fetch_reply reply;
};

static es_err *send_reply(const struct fetch_reply *reply, int flags)
{
	es_autobuf b = ES_BUF(FETCH_MESSAGE_MAX);

	field_encode_text(&b, fetch_reply_fields, reply);
	ES_TRY(es_buf_check(&b));
	return uds_send(FETCH_FD_CONTROL, b.p, b.len, NULL, 0, flags, NULL);
}

/* --- while a request runs --- */

static bool is_gone(void *self)
{
	struct pollfd p = { .fd = FETCH_FD_CONTROL, .events = POLLRDHUP };

	(void)self;
	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLRDHUP));
}

/* A reader that is behind misses figures, which the next ones replace. */
static void tell(void *self, uint64_t current, uint64_t total)
{
	struct call *c = self;
	int64_t now = clock_mono_ns();

	if (now - c->s->told_ns < PROGRESS_EVERY_NS && current < total)
		return;
	c->s->told_ns = now;
	es_err_drop(send_reply(&(struct fetch_reply){ .current = (int64_t)current, .total = (int64_t)total }, MSG_DONTWAIT));
}

/* --- the requests --- */

/* Descriptor CA, if there is one, has certificates. */
static es_err *config_of(struct call *c, size_t ca, struct remote_config *ret)
{
	struct remote_config cfg = {
		.domain = c->q.domain, .path = c->q.path, .mirrors = c->q.mirrors, .insecure = c->q.insecure, .auth = c->q.auth,
		.push = c->q.push, .transfer = { .gone = is_gone },
	};
	char *text;

	if (str_empty(c->q.domain))
		return es_err_new(ES_E_INVALID, "%s: no domain", c->q.op);
	if (c->n_fds > ca) {
		ES_TRY(file_read_all(c->fds[ca], FETCH_CA_MAX, &text, &cfg.transfer.ca_len));
		arena_own(c->a, text);
		cfg.transfer.ca = text;
	}
	*ret = cfg;
	return NULL;
}

static es_err *do_open(struct call *c)
{
	struct remote_config cfg;

	ES_TRY(config_of(c, 0, &cfg));
	c->s->with_path = c->q.path != NULL;
	ES_TRY(remote_open(c->a, &cfg, &c->s->remote));
	return remote_find(c->s->remote);
}

static es_err *do_login(struct call *c)
{
	return remote_login(c->s->remote, &c->reply.token);
}

static es_err *do_resolve(struct call *c)
{
	struct remote_doc doc;

	ES_TRY(remote_resolve(c->s->remote, c->a, c->q.ref ? c->q.ref : "", &doc));
	ES_TRY(file_write_all(c->fds[0], doc.text, doc.len));
	ES_TRY(file_write_all(c->fds[1], doc.plain, doc.plain_len));
	c->reply.digest = arena_strdup(c->a, doc.digest);
	c->reply.media_type = doc.media_type;
	return NULL;
}

static es_err *do_tags(struct call *c)
{
	es_autobuf b = ES_BUF(FETCH_LIST_MAX);
	char **tags;

	ES_TRY(remote_tags(c->s->remote, c->a, &tags));
	for (; tags && *tags; tags++)
		es_buf_printf(&b, "%s\n", *tags);
	ES_TRY(es_buf_check(&b));
	return file_write_all(c->fds[0], es_buf_str(&b), b.len);
}

static es_err *check_digest(const struct call *c)
{
	if (!c->q.digest || !ref_is_digest(c->q.digest) || c->q.size < 0)
		return es_err_new(ES_E_INVALID, "%s: no digest or no size", c->q.op);
	return NULL;
}

static es_err *do_blob(struct call *c)
{
	const struct remote_progress p = { tell, c };

	ES_TRY(check_digest(c));
	return remote_blob(c->s->remote, c->q.digest, (uint64_t)c->q.size, c->fds[0], &p);
}

static es_err *do_has(struct call *c)
{
	ES_TRY(check_digest(c));
	return remote_has(c->s->remote, c->q.digest, &c->reply.there);
}

static es_err *do_upload(struct call *c)
{
	const struct remote_progress p = { tell, c };

	ES_TRY(check_digest(c));
	return remote_upload(c->s->remote, c->q.digest, (uint64_t)c->q.size, c->q.from, c->n_fds ? c->fds[0] : -1, &p, &c->reply.mounted);
}

static es_err *do_put(struct call *c)
{
	es_autofree char *text = NULL;
	size_t n;

	if (!c->q.ref || !(ref_is_tag(c->q.ref) || ref_is_digest(c->q.ref)) || str_empty(c->q.media_type) || strpbrk(c->q.media_type, "\r\n"))
		return es_err_new(ES_E_INVALID, "put: no reference or no media type");
	ES_TRY(file_read_all(c->fds[0], OCI_MANIFEST_MAX, &text, &n));
	return remote_put(c->s->remote, c->q.ref, c->q.media_type, text, n);
}

static es_err *do_get(struct call *c)
{
	const struct transfer_config cfg = { .gone = is_gone };
	const struct remote_progress p = { tell, c };
	struct webfile got;

	if (str_empty(c->q.url))
		return es_err_new(ES_E_INVALID, "get: no url");
	ES_TRY(webfile_get(c->a, &cfg, c->q.url, c->fds[0], &p, &got));
	c->reply.name = got.name;
	c->reply.modified = got.modified;
	return NULL;
}

static es_err *do_search(struct call *c)
{
	es_autobuf b = ES_BUF(FETCH_LIST_MAX);
	struct remote_config cfg;
	struct fetch_hits hits;

	if (str_empty(c->q.term))
		return es_err_new(ES_E_INVALID, "search: no term");
	ES_TRY(config_of(c, 1, &cfg));
	ES_TRY(regsearch(c->a, &cfg, c->q.term, c->q.size, &hits));
	field_encode_text(&b, fetch_hits_fields, &hits);
	ES_TRY(es_buf_check(&b));
	return file_write_all(c->fds[0], es_buf_str(&b), b.len);
}

static es_err *(*const doers[FETCH_OP_N])(struct call *c) = {
	[FETCH_OPEN] = do_open, [FETCH_LOGIN] = do_login, [FETCH_RESOLVE] = do_resolve, [FETCH_TAGS] = do_tags,
	[FETCH_BLOB] = do_blob, [FETCH_HAS] = do_has, [FETCH_UPLOAD] = do_upload, [FETCH_PUT] = do_put,
	[FETCH_GET] = do_get, [FETCH_SEARCH] = do_search,
};

/* --- the loop --- */

/* "Try again" was for this program; to the daemon's clients it is docker's 500. */
static es_err *final(es_err *err)
{
	return err && es_err_class(err) == ES_E_UNAVAILABLE ? es_err_as(err, ES_E_SYSTEM) : err;
}

static es_err *run_call(struct call *c, const char *text, size_t n)
{
	const struct fetch_op_row *row;
	int op;

	ES_TRY(field_decode_text(c->a, fetch_request_fields, text, n, &c->q));
	if (c->q.version != FETCH_VERSION)
		return es_err_new(ES_E_UNSUPPORTED, "messages of version %" PRIi64 ", want %d", c->q.version, FETCH_VERSION);
	op = fetch_op_of(c->q.op);
	if (op < 0)
		return es_err_new(ES_E_UNSUPPORTED, "unknown message \"%s\"", c->q.op);
	row = &fetch_op_rows[op];
	if (row->first != !c->s->remote || (row->with_path && !c->s->with_path) || c->n_fds < row->min_fds || c->n_fds > row->max_fds)
		return es_err_new(ES_E_PROTOCOL, "message \"%s\" is out of place", c->q.op);
	return final(doers[op](c));
}

/* False: the other end is closed, or cannot be spoken to. */
static bool serve_one(struct loop_state *s, char *buffer)
{
	es_autoarena *own = s->remote ? arena_new() : NULL; /* what open says lives as long as the session */
	struct call c = { .s = s, .a = own ? own : s->a };
	size_t len;
	es_err *err = uds_recv(FETCH_FD_CONTROL, buffer, FETCH_MESSAGE_MAX, c.fds, &c.n_fds, 0, &len);

	if (err || !len) {
		es_err_drop(err);
		return false;
	}
	s->told_ns = 0;
	err = run_call(&c, buffer, len);
	for (size_t i = 0; i < c.n_fds; i++)
		es_close(c.fds[i]); /* before the reply: then a reader has seen the end */
	c.reply.ok = !err;
	if (err)
		c.reply = (struct fetch_reply){ .error = es_err_text(err), .class = es_err_class_name(es_err_class(err)) };
	es_err *lost = send_reply(&c.reply, 0);
	es_err_drop(err);
	es_err_drop(lost);
	return !lost;
}

static es_err *run(void)
{
	es_autofree char *buffer = es_xmalloc(FETCH_MESSAGE_MAX);
	es_autoarena *a = arena_new();
	struct loop_state s = { .a = a };

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return es_err_new(ES_E_SYSTEM, "libcurl does not start");
	ES_TRY(fetchbox_enter());
	while (serve_one(&s, buffer))
		;
	remote_close(s.remote);
	return NULL;
}

int fetchloop_main(int argc, char **argv)
{
	struct stat st;

	if (argc > 1 && str_eq(argv[1], "--version")) {
		printf("estiba-fetch version %s\n", ESTIBA_VERSION);
		return 0;
	}
	if (argc > 1 || fstat(FETCH_FD_CONTROL, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		fprintf(stderr, "estiba-fetch is started by estibad and speaks on descriptor %d (doc/format/fetch.md)\n", FETCH_FD_CONTROL);
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	es_autoerr es_err *err = run();
	if (err)
		fprintf(stderr, "estiba-fetch: %s\n", es_err_text(err));
	return err ? 1 : 0;
}
