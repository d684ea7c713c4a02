/* SPDX-License-Identifier: Apache-2.0 */
/* rtnetdev.c: a rtnetlink socket on either side, the device handed over, its addresses given again. */
#include "runtime/rtnetdev.h"

#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "base/str.h"
#include "sys/ns.h"
#include "sys/rtnl.h"

struct mover {
	struct nl here, there; /* sockets of the two namespaces */
	int netns;
};

/* A device that moves loses its addresses: keep those that are meant to last. */
struct kept {
	int index;
	struct rtnl_addr *list;
	size_t n;
};

/* A socket stays in the namespace that it was opened in. This program has one thread. */
static es_err *open_there(int netns, struct nl *ret)
{
	es_autoclose int own = openat(AT_FDCWD, "/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	es_err *err;

	if (own < 0)
		return es_err_sys(errno, "open /proc/self/ns/net");
	ES_TRY(ns_join(NS_NET, netns));
	err = nl_open(NETLINK_ROUTE, ret);
	if (!err)
		return ns_join(NS_NET, own);
	es_err_drop(ns_join(NS_NET, own));
	return err;
}

static es_err *keep(void *self, const struct rtnl_addr *a)
{
	struct kept *k = self;

	if (a->index != k->index || !(a->flags & IFA_F_PERMANENT) || a->scope != RT_SCOPE_UNIVERSE)
		return NULL;
	for (size_t i = 0; i < k->n; i++) /* an interrupted dump tells twice */
		if (memcmp(&k->list[i], a, sizeof *a) == 0)
			return NULL;
	k->list = es_xrealloc(k->list, (k->n + 1) * sizeof *k->list);
	k->list[k->n++] = *a;
	return NULL;
}

static es_err *check_free(struct nl *there, const char *name)
{
	struct rtnl_link l;
	es_err *err;

	if (strchr(name, '%'))
		return NULL; /* the kernel finds a number */
	err = rtnl_link_get(there, name, &l);
	if (!err)
		return es_err_new(ES_E_CONFLICT, "the container has a network device %s already", name);
	if (es_err_class(err) != ES_E_NOT_FOUND)
		return err;
	es_err_drop(err);
	return NULL;
}

/* Where the kernel chose the name: the number stays the same unless it was taken there, the address always. */
struct search {
	const struct rtnl_link *from;
	int index;
};

static es_err *find_index(void *self, const struct rtnl_link *l)
{
	struct search *s = self;

	if (memcmp(l->mac, s->from->mac, sizeof l->mac) == 0 && s->index != s->from->index)
		s->index = l->index;
	return NULL;
}

static es_err *move_one(struct mover *m, const char *host_name, const char *name)
{
	es_automsgs move = NL_MSGS, up = NL_MSGS;
	struct kept k = { 0 };
	struct rtnl_link l, moved = { 0 };
	struct search s = { .from = &l };
	es_err *err;

	ES_TRY(rtnl_link_get(&m->here, host_name, &l));
	k.index = l.index;
	err = rtnl_addrs(&m->here, 0, keep, &k);
	if (!err) {
		rtnl_link_move(&move, l.index, m->netns, name);
		err = nl_talk(&m->here, &move, NULL);
	}
	if (!err && !strchr(name, '%'))
		err = rtnl_link_get(&m->there, name, &moved);
	else if (!err) {
		err = rtnl_links(&m->there, find_index, &s);
		moved.index = s.index;
	}
	if (!err) {
		rtnl_link_set(&up, &(struct rtnl_link_opts){ .index = moved.index, .up = true });
		for (size_t i = 0; i < k.n; i++)
			rtnl_addr_add(&up, moved.index, k.list[i].family, k.list[i].addr, k.list[i].bits, k.list[i].flags & ~(uint32_t)IFA_F_TENTATIVE);
		err = nl_talk(&m->there, &up, NULL);
	}
	free(k.list);
	return err;
}

es_err *rtnetdev_move(const struct field_map *devices, int netns)
{
	struct mover m = { .here = NL_NONE, .there = NL_NONE, .netns = netns };
	es_err *err = nl_open(NETLINK_ROUTE, &m.here);

	if (!err)
		err = open_there(netns, &m.there);
	FIELD_MAP_EACH(e, devices) {
		const struct oci_net_device *d = e->value;
		struct rtnl_link l;

		if (!err)
			err = es_err_in(rtnl_link_get(&m.here, e->key, &l), "linux.netDevices.%s", e->key);
		if (!err)
			err = es_err_in(check_free(&m.there, str_empty(d->name) ? e->key : d->name), "linux.netDevices.%s", e->key);
	}
	FIELD_MAP_EACH(e, devices) {
		const struct oci_net_device *d = e->value;

		if (!err)
			err = es_err_in(move_one(&m, e->key, str_empty(d->name) ? e->key : d->name), "linux.netDevices.%s", e->key);
	}
	nl_done(&m.here);
	nl_done(&m.there);
	return err;
}
