/* SPDX-License-Identifier: Apache-2.0 */
/* net_priv.h: what pull and push share: progress lines from several threads, stopping all of them, a layer's name at a registry. */
#pragma once

#include <pthread.h>

#include "catalog/image_net.h"

#define NET_LINE_MAX (64u << 10)

/* One pull or push under way. */
struct net_talk {
	const struct image_sink *sink;
	pthread_mutex_t lock;
	int stop_fd;   /* eventfd: readable once something failed */
	int cancel_fd; /* epoll over stop_fd and the client's: for fetch_ops.open */
	es_err *err;   /* the first failure of any thread */
};
es_err *net_talk_init(struct net_talk *t, const struct image_sink *sink, int client_fd) ES_CHECKED;
void net_talk_done(struct net_talk *t);
/* The first error is kept and stops everything; ERR is taken, NULL is fine. */
void net_fail(struct net_talk *t, es_err *err);
bool net_is_over(struct net_talk *t); /* failed, or the client left */
/* The first failure, taken. */
es_err *net_result(struct net_talk *t) ES_CHECKED;

/* Lines. A client that is gone stops everything. */
void net_say(struct net_talk *t, const char *id, const char *fmt, ...) ES_PRINTF(3, 4); /* id NULL: none */
void net_step(struct net_talk *t, const char *id, const char *action);                  /* {"status","progressDetail":{},"id"} */
/* ID NULL: none. */
void net_progress(struct net_talk *t, const char *id, const char *action, uint64_t current, uint64_t total);

/* Run FN on up to N threads until it returns false, and wait for them. SELF is shared. */
void net_crowd(size_t n, void *(*fn)(void *self), void *self);

/* What a layer is called at a registry: compressed by whoever made it. Record kind "layerblob", id DIFFID@DOMAIN. */
struct net_blob {
	const char *digest, *media_type;
	int64_t size;     /* bytes */
	const char *path; /* a repository that has it */
};
/* False: not known. */
bool net_blob_get(struct store *st, struct arena *a, const char *diff_id, const char *domain, struct net_blob *ret);
/* Best effort: what is not remembered is only slower. */
void net_blob_put(struct store *st, const char *diff_id, const char *domain, const struct net_blob *blob);
