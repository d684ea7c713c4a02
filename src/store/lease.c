/* SPDX-License-Identifier: Apache-2.0 */
/* lease.c: what is under way, in memory. */
#include "store/lease.h"

#include "base/str.h"
#include "store/store_priv.h"

struct lease {
	struct list link;
	struct store *st;
	char **digests;
	bool ended; /* a collection is under way that may not have seen the records this lease made way for */
};

struct lease *lease_new(struct store *st)
{
	struct lease *l = ES_NEW(struct lease);

	l->st = st;
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
