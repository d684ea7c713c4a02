/* SPDX-License-Identifier: Apache-2.0 */
/* fetchproc.c: start estiba-fetch with one socket and nothing else, send it requests, believe its answers as far as they can be checked. */
#include "engine/fetchproc.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "spec/ref.h"
#include "store/blob.h"
#include "sys/pidfd.h"
#include "sys/spawn.h"
#include "sys/uds.h"

struct fetch_session {
	int sock, pidfd, cancel_fd;
};

/* --- the program --- */

/* curl reads the small names; Go's tools, and people, the large ones too. */
static char **proxy_env(void)
{
	static const char *const rows[][2] = { { "http_proxy", "HTTP_PROXY" }, { "https_proxy", "HTTPS_PROXY" }, { "no_proxy", "NO_PROXY" } };
	char **env = NULL;

	for (size_t i = 0; i < ES_N(rows); i++) {
		const char *value = getenv(rows[i][0]);

		if (!value)
			value = getenv(rows[i][1]);
		if (value)
			strv_take(&env, es_xasprintf("%s=%s", rows[i][0], value));
	}
	if (env && !strv_env_get(env, "no_proxy")) /* as in Go, this machine is not reached through a proxy */
		strv_add(&env, "no_proxy=localhost,127.0.0.1,::1");
	return env;
}

static es_err *start(struct fetch_session *s)
{
	static const char *const argv[] = { "estiba-fetch", NULL };
	es_autofree char *path = NULL;
	es_autostrv env = proxy_env();
	int pair[2];
	pid_t pid;

	ES_TRY(file_companion("estiba-fetch", &path));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return es_err_sys(errno, "socket pair");
	es_autoclose int child_end = pair[1];
	const struct spawn_fd fds[] = { { STDERR_FILENO, STDERR_FILENO }, { child_end, FETCH_FD_CONTROL } };
	s->sock = pair[0];
	return spawn_start(&(struct spawn){ .path = path, .argv = argv, .env = env, .fds = fds, .n_fds = ES_N(fds), .cwd = "/", .new_session = true },
			   &pid, &s->pidfd);
}

static void session_close(struct fetch_session *s)
{
	int status;

	if (!s)
		return;
	es_close(s->sock);
	if (s->pidfd >= 0) {
		es_err_drop(pidfd_signal(s->pidfd, SIGKILL)); /* it keeps nothing that would need a farewell */
		es_err_drop(pidfd_reap(s->pidfd, &status));
		es_close(s->pidfd);
	}
	free(s);
}

/* --- requests --- */

/* Until a message is there. */
static es_err *wait_message(struct fetch_session *s)
{
	struct pollfd p[] = { { .fd = s->sock, .events = POLLIN }, { .fd = s->cancel_fd, .events = POLLIN } };

	while (!p[0].revents) {
		if (poll(p, ES_N(p), -1) < 0 && errno != EINTR)
			return es_err_sys(errno, "poll");
		if (p[1].revents) {
			es_err_drop(pidfd_signal(s->pidfd, SIGKILL));
			return es_err_new(ES_E_CANCELLED, "cancelled");
		}
	}
	return NULL;
}

static es_err *answer_of(const struct fetch_reply *r)
{
	return r->error ? es_err_new(r->class ? es_err_class_parse(r->class) : ES_E_SYSTEM, "%s", r->error) : NULL;
}

static es_err *call(struct fetch_session *s, struct arena *a, struct fetch_request *q, const int *fds, size_t n_fds,
		    const struct fetch_progress *p, struct fetch_reply *ret)
{
	es_autobuf b = ES_BUF(FETCH_MESSAGE_MAX);
	char *text = arena_alloc(a, FETCH_MESSAGE_MAX);
	size_t len;

	q->version = FETCH_VERSION;
	field_encode_text(&b, fetch_request_fields, q);
	ES_TRY(es_buf_check(&b));
	ES_TRY(es_err_in(uds_send(s->sock, b.p, b.len, fds, n_fds, 0, NULL), "estiba-fetch"));
	for (;;) {
		struct fetch_reply r = { 0 };

		ES_TRY(wait_message(s));
		ES_TRY(es_err_in(uds_recv(s->sock, text, FETCH_MESSAGE_MAX, NULL, NULL, 0, &len), "estiba-fetch"));
		if (!len)
			return es_err_new(ES_E_SYSTEM, "estiba-fetch ended without an answer");
		ES_TRY(es_err_as(es_err_in(field_decode_text(a, fetch_reply_fields, text, len, &r), "answer of estiba-fetch"), ES_E_PROTOCOL));
		if (r.ok || r.error) {
			*ret = r;
			return answer_of(&r);
		}
		if (p && p->at && r.current >= 0 && r.total >= 0)
			p->at(p->self, (uint64_t)r.current, (uint64_t)r.total);
	}
}

