/* SPDX-License-Identifier: Apache-2.0 */
/* monlink.c: monitors are spoken to by short datagrams; one thread reads what they tell by themselves. */
#include "engine/monlink.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "sys/pidfd.h"
#include "sys/uds.h"

#define SPEC_MODE 0600
#define REPORT_MAX ((size_t)64 << 10)
#define JOURNAL_MAX ((size_t)2 * MON_JOURNAL_KEEP * MON_RECORD_MAX)
#define SOCKET_WAIT_NS (5 * CLOCK_NS_PER_S) /* for the socket of a monitor that is being started */
#define REQUEST_TIMEOUT_MS 10000 /* a monitor answers at once; a stop is answered after the exit and has its own way */

struct monlink {
	struct list link;
	int fd; /* a connection, or a monitor's pidfd */
	monlink_fn *fn; /* NULL: a pidfd, to be reaped */
	void *self;
};

struct monlinks {
	struct engine *e;
	int epoll, wake;
	pthread_t thread;
	pthread_mutex_t lock;
	struct list all;
	bool stop;
};

static void drop_link(struct monlinks *ls, struct monlink *l)
{
	(void)pthread_mutex_lock(&ls->lock);
	list_remove(&l->link);
	(void)pthread_mutex_unlock(&ls->lock);
	es_close(l->fd);
	free(l);
}

/* ---- spawn ---- */

static es_err *read_report(struct arena *a, int fd, struct mon_report *ret)
{
	es_autofree char *text = NULL;
	size_t len;

	ES_TRY(file_read_all(fd, REPORT_MAX, &text, &len));
	if (len == 0)
		return es_err_new(ES_E_PROTOCOL, "the monitor ended without a report");
	*ret = (struct mon_report){ 0 };
	return es_err_in(field_decode_text(a, mon_report_rows, arena_strdup(a, text), len, ret), "monitor's report");
}

static es_err *add_link(struct monlinks *ls, int fd, monlink_fn *fn, void *self)
{
	struct monlink *l = ES_NEW(struct monlink);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = l };
	es_err *err = NULL;

	l->fd = fd;
	l->fn = fn;
	l->self = self;
	(void)pthread_mutex_lock(&ls->lock);
	list_append(&ls->all, &l->link);
	(void)pthread_mutex_unlock(&ls->lock);
	if (epoll_ctl(ls->epoll, EPOLL_CTL_ADD, fd, &ev) < 0) {
		err = es_err_sys(errno, "epoll_ctl");
		drop_link(ls, l);
	}
	return err;
}

