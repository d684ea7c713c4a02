/* SPDX-License-Identifier: Apache-2.0 */
/* control.c: accept, decode, call the handler, encode; a peer that does not read is dropped. */
#include "monitor/control.h"

#include <sys/socket.h>

#include "base/str.h"
#include "monitor/lazy.h"
#include "sys/uds.h"

static void drop(struct control_conn *conn)
{
	loop_remove(conn->control->loop, &conn->io);
	es_close(conn->io.fd);
	*conn = (struct control_conn){ .control = conn->control, .io.fd = -1 };
}

static void send_reply(struct control_conn *conn, const es_err *failure, struct mon_reply *reply)
{
	es_autobuf text = ES_BUF(MON_REPLY_MAX);
	struct mon_error error;
	es_err *err;

	reply->ok = !failure;
	if (failure) {
		error = (struct mon_error){ es_err_class_name(es_err_class(failure)), es_err_text(failure) };
		reply->error = &error;
		reply->status = NULL;
	}
	field_encode_text(&text, mon_reply_rows, reply);
	err = es_err_in(es_buf_check(&text), "reply");
	if (!err)
		err = uds_send(conn->io.fd, text.p, text.len, NULL, 0, MSG_DONTWAIT, NULL);
	reply->error = NULL;
	if (err) { /* nobody reads there */
		es_err_drop(err);
		drop(conn);
	}
}

void control_reply(struct control *c, const char *op, const es_err *err, struct mon_status *status)
{
	for (size_t i = 0; i < MON_CONTROLS_MAX; i++) {
		struct control_conn *conn = &c->conns[i];
		struct mon_reply reply = { .status = status };

		if (conn->io.fd < 0 || !str_eq(conn->later, op))
			continue;
		conn->later = NULL;
		send_reply(conn, err, &reply);
	}
}

/* Send records until the socket is full or there are no more. */
static void tell_one(struct control_conn *conn)
{
	struct control *c = conn->control;
	uint32_t events = EPOLLIN;

	for (;;) {
		const char *line = NULL;
		size_t len = 0;
		es_err *err = journal_line(c->journal, &conn->next_seq, &line, &len);

		if (!err && len)
			err = uds_send(conn->io.fd, line, len, NULL, 0, MSG_DONTWAIT, NULL);
		if (err) {
			bool full = es_err_class(err) == ES_E_UNAVAILABLE;

			es_err_drop(err);
			if (!full) {
				drop(conn);
				return;
			}
			events |= EPOLLOUT;
			break;
		}
		if (!len)
			break;
		conn->next_seq++;
	}
	es_err_drop(loop_watch(c->loop, &conn->io, events));
}

void control_tell(struct control *c)
{
	for (size_t i = 0; i < MON_CONTROLS_MAX; i++)
		if (c->conns[i].io.fd >= 0 && c->conns[i].watching)
			tell_one(&c->conns[i]);
}

bool control_is_told(const struct control *c)
{
	for (size_t i = 0; i < MON_CONTROLS_MAX; i++)
		if (c->conns[i].io.fd >= 0 && c->conns[i].watching && c->conns[i].next_seq <= c->journal->last_seq)
			return false;
	return true;
}

static es_err *serve(struct control_conn *conn, struct arena *a, size_t len, int *fd, struct mon_reply *reply, bool *ret_later)
{
	struct control *c = conn->control;
	struct mon_request req = { 0 };

	if (conn->later)
		return es_err_new(ES_E_PROTOCOL, "the reply to %s is still owed on this connection", conn->later);
	ES_TRY(es_err_in(field_decode_text(a, mon_request_rows, c->request, len, &req), "request"));
	if (str_eq(req.op, "watch")) {
		conn->watching = true;
		conn->next_seq = req.from_seq ? req.from_seq : 1;
		return NULL;
	}
	ES_TRY(c->handle(c->self, a, &req, fd, reply, ret_later));
	if (*ret_later)
		conn->later = str_eq(req.op, "stop") ? "stop" : str_eq(req.op, "pause") ? "pause" : "unpause";
	return NULL;
}

static void on_conn(void *self, uint32_t events)
{
	struct control_conn *conn = self;
	struct control *c = conn->control;
	es_autoarena *a = NULL;
	struct mon_reply reply = { 0 };
	int fds[UDS_FDS_MAX];
	size_t n_fds = 0, len = 0;
	bool later = false;
	es_autoerr es_err *err = NULL;

	if (events == EPOLLOUT) {
		tell_one(conn);
		c->moved(c->self);
		return;
	}
	err = uds_recv(conn->io.fd, c->request, MON_REQUEST_MAX, fds, &n_fds, MSG_DONTWAIT, &len);
	if (err && es_err_class(err) == ES_E_UNAVAILABLE)
		return;
	if (!err && !len) {
		drop(conn);
		c->moved(c->self);
		return;
	}
	if (!err) {
		if (!n_fds)
			fds[0] = -1;
		a = arena_new();
		err = serve(conn, a, len, &fds[0], &reply, &later);
	}
	for (size_t i = 0; i < n_fds; i++)
		es_close(fds[i]);
	if (conn->io.fd >= 0 && !later)
		send_reply(conn, err, &reply);
	if (conn->io.fd >= 0 && conn->watching)
		tell_one(conn);
}

/* Only the user that we run as, and root: whoever speaks here owns the container. */
static bool is_allowed(int fd)
{
	uid_t uid;
	es_autoerr es_err *err = uds_peer(fd, &uid, NULL);

	return !err && (uid == 0 || uid == geteuid());
}

static void on_listener(void *self, uint32_t events)
{
	struct control *c = self;
	es_autoclose int fd = -1;
	es_autoerr es_err *err = uds_accept(c->listener.fd, &fd);

	(void)events;
	if (err || !is_allowed(fd))
		return;
	for (size_t i = 0; i < MON_CONTROLS_MAX; i++) {
		struct control_conn *conn = &c->conns[i];

		if (conn->io.fd >= 0)
			continue;
		conn->io = (struct loop_io){ .fd = ES_TAKE_FD(fd), .fn = on_conn, .self = conn };
		err = loop_watch(c->loop, &conn->io, EPOLLIN);
		if (err)
			drop(conn);
		return;
	}
}

es_err *control_open(struct control *c)
{
	for (size_t i = 0; i < MON_CONTROLS_MAX; i++)
		c->conns[i] = (struct control_conn){ .control = c, .io.fd = -1 };
	c->request = lazy_new(MON_REQUEST_MAX);
	c->listener = (struct loop_io){ .fd = -1, .fn = on_listener, .self = c };
	ES_TRY(uds_listen(MON_FD_DIR, MON_FILE_SOCKET, SOCK_SEQPACKET, 0600, &c->listener.fd));
	return loop_watch(c->loop, &c->listener, EPOLLIN);
}

void control_trim(struct control *c)
{
	lazy_trim(c->request, MON_REQUEST_MAX);
}

void control_close_listener(struct control *c)
{
	loop_remove(c->loop, &c->listener);
	es_close(c->listener.fd);
	c->listener.fd = -1;
	unlinkat(MON_FD_DIR, MON_FILE_SOCKET, 0);
}
