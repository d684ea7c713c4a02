/* SPDX-License-Identifier: Apache-2.0 */
/* defer.c: work that belongs off the path of a request, done in order by a few threads. */
#include "engine/engine_priv.h"

struct work {
	struct list link;
	void (*fn)(void *arg);
	void *arg;
};

struct defer {
	pthread_mutex_t lock;
	pthread_cond_t more, idle;
	struct list queue;
	size_t pending; /* queued and running */
	bool stop;
	size_t n;
	pthread_t threads[];
};

#define STACK_BYTES ((size_t)256 << 10)

static struct work *next_work(struct defer *d)
{
	struct work *w = NULL;

	(void)pthread_mutex_lock(&d->lock);
	while (list_is_empty(&d->queue) && !d->stop)
		(void)pthread_cond_wait(&d->more, &d->lock);
	if (!list_is_empty(&d->queue)) {
		w = LIST_ENTRY(d->queue.next, struct work, link);
		list_remove(&w->link);
	}
	(void)pthread_mutex_unlock(&d->lock);
	return w;
}

static void *run(void *arg)
{
	struct defer *d = arg;
	struct work *w;

	while ((w = next_work(d))) {
		w->fn(w->arg);
		free(w);
		(void)pthread_mutex_lock(&d->lock);
		if (--d->pending == 0)
			(void)pthread_cond_broadcast(&d->idle);
		(void)pthread_mutex_unlock(&d->lock);
	}
	return NULL;
}

struct defer *defer_new(size_t threads)
{
	struct defer *d = es_xcalloc(1, sizeof *d + threads * sizeof d->threads[0]);
	pthread_attr_t attr;

	(void)pthread_mutex_init(&d->lock, NULL);
	(void)pthread_cond_init(&d->idle, NULL);
	(void)pthread_cond_init(&d->more, NULL);
	list_init(&d->queue);
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	while (d->n < threads && pthread_create(&d->threads[d->n], &attr, run, d) == 0)
		d->n++;
	(void)pthread_attr_destroy(&attr);
	if (d->n == 0)
		abort(); /* not one thread: the machine cannot run an engine */
	return d;
}

void defer_free(struct defer *d)
{
	if (!d)
		return;
	(void)pthread_mutex_lock(&d->lock);
	d->stop = true;
	(void)pthread_cond_broadcast(&d->more);
	(void)pthread_mutex_unlock(&d->lock);
	for (size_t i = 0; i < d->n; i++)
		(void)pthread_join(d->threads[i], NULL);
	(void)pthread_mutex_destroy(&d->lock);
	(void)pthread_cond_destroy(&d->more);
	(void)pthread_cond_destroy(&d->idle);
	free(d);
}

void defer_add(struct defer *d, void (*fn)(void *arg), void *arg)
{
	struct work *w = ES_NEW(struct work);

	w->fn = fn;
	w->arg = arg;
	(void)pthread_mutex_lock(&d->lock);
	list_append(&d->queue, &w->link);
	d->pending++;
	(void)pthread_cond_signal(&d->more);
	(void)pthread_mutex_unlock(&d->lock);
}

void defer_settle(struct defer *d)
{
	(void)pthread_mutex_lock(&d->lock);
	while (d->pending > 0)
		(void)pthread_cond_wait(&d->idle, &d->lock);
	(void)pthread_mutex_unlock(&d->lock);
}

size_t defer_pending(struct defer *d)
{
	size_t n;

	(void)pthread_mutex_lock(&d->lock);
	n = d->pending;
	(void)pthread_mutex_unlock(&d->lock);
	return n;
}