/* --- open --- */

static es_err *add_certificates(const char *dir, struct es_buf *out)
{
	es_autostrv names = NULL;
	es_err *err = file_names(AT_FDCWD, dir, &names);

	if (err) { /* most registries have none */
		es_err_drop(err);
		return NULL;
	}
	for (char **name = names; name && *name; name++) {
		es_autofree char *path = es_xasprintf("%s/%s", dir, *name), *text = NULL;

		if (str_ends(*name, ".cert") || str_ends(*name, ".key"))
			return es_err_new(ES_E_UNSUPPORTED, "%s: client certificates for registries are not supported", path);
		if (!str_ends(*name, ".crt"))
			continue;
		ES_TRY(file_read(AT_FDCWD, path, FETCH_CA_MAX, &text, NULL));
		es_buf_adds(out, text);
		es_buf_addc(out, '\n');
	}
	return es_err_in(es_buf_check(out), "certificates in %s", dir);
}

static es_err *memory_file(const char *bytes, size_t n, int *ret_fd)
{
	es_autoclose int fd = memfd_create("fetch", MFD_CLOEXEC);

	if (fd < 0)
		return es_err_sys(errno, "memory file");
	ES_TRY(file_write_all(fd, bytes, n));
	if (lseek(fd, 0, SEEK_SET) < 0)
		return es_err_sys(errno, "memory file");
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

/* What the helper wrote; it may still hold the file, so these bytes are looked at once and copied. */
static es_err *read_back(struct arena *a, int fd, size_t max, const char **ret, size_t *ret_n)
{
	char *text;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return es_err_sys(errno, "memory file");
	ES_TRY(file_read_all(fd, max, &text, ret_n));
	arena_own(a, text);
	*ret = text;
	return NULL;
}

/* /etc/docker/certs.d is where everybody has them. */
static es_err *open_certificates(const char *domain, int *ret_fd)
{
	static const char *const roots[] = { "/etc/docker/certs.d", "/etc/estiba/certs.d" };
	es_autobuf pem = ES_BUF(FETCH_CA_MAX);

	for (size_t i = 0; i < ES_N(roots); i++) {
		es_autofree char *dir = es_xasprintf("%s/%s", roots[i], domain);

		ES_TRY(add_certificates(dir, &pem));
	}
	return pem.len ? memory_file(pem.p, pem.len, ret_fd) : NULL;
}

static es_err *say_hello(struct fetch_session *s, const struct engine_config *cfg, const struct fetch_place *place)
{
	es_autoarena *a = arena_new();
	es_autoclose int ca = -1;
	struct fetch_request q = {
		.op = "open", .domain = place->domain, .path = place->path, .mirrors = cfg->registry_mirrors,
		.insecure = cfg->insecure_registries, .auth = place->auth, .push = place->push,
	};
	struct fetch_reply reply;

	ES_TRY(open_certificates(place->domain, &ca));
	return call(s, a, &q, &ca, ca >= 0 ? 1 : 0, NULL, &reply);
}

static es_err *session_open(void *self, const struct fetch_place *place, int cancel_fd, struct fetch_session **ret)
{
	struct fetch_session *s = ES_NEW(struct fetch_session);
	es_err *err;

	*s = (struct fetch_session){ -1, -1, cancel_fd };
	err = start(s);
	if (!err)
		err = say_hello(s, engine_config(self), place);
	if (err) {
		session_close(s);
		return err;
	}
	*ret = s;
	return NULL;
}

/* --- the rest of the door --- */

static es_err *login(struct fetch_session *s, struct arena *a, const char **ret_token)
{
	struct fetch_request q = { .op = "login" };
	struct fetch_reply r;

	ES_TRY(call(s, a, &q, NULL, 0, NULL, &r));
	*ret_token = r.token ? r.token : "";
	return NULL;
}

static es_err *resolve(struct fetch_session *s, struct arena *a, const char *ref, struct fetch_doc *ret)
{
	struct fetch_request q = { .op = "resolve", .ref = ref };
	es_autoclose int raw = -1, plain = -1;
	char digest[BLOB_DIGEST_MAX];
	struct fetch_doc doc = { 0 };
	struct fetch_reply r;

	ES_TRY(memory_file("", 0, &raw));
	ES_TRY(memory_file("", 0, &plain));
	ES_TRY(call(s, a, &q, (int[]){ raw, plain }, 2, NULL, &r));
	ES_TRY(read_back(a, raw, OCI_MANIFEST_MAX, &doc.text, &doc.len));
	ES_TRY(read_back(a, plain, OCI_MANIFEST_MAX, &doc.plain, &doc.plain_len));
	blob_digest(doc.text, doc.len, digest);
	if (!oci_is_index(r.media_type) && !oci_is_manifest(r.media_type))
		return es_err_new(ES_E_PROTOCOL, "answer of estiba-fetch: no manifest");
	if (str_starts(ref, "sha256:") && !str_eq(ref, digest))
		return es_err_new(ES_E_PROTOCOL, "manifest verification failed for digest %s", ref);
	doc.digest = arena_strdup(a, digest);
	doc.media_type = r.media_type;
	*ret = doc;
	return NULL;
}

static es_err *tags(struct fetch_session *s, struct arena *a, char ***ret)
{
	struct fetch_request q = { .op = "tags" };
	es_autoclose int list = -1;
	struct fetch_reply r;
	const char *text;
	size_t n;

	ES_TRY(memory_file("", 0, &list));
	ES_TRY(call(s, a, &q, &list, 1, NULL, &r));
	ES_TRY(read_back(a, list, FETCH_LIST_MAX, &text, &n));
	*ret = NULL;
	for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n') {
		const char *tag = arena_strndup(a, at, strcspn(at, "\n"));

		if (!ref_is_tag(tag))
			return es_err_new(ES_E_PROTOCOL, "answer of estiba-fetch: no tag");
		*ret = strv_arena_add(a, *ret, tag);
	}
	return NULL;
}

