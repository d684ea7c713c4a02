/* SPDX-License-Identifier: Apache-2.0 */
/* collector.c: collects garbage in the background: layers and blobs that no image and no container leads to any more, and records of
 * cached build steps whose layer went. */
#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "engine/engine_priv.h"
#include "engine/imgbuild.h"
#include "store/gc.h"

struct collector {
	struct engine *e;
	int64_t every_ns;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stop_cond;
	bool stop;
};

static void collect(struct engine *e)
{
	es_autoarena *a = arena_new();
	struct gc_result r = { 0 };
	uint64_t bytes = 0;
	char **ids;

	log_err(imgbuild_prune(e, a, false, &ids, &bytes, &r), "collect garbage");
	if (r.layers || r.blobs)
		log_line(LOG_L_INFO, "collected %llu layers and %llu blobs that nothing referred to (%llu bytes)", (unsigned long long)r.layers,
			 (unsigned long long)r.blobs, (unsigned long long)r.bytes);
}

/* False: it is time to go. */
static bool sleep_until(struct collector *c, int64_t at)
{
	const struct timespec ts = { at / CLOCK_NS_PER_S, at % CLOCK_NS_PER_S };
	int rc = 0;

	(void)pthread_mutex_lock(&c->lock);
	while (!c->stop && rc == 0)
		rc = pthread_cond_timedwait(&c->stop_cond, &c->lock, &ts);
	bool go_on = !c->stop;
	(void)pthread_mutex_unlock(&c->lock);
	return go_on;
}

static void *collector_main(void *arg)
{
	struct collector *c = arg;

	while (sleep_until(c, clock_mono_ns() + c->every_ns))
		collect(c->e);
	return NULL;
}

es_err *collector_start(struct engine *e, int64_t every_ns, struct collector **ret)
{
	struct collector *c;
	pthread_condattr_t attr;
	es_err *err;

	*ret = NULL;
	if (every_ns <= 0)
		return NULL;
	c = ES_NEW(struct collector);
	c->e = e;
	c->every_ns = every_ns;
	(void)pthread_mutex_init(&c->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&c->stop_cond, &attr);
	(void)pthread_condattr_destroy(&attr);
	err = thread_start(&c->thread, 0, collector_main, c);
	if (err) {
		(void)pthread_cond_destroy(&c->stop_cond);
		(void)pthread_mutex_destroy(&c->lock);
		free(c);
		return err;
	}
	*ret = c;
	return NULL;
}

void collector_stop(struct collector *c)
{
	if (!c)
		return;
	(void)pthread_mutex_lock(&c->lock);
	c->stop = true;
	(void)pthread_cond_signal(&c->stop_cond);
	(void)pthread_mutex_unlock(&c->lock);
	(void)pthread_join(c->thread, NULL);
	(void)pthread_cond_destroy(&c->stop_cond);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}
