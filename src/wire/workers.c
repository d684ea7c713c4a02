/* SPDX-License-Identifier: Apache-2.0 */
/* workers.c: the bounded pool of threads. */
#include "wire/workers.h"

#include <pthread.h>
#include <time.h>

#include "base/log.h"

struct workers {
	pthread_mutex_t lock;
	pthread_cond_t work; /* a job came, or the pool ends */
	pthread_cond_t left; /* a thread has left */
	struct list jobs;
	unsigned max, threads, idle, waiting_jobs;
	bool ending;
};

struct workers *workers_new(unsigned max)
{
	struct workers *w = ES_NEW(struct workers);

	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	pthread_cond_init(&w->left, NULL);
	list_init(&w->jobs);
	w->max = max;
	return w;
}

/* The next job, or NULL when this thread shall leave. Lock held. */
static struct workers_job *next_job(struct workers *w)
{
	struct timespec until;
	struct workers_job *job;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WORKERS_IDLE_S;
	w->idle++;
	while (list_is_empty(&w->jobs) && !w->ending && rc == 0)
		rc = pthread_cond_timedwait(&w->work, &w->lock, &until);
	w->idle--;
	if (list_is_empty(&w->jobs))
		return NULL;
	job = LIST_ENTRY(w->jobs.next, struct workers_job, link);
	list_remove(&job->link);
	w->waiting_jobs--;
	return job;
}

static void *worker_main(void *arg)
{
	struct workers *w = arg;
	struct workers_job *job;

	pthread_mutex_lock(&w->lock);
	while ((job = next_job(w))) {
		void (*fn)(void *) = job->fn;
		void *self = job->self;

		pthread_mutex_unlock(&w->lock);
		fn(self);
		pthread_mutex_lock(&w->lock);
	}
	w->threads--;
	pthread_cond_signal(&w->left);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Lock held. */
static void add_thread(struct workers *w)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, WORKERS_STACK);
	rc = pthread_create(&thread, &attr, worker_main, w);
	pthread_attr_destroy(&attr);
	if (rc == 0)
		w->threads++;
	else if (w->threads == 0)
		log_line(LOG_L_ERROR, "no thread can be started: %s", strerror(rc)); /* the next job tries again */
}

void workers_add(struct workers *w, struct workers_job *job)
{
	pthread_mutex_lock(&w->lock);
	list_append(&w->jobs, &job->link);
	w->waiting_jobs++;
	if (w->waiting_jobs > w->idle && w->threads < w->max)
		add_thread(w);
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
}

void workers_free(struct workers *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->ending = true;
	pthread_cond_broadcast(&w->work);
	while (w->threads)
		pthread_cond_wait(&w->left, &w->lock);
	pthread_mutex_unlock(&w->lock);
	pthread_cond_destroy(&w->work);
	pthread_cond_destroy(&w->left);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