static es_err *blob(struct fetch_session *s, const char *digest, uint64_t size, int out_fd, const struct fetch_progress *p)
{
	es_autoarena *a = arena_new();
	struct fetch_request q = { .op = "blob", .digest = digest, .size = (int64_t)size };
	struct fetch_reply r;

	return call(s, a, &q, &out_fd, 1, p, &r);
}

static es_err *has(struct fetch_session *s, const char *digest, bool *ret)
{
	es_autoarena *a = arena_new();
	struct fetch_request q = { .op = "has", .digest = digest };
	struct fetch_reply r;

	ES_TRY(call(s, a, &q, NULL, 0, NULL, &r));
	*ret = r.there;
	return NULL;
}

/* The helper gets a descriptor that cannot write, whatever the caller's can. */
static es_err *read_only(int fd, int *ret_fd)
{
	es_autofree char *path = es_xasprintf("/proc/self/fd/%d", fd);

	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	return *ret_fd < 0 ? es_err_sys(errno, "open for reading") : NULL;
}

static es_err *upload(struct fetch_session *s, const char *digest, uint64_t size, const char *from, int in_fd, const struct fetch_progress *p,
		      bool *ret_mounted)
{
	es_autoarena *a = arena_new();
	struct fetch_request q = { .op = "upload", .digest = digest, .size = (int64_t)size, .from = from };
	es_autoclose int in = -1;
	struct fetch_reply r;

	if (in_fd >= 0)
		ES_TRY(read_only(in_fd, &in));
	ES_TRY(call(s, a, &q, &in, in >= 0 ? 1 : 0, p, &r));
	*ret_mounted = r.mounted;
	return NULL;
}

