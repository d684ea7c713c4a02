/* SPDX-License-Identifier: Apache-2.0 */
/* lease.c: what is under way, in memory. */
#include "store/lease.h"

#include "base/str.h"
#include "store/store_priv.h"

struct lease {
	struct list link;
	struct store *st;
	char **digests;
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

void lease_end(struct lease *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->st->content_lock);
	list_remove(&l->link);
	pthread_mutex_unlock(&l->st->content_lock);
	strv_free(l->digests);
	free(l);
}

bool lease_holds(const struct store *st, const char *digest)
{
	LIST_EACH(at, &st->leases)
		if (strv_has(LIST_ENTRY(at, struct lease, link)->digests, digest))
			return true;
	return false;
}
