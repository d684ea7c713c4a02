/* SPDX-License-Identifier: Apache-2.0 */
/* netpool.c: network namespaces made ahead, and the thread that makes them and watches over our table. */
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/thread.h"
#include "network/network_priv.h"
#include "sys/netns.h"
#include "sys/nft.h"
#include "sys/rtnl.h"

#define REPAIR_PAUSE_NS (50 * 1000 * 1000) /* whoever reloads a firewall flushes and fills in one go */

/* What docker sets in a container's namespace; IPv6 comes up per interface, when it gets an address. */
static const struct {
	const char *name, *value;
} ns_sysctls[] = {
	{ "ipv4/ip_unprivileged_port_start", "0" },
	{ "ipv4/ping_group_range", "0 2147483647" },
	{ "ipv6/conf/default/disable_ipv6", "1" },
	{ "ipv6/conf/default/accept_dad", "0" },
};

/* Runs inside the new namespace. */
static es_err *setup(void *arg)
{
	struct nl *rtnl = arg;
	const struct rtnl_link_opts lo = { .index = 1, .up = true };
	es_automsgs m = NL_MSGS;

	ES_TRY(nl_open(NETLINK_ROUTE, rtnl));
	rtnl_link_set(&m, &lo);
	ES_TRY(nl_talk(rtnl, &m, NULL));
	for (size_t i = 0; i < ES_N(ns_sysctls); i++) {
		es_autofree char *path = es_xasprintf("/proc/sys/net/%s", ns_sysctls[i].name);

		es_err_drop(file_put(AT_FDCWD, path, ns_sysctls[i].value)); /* a kernel without IPv6 lacks some */
	}
	return NULL;
}

es_err *netpool_make(struct nsent **ret)
{
	struct nsent *e = ES_NEW(struct nsent);
	struct stat st;
	es_err *err;

	*e = (struct nsent){ .fd = -1, .rtnl = NL_NONE };
	err = netns_new(setup, &e->rtnl, &e->fd);
	if (!err && fstat(e->fd, &st) < 0)
		err = es_err_sys(errno, "stat network namespace");
	if (err) {
		nsent_free(e);
		return err;
	}
	e->ino = st.st_ino;
	*ret = e;
	return NULL;
}

void nsent_free(struct nsent *e)
{
	if (!e)
		return;
	es_close(e->fd);
	nl_done(&e->rtnl);
	free(e);
}

static es_err *open_inside(void *arg)
{
	return nl_open(NETLINK_ROUTE, arg);
}

es_err *netpool_socket(struct network *n, int ns_fd, struct nl *own, struct nl **ret)
{
	struct stat st;

	if (fstat(ns_fd, &st) < 0)
		return es_err_sys(errno, "stat network namespace");
	for (size_t i = 0; i < n->namespaces.n; i++) {
		struct nsent *e = n->namespaces.p[i];

		if (e->ino == st.st_ino && e->rtnl.fd >= 0) {
			*ret = &e->rtnl;
			return NULL;
		}
	}
	ES_TRY(netns_run(ns_fd, open_inside, own));
	*ret = own;
	return NULL;
}

/* ---- the keeper ---- */

struct watch {
	struct network *n;
	uint32_t own_port; /* our own changes are no news */
	bool lost;
};

static es_err *seen(void *self, const struct nlmsghdr *h)
{
	struct watch *w = self;
	bool removal = false;
	const char *table = nft_event_table(h, &removal);

	w->lost |= table && removal && h->nlmsg_pid != w->own_port && strcmp(table, w->n->name) == 0;
	return NULL;
}

static void repair(struct network *n)
{
	const struct timespec pause = { .tv_nsec = REPAIR_PAUSE_NS };
	es_err *err;

	(void)nanosleep(&pause, NULL);
	(void)pthread_mutex_lock(&n->lock);
	err = rules_apply(n);
	(void)pthread_mutex_unlock(&n->lock);
	if (err)
		network_tell(n, "nftables table inet %s was removed by another program and could not be put back: %s", n->name,
			     es_err_text(err));
	else
		network_tell(n, "nftables table inet %s was changed or flushed by another program: put back", n->name);
	es_err_drop(err);
}

static bool pool_wants(struct network *n)
{
	bool wants;

	(void)pthread_mutex_lock(&n->lock);
	wants = n->pool.n < n->pool_size && !n->pool_failed;
	(void)pthread_mutex_unlock(&n->lock);
	return wants;
}

/* One at a time, so that a repair or the end never waits for a whole pool. */
static void fill_one(struct network *n)
{
	struct nsent *e = NULL;
	es_err *err = netpool_make(&e);

	(void)pthread_mutex_lock(&n->lock);
	n->pool_failed = err != NULL; /* until the next one is taken: start says why then */
	if (e)
		ptrs_add(&n->pool, e);
	(void)pthread_mutex_unlock(&n->lock);
	es_err_drop(err);
}

static void *keeper(void *arg)
{
	struct network *n = arg;
	struct watch w = { .n = n, .own_port = nl_port(&n->nft) };
	es_autonl events = NL_NONE;
	es_err *err = nl_open(NETLINK_NETFILTER, &events);
	uint64_t count;

	if (!err)
		err = nl_subscribe(&events, NFNLGRP_NFTABLES);
	if (err)
		network_tell(n, "nobody watches over the nftables table: %s", es_err_text(err));
	es_err_drop(err);
	for (;;) {
		bool fill = pool_wants(n);
		struct pollfd p[] = { { .fd = n->stop, .events = POLLIN }, { .fd = n->wake, .events = POLLIN },
				      { .fd = events.fd, .events = POLLIN } };

		if (poll(p, ES_N(p), fill ? 0 : -1) < 0 && errno != EINTR)
			return NULL;
		if (p[0].revents)
			return NULL;
		if (p[1].revents)
			(void)file_read_some(n->wake, &count, sizeof count);
		if (p[2].revents) {
			w.lost = false;
			es_err_drop(nl_events(&events, seen, &w, &w.lost));
			if (w.lost)
				repair(n);
		}
		if (fill)
			fill_one(n);
	}
}

es_err *netpool_start(struct network *n)
{
	n->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	n->stop = eventfd(0, EFD_CLOEXEC);
	if (n->wake < 0 || n->stop < 0)
		return es_err_sys(errno, "eventfd");
	ES_TRY(es_err_in(thread_start(&n->keeper, 0, keeper, n), "network keeper"));
	n->keeper_runs = true;
	return NULL;
}

void netpool_stop(struct network *n)
{
	const uint64_t one = 1;

	if (!n->keeper_runs)
		return;
	es_err_drop(file_write_all(n->stop, &one, sizeof one));
	(void)pthread_join(n->keeper, NULL);
	n->keeper_runs = false;
}