static es_err *put(struct fetch_session *s, const char *ref, const char *media_type, const char *text, size_t n)
{
	es_autoarena *a = arena_new();
	struct fetch_request q = { .op = "put", .ref = ref, .media_type = media_type };
	es_autoclose int fd = -1;
	struct fetch_reply r;

	ES_TRY(memory_file(text, n, &fd));
	return call(s, a, &q, &fd, 1, NULL, &r);
}

/* --- without a session --- */

static es_err *lone(int cancel_fd, struct fetch_session **ret)
{
	struct fetch_session *s = ES_NEW(struct fetch_session);
	es_err *err;

	*s = (struct fetch_session){ -1, -1, cancel_fd };
	err = start(s);
	if (err) {
		session_close(s);
		return err;
	}
	*ret = s;
	return NULL;
}

/* The helper may not write large files: what it fetches comes through a pipe. */
struct pump {
	int from, to;
	es_err *err;
};

static void *pump(void *self)
{
	struct pump *p = self;

	p->err = file_pump(p->from, p->to, NULL);
	es_close(p->from); /* the helper learns that nobody reads any more */
	return NULL;
}

static es_err *get_through(struct fetch_session *s, struct arena *a, struct fetch_request *q, int out_fd, const struct fetch_progress *progress,
			   struct fetch_reply *ret)
{
	int ends[2];
	struct pump p = { .to = out_fd };
	pthread_t thread;
	es_err *err;
	int rc;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return es_err_sys(errno, "pipe");
	p.from = ends[0];
	rc = pthread_create(&thread, NULL, pump, &p);
	if (rc) {
		es_close(ends[0]);
		es_close(ends[1]);
		return es_err_sys(rc, "thread for a download");
	}
	err = call(s, a, q, &ends[1], 1, progress, ret);
	es_close(ends[1]);
	if (err)
		es_err_drop(pidfd_signal(s->pidfd, SIGKILL)); /* or it might hold the pipe open */
	(void)pthread_join(thread, NULL);
	if (!p.err || (err && es_err_class(err) != ES_E_CANCELLED)) {
		es_err_drop(p.err);
		return err;
	}
	es_err_drop(err);
	return p.err;
}

static es_err *get(void *self, struct arena *a, const char *url, int out_fd, int cancel_fd, const struct fetch_progress *p,
		   struct fetch_file *ret)
{
	struct fetch_request q = { .op = "get", .url = url };
	struct fetch_session *s;
	struct fetch_reply r = { 0 };
	es_err *err;

	(void)self;
	ES_TRY(lone(cancel_fd, &s));
	err = get_through(s, a, &q, out_fd, p, &r);
	session_close(s);
	ES_TRY(err);
	*ret = (struct fetch_file){ .name = r.name, .modified = INT64_MIN };
	if (r.modified)
		es_err_drop(clock_parse_http(r.modified, &ret->modified)); /* no date: as if it said none */
	return NULL;
}

static es_err *search(void *self, struct arena *a, const struct fetch_place *place, const char *term, int64_t limit, int cancel_fd,
		      struct fetch_hits *ret)
{
	const struct engine_config *cfg = engine_config(self);
	struct fetch_request q = { .op = "search", .domain = place->domain, .term = term, .size = limit,
				   .insecure = cfg->insecure_registries, .auth = place->auth };
	es_autoclose int list = -1, ca = -1;
	struct fetch_session *s;
	struct fetch_reply r;
	const char *text;
	size_t n;
	es_err *err;

	ES_TRY(memory_file("", 0, &list));
	ES_TRY(open_certificates(place->domain, &ca));
	ES_TRY(lone(cancel_fd, &s));
	err = call(s, a, &q, (int[]){ list, ca }, ca >= 0 ? 2 : 1, NULL, &r);
	session_close(s);
	ES_TRY(err);
	ES_TRY(read_back(a, list, FETCH_LIST_MAX, &text, &n));
	*ret = (struct fetch_hits){ 0 };
	return es_err_as(es_err_in(field_decode_text(a, fetch_hits_fields, text, n, ret), "answer of estiba-fetch"), ES_E_PROTOCOL);
}

const struct fetch_ops fetchproc_ops = { session_open, session_close, login, resolve, tags, blob, has, upload, put, get, search };
