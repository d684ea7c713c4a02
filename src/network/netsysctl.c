/* SPDX-License-Identifier: Apache-2.0 */
/* netsysctl.c: the settings below /proc/sys/net that we read and change, and forwarding with its fence. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "network/network_priv.h"
#include "sys/rtnl.h"

#define UPLINKS_FILE "uplinks" /* in exec_root/netns: it ends with the boot, as the sysctl does */
#define UPLINKS_MAX (64u << 10)

void netsysctl_get(const char *name, char *out, size_t size)
{
	es_autofree char *path = es_xasprintf("/proc/sys/net/%s", name);
	es_autofree char *text = NULL;

	*out = '\0';
	es_err_drop(file_read(AT_FDCWD, path, 4096, &text, NULL));
	if (text)
		(void)snprintf(out, size, "%s", str_trim(text));
}

es_err *netsysctl_set(const char *name, const char *value, bool *ret_changed)
{
	es_autofree char *path = es_xasprintf("/proc/sys/net/%s", name);
	char old[64];

	netsysctl_get(name, old, sizeof old);
	if (ret_changed)
		*ret_changed = strcmp(old, value) != 0;
	return strcmp(old, value) == 0 ? NULL : file_put(AT_FDCWD, path, value);
}

/* ---- forwarding ---- */

static es_err *add_uplink(void *self, const struct rtnl_link *l)
{
	struct network *n = self;

	for (size_t i = 0; i < n->bridges.n; i++)
		if (strcmp(((struct bridge *)n->bridges.p[i])->ifname, l->name) == 0)
			return NULL;
	if (!(l->flags & IFF_LOOPBACK) && l->master == 0 && !strv_has(n->uplinks, l->name))
		strv_add(&n->uplinks, l->name);
	return NULL;
}

/* The interfaces that exist now are those for which forwarding was off: no packet passes from one to another because of us.
 * Kept in a file, for the next daemon finds forwarding on already. */
static es_err *fence(struct network *n)
{
	es_autofree char *text = NULL;

	ES_TRY(rtnl_links(&n->rtnl, add_uplink, n));
	text = strv_join(n->uplinks, "\n");
	ES_TRY(file_replace(n->ns_dir, "." UPLINKS_FILE, text, strlen(text), 0600, false));
	return rules_apply(n);
}

/* An interface that accepts router advertisements stops doing so once it forwards, unless it is told to go on (2). */
static es_err *keep_ra(void *self, const struct rtnl_link *l)
{
	es_autofree char *name = es_xasprintf("ipv6/conf/%s/accept_ra", l->name);
	char value[16];

	netsysctl_get(name, value, sizeof value);
	if (strcmp(value, "1") == 0 && !(l->flags & IFF_LOOPBACK)) {
		ES_TRY(netsysctl_set(name, "2", NULL));
		network_tell(self, "/proc/sys/net/%s set to 2: %s goes on accepting router advertisements while forwarding", name, l->name);
	}
	return NULL;
}

static es_err *switch_on(struct network *n, const char *name)
{
	char value[16];

	netsysctl_get(name, value, sizeof value);
	if (strcmp(value, "1") == 0 || !*value)
		return NULL;
	if (n->ip_forward_off) {
		network_tell(n, "/proc/sys/net/%s is off and was not changed (--ip-forward=false): containers reach only this host", name);
		return NULL;
	}
	ES_TRY(fence(n));
	ES_TRY(netsysctl_set(name, "1", NULL));
	network_tell(n, "/proc/sys/net/%s switched on; only our bridges are forwarded for, not between other interfaces", name);
	return NULL;
}

es_err *netsysctl_forwarding(struct network *n)
{
	bool ipv6 = false;
	char value[16];

	for (size_t i = 0; i < n->bridges.n; i++)
		ipv6 |= ((struct bridge *)n->bridges.p[i])->spec.subnet6.addr.family != 0;
	if (n->bridges.n)
		ES_TRY(switch_on(n, "ipv4/ip_forward"));
	netsysctl_get("ipv6/conf/all/forwarding", value, sizeof value);
	if (ipv6 && strcmp(value, "0") == 0 && !n->ip_forward_off)
		ES_TRY(rtnl_links(&n->rtnl, keep_ra, n));
	return ipv6 ? switch_on(n, "ipv6/conf/all/forwarding") : NULL;
}