/* The lock lasts as long as this open file, which is the monitor's alone: it tells whoever looks later that one is there. */
static es_err *open_locked(int run_dirfd, int *ret_fd)
{
	es_autoclose int fd = openat(run_dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return es_err_sys(errno, "lock the run directory");
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

bool monlink_is_alive(int run_dirfd)
{
	es_autoclose int fd = openat(run_dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

es_err *monlink_spawn(struct engine *e, struct arena *a, int run_dirfd, const struct mon_spec *spec, const struct spawn_fd *fds,
		      size_t n_fds, struct mon_report *ret)
{
	static char path_env[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *env[] = { path_env, NULL };
	const char *argv[] = { "estiba-mon", spec->id, NULL };
	struct spawn_fd *all = ARENA_ARRAY(a, struct spawn_fd, n_fds + 2);
	es_autobuf text = ES_BUF(MON_SPEC_MAX);
	es_autoclose int read_end = -1, write_end = -1, locked = -1;
	struct spawn s = { .path = e->mon_program, .argv = argv, .env = env, .fds = all, .n_fds = n_fds + 2, .new_session = true, .cwd = "/" };
	int pipe_fds[2], pidfd;
	pid_t pid;

	field_encode_text(&text, mon_spec_rows, spec);
	ES_TRY(es_buf_check(&text));
	ES_TRY(file_replace(run_dirfd, MON_FILE_SPEC, text.p, text.len, SPEC_MODE, false));
	ES_TRY(open_locked(run_dirfd, &locked));
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return es_err_sys(errno, "pipe");
	read_end = pipe_fds[0];
	write_end = pipe_fds[1];
	memcpy(all, fds, n_fds * sizeof *all);
	all[n_fds] = (struct spawn_fd){ .from = locked, .to = MON_FD_DIR };
	all[n_fds + 1] = (struct spawn_fd){ .from = write_end, .to = MON_FD_REPORT };
	ES_TRY(es_err_in(spawn_start(&s, &pid, &pidfd), "start estiba-mon"));
	log_err(add_link(e->links, pidfd, NULL, NULL), "monitor of %.12s: it will stay a zombie", spec->id);
	es_close_p(&write_end);
	return read_report(a, read_end, ret);
}

/* ---- ask ---- */

static es_err *error_of(const struct mon_reply *r)
{
	if (r->ok)
		return NULL;
	if (!r->error)
		return es_err_new(ES_E_PROTOCOL, "the monitor's reply says neither yes nor no");
	return es_err_new(es_err_class_parse(r->error->class ? r->error->class : ""), "%s",
			  r->error->message ? r->error->message : "");
}

es_err *monlink_ask(struct arena *a, int run_dirfd, const struct mon_request *req, int fd, struct mon_reply *ret)
{
	es_autobuf text = ES_BUF(MON_REQUEST_MAX);
	const struct timeval timeout = { .tv_sec = REQUEST_TIMEOUT_MS / 1000 };
	es_autoclose int s = -1;
	char *reply = arena_alloc(a, MON_REPLY_MAX);
	size_t len;

	field_encode_text(&text, mon_request_rows, req);
	ES_TRY(es_buf_check(&text));
	ES_TRY(uds_connect(run_dirfd, MON_FILE_SOCKET, SOCK_SEQPACKET, &s));
	(void)setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
	ES_TRY(uds_send(s, text.p, text.len, &fd, fd >= 0, 0, NULL));
	ES_TRY(uds_recv(s, reply, MON_REPLY_MAX, NULL, NULL, 0, &len));
	if (len == 0)
		return es_err_new(ES_E_NOT_FOUND, "the monitor ended");
	*ret = (struct mon_reply){ 0 };
	ES_TRY(es_err_in(field_decode_text(a, mon_reply_rows, reply, len, ret), "monitor's reply"));
	return error_of(ret);
}

es_err *monlink_stop(int run_dirfd, const struct mon_request *req)
{
	es_autobuf text = ES_BUF(MON_REQUEST_MAX);
	es_autoclose int s = -1;

	field_encode_text(&text, mon_request_rows, req);
	ES_TRY(es_buf_check(&text));
	ES_TRY(uds_connect(run_dirfd, MON_FILE_SOCKET, SOCK_SEQPACKET, &s));
	return uds_send(s, text.p, text.len, NULL, 0, 0, NULL);
}

/* ---- follow ---- */

/* One datagram; false at the end of the link. */
static bool take_record(struct monlink *l)
{
	es_autoarena *a = arena_new();
	char *text = arena_alloc(a, MON_RECORD_MAX + 1);
	struct mon_record record = { 0 };
	size_t len = 0;
	es_err *err = uds_recv(l->fd, text, MON_RECORD_MAX, NULL, NULL, MSG_DONTWAIT, &len);

	if (err && es_err_class(err) == ES_E_UNAVAILABLE) {
		es_err_free(err);
		return true;
	}
	if (!err && len)
		err = field_decode_text(a, mon_record_rows, text, len, &record);
	if (err || len == 0) {
		log_err(err, "monitor's journal");
		return false;
	}
	if (record.event)
		l->fn(l->self, &record);
	return true;
}

/* True while more is to come on L. */
static bool take_event(struct monlink *l)
{
	int status;

	if (l->fn)
		return take_record(l);
	es_err_drop(pidfd_reap(l->fd, &status));
	return false;
}

static void *follow(void *arg)
{
	struct monlinks *ls = arg;

	for (;;) {
		struct epoll_event ev[16];
		int n = epoll_wait(ls->epoll, ev, (int)ES_N(ev), -1);
		bool stop;

		for (int i = 0; i < n; i++) {
			struct monlink *l = ev[i].data.ptr;

			if (!l || take_event(l))
				continue;
			(void)epoll_ctl(ls->epoll, EPOLL_CTL_DEL, l->fd, NULL);
			if (l->fn)
				l->fn(l->self, NULL);
			drop_link(ls, l);
		}
		(void)pthread_mutex_lock(&ls->lock);
		stop = ls->stop;
		(void)pthread_mutex_unlock(&ls->lock);
		if (stop)
			return NULL;
	}
}

struct monlinks *monlinks_new(struct engine *e)
{
	struct monlinks *ls = ES_NEW(struct monlinks);
	struct epoll_event ev = { .events = EPOLLIN };

	ls->e = e;
	list_init(&ls->all);
	(void)pthread_mutex_init(&ls->lock, NULL);
	ls->epoll = epoll_create1(EPOLL_CLOEXEC);
	ls->wake = eventfd(0, EFD_CLOEXEC);
	if (ls->epoll < 0 || ls->wake < 0 || epoll_ctl(ls->epoll, EPOLL_CTL_ADD, ls->wake, &ev) < 0 ||
	    pthread_create(&ls->thread, NULL, follow, ls) != 0)
		abort(); /* no descriptor or thread at the start: the machine cannot run an engine */
	return ls;
}

void monlinks_free(struct monlinks *ls)
{
	uint64_t one = 1;

	if (!ls)
		return;
	(void)pthread_mutex_lock(&ls->lock);
	ls->stop = true;
	(void)pthread_mutex_unlock(&ls->lock);
	(void)!write(ls->wake, &one, sizeof one);
	(void)pthread_join(ls->thread, NULL);
	LIST_EACH(at, &ls->all)
		drop_link(ls, LIST_ENTRY(at, struct monlink, link));
	es_close(ls->epoll);
	es_close(ls->wake);
	(void)pthread_mutex_destroy(&ls->lock);
	free(ls);
}

/* The reply to "watch" comes first on the connection and belongs to the caller; the records after it to the thread. */
static es_err *begin_watch(int fd, uint64_t from_seq)
{
	const struct mon_request req = { .op = "watch", .from_seq = from_seq };
	es_autobuf text = ES_BUF(MON_REQUEST_MAX);
	es_autoarena *a = arena_new();
	char *reply = arena_alloc(a, MON_REPLY_MAX);
	struct mon_reply r = { 0 };
	size_t len;

	field_encode_text(&text, mon_request_rows, &req);
	ES_TRY(uds_send(fd, text.p, text.len, NULL, 0, 0, NULL));
	ES_TRY(uds_recv(fd, reply, MON_REPLY_MAX, NULL, NULL, 0, &len));
	if (len == 0)
		return es_err_new(ES_E_NOT_FOUND, "the monitor ended");
	ES_TRY(field_decode_text(a, mon_reply_rows, reply, len, &r));
	return error_of(&r);
}

es_err *monlink_watch(struct engine *e, int run_dirfd, uint64_t from_seq, monlink_fn *fn, void *self)
{
	es_autoclose int fd = -1;

	ES_TRY(uds_connect(run_dirfd, MON_FILE_SOCKET, SOCK_SEQPACKET, &fd));
	ES_TRY(begin_watch(fd, from_seq));
	return add_link(e->links, ES_TAKE_FD(fd), fn, self);
}

static bool listens(int run_dirfd)
{
	int fd;
	es_err *err = uds_connect(run_dirfd, MON_FILE_SOCKET, SOCK_SEQPACKET, &fd);

	if (!err)
		close(fd);
	es_err_drop(err);
	return !err;
}

bool monlink_wait_ready(int run_dirfd)
{
	int64_t until = clock_mono_ns() + SOCKET_WAIT_NS;

	while (monlink_is_alive(run_dirfd)) {
		if (listens(run_dirfd))
			return true;
		if (clock_mono_ns() > until)
			return false;
		poll(NULL, 0, 5);
	}
	return false;
}

es_err *monlink_wait_gone(int run_dirfd, int64_t timeout_ns)
{
	int64_t until = clock_mono_ns() + timeout_ns;

	while (monlink_is_alive(run_dirfd)) {
		if (clock_mono_ns() > until)
			return es_err_new(ES_E_TIMEOUT, "its monitor does not end");
		poll(NULL, 0, 5);
	}
	return NULL;
}

es_err *monlink_journal(struct arena *a, int run_dirfd, struct mon_record **ret, size_t *ret_n)
{
	es_autofree char *text = NULL;
	struct mon_record *list;
	size_t n = 0, cap = 0;
	char *save = NULL;
	es_err *err = file_read(run_dirfd, MON_FILE_JOURNAL, JOURNAL_MAX, &text, NULL);

	*ret = NULL;
	*ret_n = 0;
	if (err && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_free(err);
		return NULL;
	}
	ES_TRY(err);
	for (const char *p = text; *p; p++)
		cap += *p == '\n';
	list = ARENA_ARRAY(a, struct mon_record, cap + 1);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct mon_record r = { 0 };
		char *copy = arena_strdup(a, line);

		err = field_decode_text(a, mon_record_rows, copy, strlen(copy), &r);
		if (!err && r.event)
			list[n++] = r;
		es_err_drop(err);
	}
	*ret = list;
	*ret_n = n;
	return NULL;
}
