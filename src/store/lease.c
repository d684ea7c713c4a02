/* SPDX-License-Identifier: Apache-2.0 */
/* lease.c: what is under way, in memory. */
#include "store/lease.h"

#include <time.h>

#include "base/clock.h"
#include "base/str.h"
#include "store/store_priv.h"

#define REMOVAL_POLL_MS 10
#define REMOVAL_POLLS 500

struct lease {
	struct list link;
	struct store *st;
	char **digests;
	int64_t since_ns; /* by the clock that stamps files */
	bool removes;
	bool ended; /* a collection is under way that may not have seen the records this lease made way for */
};

int64_t lease_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return now.tv_sec * CLOCK_NS_PER_S + now.tv_nsec;
}

struct lease *lease_new(struct store *st)
{
	struct lease *l = ES_NEW(struct lease);

	l->st = st;
	l->since_ns = lease_now();
	pthread_mutex_lock(&st->content_lock);
	list_append(&st->leases, &l->link);
	pthread_mutex_unlock(&st->content_lock);
	return l;
}

void lease_hold(struct lease *l, const char *digest)
{
	pthread_mutex_lock(&l->st->content_lock);
	if (!strv_has(l->digests, digest))
		strv_add(&l->digests, digest);
	pthread_mutex_unlock(&l->st->content_lock);
}

void lease_removes(struct lease *l)
{
	pthread_mutex_lock(&l->st->content_lock);
	l->removes = true;
	pthread_mutex_unlock(&l->st->content_lock);
}

static bool any_removal(struct store *st, int64_t before_ns)
{
	bool any = false;

	pthread_mutex_lock(&st->content_lock);
	LIST_EACH(at, &st->leases) {
		const struct lease *l = LIST_ENTRY(at, struct lease, link);

		any |= l->removes && l->since_ns <= before_ns;
	}
	pthread_mutex_unlock(&st->content_lock);
	return any;
}

bool lease_removals_over(struct store *st)
{
	int64_t now = lease_now();

	for (int i = 0; i < REMOVAL_POLLS; i++) {
		if (!any_removal(st, now))
			return true;
		(void)nanosleep(&(struct timespec){ .tv_nsec = REMOVAL_POLL_MS * CLOCK_NS_PER_MS }, NULL);
	}
	return false;
}

void lease_rest(struct lease *l)
{
	pthread_mutex_lock(&l->st->content_lock);
	l->since_ns = INT64_MAX;
	pthread_mutex_unlock(&l->st->content_lock);
}

static void lease_free(struct lease *l)
{
	list_remove(&l->link);
	strv_free(l->digests);
	free(l);
}

void lease_end(struct lease *l)
{
	if (!l)
		return;
	struct store *st = l->st;
	pthread_mutex_lock(&st->content_lock);
	if (st->collecting)
		l->ended = true;
	else
		lease_free(l);
	pthread_mutex_unlock(&st->content_lock);
}

void lease_collect(struct store *st, bool begins)
{
	pthread_mutex_lock(&st->content_lock);
	st->collecting += begins ? 1 : -1;
	LIST_EACH(at, &st->leases)
		if (!st->collecting && LIST_ENTRY(at, struct lease, link)->ended)
			lease_free(LIST_ENTRY(at, struct lease, link));
	pthread_mutex_unlock(&st->content_lock);
}

bool lease_holds(const struct store *st, const char *digest)
{
	LIST_EACH(at, &st->leases)
		if (strv_has(LIST_ENTRY(at, struct lease, link)->digests, digest))
			return true;
	return false;
}

int64_t lease_oldest(struct store *st, const struct lease *mine)
{
	int64_t oldest = INT64_MAX;

	pthread_mutex_lock(&st->content_lock);
	LIST_EACH(at, &st->leases) {
		const struct lease *l = LIST_ENTRY(at, struct lease, link);

		if (l != mine && l->since_ns < oldest)
			oldest = l->since_ns;
	}
	pthread_mutex_unlock(&st->content_lock);
	return oldest;
}
