/* SPDX-License-Identifier: Apache-2.0 */
/* ahead.c: the ring. Slots [taken, filled) hold data; the consumer holds slot taken - 1 while it reads it. */
#include "pack/ahead.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

struct ahead {
	es_err *(*produce)(void *self, char *out, size_t size, size_t *ret_n);
	es_err *(*run)(void *self, struct ahead *to);
	void *self;
	size_t put; /* bytes in the slot that ahead_put fills; it has room when that is not 0 */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under the lock. Counters only grow; a slot is its number modulo the size of the ring. */
	size_t filled, taken;
	bool ended, stop;
	es_err *err;
	size_t n[AHEAD_BUFFERS];
	char *buffers[AHEAD_BUFFERS];
};

/* A free slot, or false when the consumer has gone. One slot stays with the consumer. */
static bool wait_for_room(struct ahead *a)
{
	bool go;

	(void)pthread_mutex_lock(&a->lock);
	while (!a->stop && a->filled - a->taken >= AHEAD_BUFFERS - 1)
		(void)pthread_cond_wait(&a->changed, &a->lock);
	go = !a->stop;
	(void)pthread_mutex_unlock(&a->lock);
	return go;
}

/* N bytes are in the slot behind the last. */
static void hand_over(struct ahead *a, size_t n)
{
	(void)pthread_mutex_lock(&a->lock);
	a->n[a->filled++ % AHEAD_BUFFERS] = n;
	(void)pthread_cond_signal(&a->changed);
	(void)pthread_mutex_unlock(&a->lock);
}

static void end(struct ahead *a, es_err *err)
{
	(void)pthread_mutex_lock(&a->lock);
	a->err = err;
	a->ended = true;
	(void)pthread_cond_signal(&a->changed);
	(void)pthread_mutex_unlock(&a->lock);
}

es_err *ahead_put(struct ahead *a, const void *bytes, size_t n)
{
	while (n > 0) {
		size_t here = AHEAD_BUFFER_SIZE - a->put;

		if (a->put == 0 && !wait_for_room(a))
			return es_err_new(ES_E_CANCELLED, "nobody reads on");
		if (here > n)
			here = n;
		memcpy(a->buffers[a->filled % AHEAD_BUFFERS] + a->put, bytes, here);
		bytes = (const char *)bytes + here;
		n -= here;
		a->put += here;
		if (a->put == AHEAD_BUFFER_SIZE) {
			hand_over(a, a->put);
			a->put = 0;
		}
	}
	return NULL;
}

static void *run_once(void *self)
{
	struct ahead *a = self;
	es_err *err = a->run(a->self, a);

	if (!err && a->put)
		hand_over(a, a->put);
	end(a, err);
	return NULL;
}

static void *run(void *self)
{
	struct ahead *a = self;
	bool more = true;

	while (more && wait_for_room(a)) {
		size_t slot = a->filled % AHEAD_BUFFERS, n = 0; /* only this thread changes filled */
		es_err *err = a->produce(a->self, a->buffers[slot], AHEAD_BUFFER_SIZE, &n);

		more = !err && n > 0;
		if (more)
			hand_over(a, n);
		else
			end(a, err);
	}
	return NULL;
}

static es_err *start(struct ahead *a, void *(*thread)(void *self), struct ahead **ret)
{
	int rc;

	for (size_t i = 0; i < AHEAD_BUFFERS; i++)
		a->buffers[i] = es_xmalloc(AHEAD_BUFFER_SIZE);
	(void)pthread_mutex_init(&a->lock, NULL);
	(void)pthread_cond_init(&a->changed, NULL);
	rc = pthread_create(&a->thread, NULL, thread, a);
	if (rc) {
		a->ended = true;
		for (size_t i = 0; i < AHEAD_BUFFERS; i++)
			free(a->buffers[i]);
		free(a);
		return es_err_sys(rc, "start a thread");
	}
	*ret = a;
	return NULL;
}

es_err *ahead_start(es_err *(*produce)(void *self, char *out, size_t size, size_t *ret_n), void *self,
		    struct ahead **ret)
{
	struct ahead *a = ES_NEW(struct ahead);

	a->produce = produce;
	a->self = self;
	return start(a, run, ret);
}

es_err *ahead_start_run(es_err *(*fn)(void *self, struct ahead *to), void *self, struct ahead **ret)
{
	struct ahead *a = ES_NEW(struct ahead);

	a->run = fn;
	a->self = self;
	return start(a, run_once, ret);
}

es_err *ahead_read(struct ahead *a, const char **ret_bytes, size_t *ret_n)
{
	es_err *err = NULL;

	(void)pthread_mutex_lock(&a->lock);
	while (a->taken == a->filled && !a->ended)
		(void)pthread_cond_wait(&a->changed, &a->lock);
	*ret_n = 0;
	if (a->taken < a->filled) {
		size_t slot = a->taken++ % AHEAD_BUFFERS;

		*ret_bytes = a->buffers[slot];
		*ret_n = a->n[slot];
		(void)pthread_cond_signal(&a->changed);
	} else {
		err = ES_TAKE(a->err);
	}
	(void)pthread_mutex_unlock(&a->lock);
	return err;
}

void ahead_free(struct ahead *a)
{
	if (!a)
		return;
	(void)pthread_mutex_lock(&a->lock);
	a->stop = true;
	(void)pthread_cond_signal(&a->changed);
	(void)pthread_mutex_unlock(&a->lock);
	(void)pthread_join(a->thread, NULL);
	for (size_t i = 0; i < AHEAD_BUFFERS; i++)
		free(a->buffers[i]);
	es_err_free(a->err);
	(void)pthread_cond_destroy(&a->changed);
	(void)pthread_mutex_destroy(&a->lock);
	free(a);
}
