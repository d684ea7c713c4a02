/* SPDX-License-Identifier: Apache-2.0 */
/* net_talk.c: progress of pull and push in docker's lines, and what both remember of layers. */
#include "catalog/net_priv.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/log.h"
#include "base/str.h"
#include "store/layers.h"
#include "store/record.h"

#define BLOB_KIND "layerblob"
#define BAR 50 /* characters of a full progress bar */

/* --- stopping --- */

static es_err *watch(struct net_talk *t, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLRDHUP };

	if (epoll_ctl(t->cancel_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return es_err_sys(errno, "watch for the client");
	return NULL;
}

es_err *net_talk_init(struct net_talk *t, const struct image_sink *sink, int client_fd)
{
	*t = (struct net_talk){ .sink = sink, .stop_fd = -1, .cancel_fd = -1 };
	(void)pthread_mutex_init(&t->lock, NULL);
	t->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t->cancel_fd = epoll_create1(EPOLL_CLOEXEC);
	if (t->stop_fd < 0 || t->cancel_fd < 0)
		return es_err_sys(errno, "event descriptor");
	ES_TRY(watch(t, t->stop_fd));
	return client_fd < 0 ? NULL : watch(t, client_fd);
}

void net_talk_done(struct net_talk *t)
{
	es_close(t->stop_fd);
	es_close(t->cancel_fd);
	es_err_drop(t->err);
	(void)pthread_mutex_destroy(&t->lock);
}

/* With the lock. */
static void fail_locked(struct net_talk *t, es_err *err)
{
	const uint64_t one = 1;

	if (err && !t->err) {
		t->err = err;
		if (write(t->stop_fd, &one, sizeof one) < 0)
			log_line(LOG_L_WARN, "stop of a transfer: %s", strerror(errno));
	} else {
		es_err_drop(err);
	}
}

void net_fail(struct net_talk *t, es_err *err)
{
	(void)pthread_mutex_lock(&t->lock);
	fail_locked(t, err);
	(void)pthread_mutex_unlock(&t->lock);
}

bool net_is_over(struct net_talk *t)
{
	struct pollfd p = { .fd = t->cancel_fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

es_err *net_result(struct net_talk *t)
{
	if (!t->err && net_is_over(t))
		return es_err_new(ES_E_CANCELLED, "cancelled");
	return ES_TAKE(t->err);
}

/* --- lines --- */

static void send(struct net_talk *t, const struct es_buf *line)
{
	(void)pthread_mutex_lock(&t->lock);
	if (!t->err)
		fail_locked(t, t->sink->line(t->sink->self, es_buf_str(line)));
	(void)pthread_mutex_unlock(&t->lock);
}

static void add_member(struct es_buf *b, const char *head, const char *text)
{
	es_buf_adds(b, head);
	json_write_str(b, text, strlen(text), 0);
}

void net_say(struct net_talk *t, const char *id, const char *fmt, ...)
{
	es_autobuf line = ES_BUF(NET_LINE_MAX);
	es_autofree char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = es_xvasprintf(fmt, ap);
	va_end(ap);
	add_member(&line, "{\"status\":", text);
	if (id)
		add_member(&line, ",\"id\":", id);
	es_buf_addc(&line, '}');
	send(t, &line);
}

void net_step(struct net_talk *t, const char *id, const char *action)
{
	es_autobuf line = ES_BUF(NET_LINE_MAX);

	add_member(&line, "{\"status\":", action);
	add_member(&line, ",\"progressDetail\":{},\"id\":", id);
	es_buf_addc(&line, '}');
	send(t, &line);
}

/* Four digits and a decimal unit: "1.049MB". OUT has 24 bytes. */
static const char *human(uint64_t bytes, char *out)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB" };
	double v = (double)bytes;
	size_t i = 0;

	for (; v >= 1000 && i + 1 < ES_N(units); i++)
		v /= 1000;
	(void)snprintf(out, 24, "%.4g%s", v, units[i]);
	return out;
}

/* "[=====>     ]  1.2MB/3.4MB", as docker draws it for a wide terminal. */
static void add_bar(struct es_buf *b, uint64_t current, uint64_t total)
{
	int done = total ? (int)((double)current / (double)total * BAR) : 0;
	char x[24], y[24];

	if (done > BAR)
		done = BAR;
	es_buf_adds(b, ",\"progress\":\"[");
	for (int i = 0; i < done; i++)
		es_buf_addc(b, '=');
	es_buf_printf(b, "\\u003e%*s] %8s/%s\"", BAR - done, "", human(current, x), human(total, y));
}

void net_progress(struct net_talk *t, const char *id, const char *action, uint64_t current, uint64_t total)
{
	es_autobuf line = ES_BUF(NET_LINE_MAX);

	add_member(&line, "{\"status\":", action);
	es_buf_printf(&line, ",\"progressDetail\":{\"current\":%" PRIu64 ",\"total\":%" PRIu64 "}", current, total);
	add_bar(&line, current, total);
	if (id)
		add_member(&line, ",\"id\":", id);
	es_buf_addc(&line, '}');
	send(t, &line);
}

/* --- several at once --- */

void net_crowd(size_t n, void *(*fn)(void *self), void *self)
{
	pthread_t threads[IMAGE_UPLOADS > IMAGE_DOWNLOADS ? IMAGE_UPLOADS : IMAGE_DOWNLOADS];
	size_t started = 0;

	while (started + 1 < n && started < ES_N(threads) && pthread_create(&threads[started], NULL, fn, self) == 0)
		started++;
	(void)fn(self); /* this thread works too, so that something happens also where no other can be had */
	while (started > 0)
		(void)pthread_join(threads[--started], NULL);
}

/* --- what layers are called --- */

#define T struct net_blob
static const struct field blob_fields[] = {
	F_STR(T, digest, "digest", FIELD_REQUIRED),
	F_STR(T, media_type, "media_type", FIELD_REQUIRED),
	F_I64(T, size, "size", FIELD_REQUIRED),
	F_STR(T, path, "path", FIELD_REQUIRED),
	F_END,
};
#undef T

static const char *record_id(struct arena *a, const char *diff_id, const char *domain)
{
	return arena_printf(a, "%s@%s", diff_id, domain);
}

bool net_blob_get(struct store *st, struct arena *a, const char *diff_id, const char *domain, struct net_blob *ret)
{
	struct record r;
	es_err *err = record_get(st, a, BLOB_KIND, record_id(a, diff_id, domain), &r);

	*ret = (struct net_blob){ 0 };
	if (!err)
		err = field_decode_text(a, blob_fields, r.json, strlen(r.json), ret);
	es_err_free(err);
	return !err;
}

/* Records of layers that are gone go too; there are few, and a push that remembers something is rare enough. */
static void forget_gone(struct store *st, struct arena *a, struct record_tx *tx)
{
	struct record_list all;
	es_err *err = record_list(st, a, BLOB_KIND, NULL, &all);

	for (size_t i = 0; !err && i < all.n; i++)
		if (!layers_has(st, arena_strndup(a, all.items[i].id, strcspn(all.items[i].id, "@"))))
			record_tx_delete(tx, BLOB_KIND, all.items[i].id);
	es_err_drop(err);
}

void net_blob_put(struct store *st, const char *diff_id, const char *domain, const struct net_blob *blob)
{
	es_autoarena *a = arena_new();
	es_autotx *tx = record_tx_new();
	es_autobuf json = ES_BUF(NET_LINE_MAX);

	field_encode_text(&json, blob_fields, blob);
	forget_gone(st, a, tx);
	record_tx_put(tx, &(struct record){ .kind = BLOB_KIND, .id = record_id(a, diff_id, domain), .json = es_buf_str(&json) });
	log_err(record_commit(st, tx), "remember layer %s", diff_id);
}
