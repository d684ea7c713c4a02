/* SPDX-License-Identifier: Apache-2.0 */
/* netdrive.c: the network room by words on standard input, for test_network.py; every line gets one line back. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/rand.h"
#include "base/str.h"
#include "network/network.h"
#include "sys/netns.h"

#define LINE_MAX_BYTES 1024
#define WORDS_MAX 12

struct drive {
	struct network *n;
	const char *exec_root;
	int *fds[4096]; /* held until the end, as a monitor would */
	size_t n_fds;
};

static void notice(void *self, const char *text)
{
	(void)self;
	printf("notice %s\n", text);
	(void)fflush(stdout);
}

static es_err *net_open(struct drive *d, char **w)
{
	const struct network_config cfg = { .exec_root = d->exec_root, .pool_size = 2, .notice = notice };

	(void)w;
	return network_open(&cfg, &d->n);
}

static es_err *net_ready(struct drive *d, char **w)
{
	(void)w;
	return network_ready(d->n);
}

static es_err *net_close(struct drive *d, char **w)
{
	(void)w;
	network_close(d->n);
	d->n = NULL;
	return NULL;
}

static es_err *net_purge(struct drive *d, char **w)
{
	(void)w;
	network_purge(d->n);
	return NULL;
}

/* bridge ID IFNAME GATEWAY/BITS [GATEWAY6/BITS|-] [internal|icc_off] */
static es_err *bridge(struct drive *d, char **w)
{
	struct network_bridge b = { .id = w[1], .ifname = w[2] };

	ES_TRY(ipnet_parse(w[3], &b.subnet4, &b.gateway4));
	if (w[4] && strcmp(w[4], "-") != 0)
		ES_TRY(ipnet_parse(w[4], &b.subnet6, &b.gateway6));
	b.internal = w[4] && str_eq(w[5], "internal");
	b.icc_off = w[4] && str_eq(w[5], "icc_off");
	return network_bridge_add(d->n, &b);
}

static es_err *unbridge(struct drive *d, char **w)
{
	return network_bridge_remove(d->n, w[1]);
}

static void endpoint_id(const char *name, char out[65])
{
	(void)snprintf(out, 65, "%s", name);
	for (size_t i = strlen(out); i < 64; i++)
		out[i] = '0';
	out[64] = '\0';
}

/* up NAME BRIDGE ADDRESS [ADDRESS6] */
static es_err *up(struct drive *d, char **w)
{
	char id[65];
	struct network_endpoint ep = { .id = id, .network_id = w[2], .ifname = "eth0", .gateway = true };
	struct ipaddr want;
	es_autoclose int fd = -1;
	int64_t start = clock_mono_ns(), taken;

	endpoint_id(w[1], id);
	ES_TRY(ipaddr_parse(w[3], &want));
	ES_TRY(network_ipam_take(d->n, w[2], AF_INET, &want, &ep.ip4));
	if (w[4]) {
		ES_TRY(ipaddr_parse(w[4], &want));
		ES_TRY(network_ipam_take(d->n, w[2], AF_INET6, &want, &ep.ip6));
	}
	network_mac(&ep.ip4, ep.mac);
	ES_TRY(network_ns_take(d->n, w[1], &fd));
	taken = clock_mono_ns();
	ES_TRY(network_attach(d->n, fd, &ep));
	printf("took namespace_us=%lld attach_us=%lld\n", (long long)(taken - start) / 1000,
	       (long long)(clock_mono_ns() - taken) / 1000);
	return NULL;
}

/* down NAME BRIDGE ADDRESS */
static es_err *down(struct drive *d, char **w)
{
	struct ipaddr a;
	char id[65];

	endpoint_id(w[1], id);
	ES_TRY(ipaddr_parse(w[3], &a));
	network_unpublish(d->n, w[1]);
	network_detach(d->n, id);
	network_ns_drop(d->n, w[1]);
	network_ipam_release(d->n, w[2], &a);
	return NULL;
}

/* publish NAME PROTO HOST_IP|* HOST_PORT[-LAST] CONTAINER_PORT TO4|- TO6|- [COUNT] */
static es_err *publish(struct drive *d, char **w)
{
	static struct network_port ports[4096];
	size_t count = w[7] && w[8] ? (size_t)atoi(w[8]) : 1;
	const char *dash = strchr(w[4], '-');
	int64_t start;

	for (size_t i = 0; i < count; i++) {
		ports[i] = (struct network_port){ .proto = strcmp(w[2], "udp") == 0 ? IPPROTO_UDP : IPPROTO_TCP };
		ports[i].host_port = (uint16_t)((size_t)atoi(w[4]) + i);
		ports[i].host_port_last = dash ? (uint16_t)atoi(dash + 1) : 0;
		ports[i].container_port = (uint16_t)atoi(w[5]);
		if (strcmp(w[3], "*") != 0)
			ES_TRY(ipaddr_parse(w[3], &ports[i].host_ip));
		if (strcmp(w[6], "-") != 0)
			ES_TRY(ipaddr_parse(w[6], &ports[i].to4));
		if (w[7] && strcmp(w[7], "-") != 0)
			ES_TRY(ipaddr_parse(w[7], &ports[i].to6));
	}
	start = clock_mono_ns();
	ES_TRY(network_publish(d->n, w[1], ports, count, &d->fds[d->n_fds]));
	printf("took publish_us=%lld port=%u\n", (long long)(clock_mono_ns() - start) / 1000, ports[0].host_port);
	d->n_fds++;
	return NULL;
}

static es_err *unpublish(struct drive *d, char **w)
{
	int64_t start = clock_mono_ns();

	network_unpublish(d->n, w[1]);
	printf("took unpublish_us=%lld\n", (long long)(clock_mono_ns() - start) / 1000);
	return NULL;
}

static es_err *foreign(struct drive *d, char **w)
{
	es_autofree char *text = network_foreign_drop(d->n);

	(void)w;
	printf("took %s\n", text ? text : "none");
	return NULL;
}

static const struct {
	const char *word;
	size_t words; /* at least */
	es_err *(*fn)(struct drive *d, char **w);
} commands[] = {
	{ "open", 1, net_open },   { "ready", 1, net_ready },	{ "close", 1, net_close },     { "purge", 1, net_purge },
	{ "bridge", 4, bridge },   { "unbridge", 2, unbridge }, { "up", 4, up },	       { "down", 4, down },
	{ "publish", 7, publish }, { "unpublish", 2, unpublish }, { "foreign", 1, foreign },
};

static es_err *run(struct drive *d, char *line)
{
	char *words[WORDS_MAX] = { NULL }, *save = NULL;
	size_t n = 0;

	for (char *w = strtok_r(line, " \n", &save); w && n < WORDS_MAX - 1; w = strtok_r(NULL, " \n", &save))
		words[n++] = w;
	for (size_t i = 0; n && i < ES_N(commands); i++)
		if (strcmp(commands[i].word, words[0]) == 0 && n >= commands[i].words)
			return commands[i].fn(d, words);
	return es_err_new(ES_E_INVALID, "unknown command");
}

int main(int argc, char **argv)
{
	static struct drive d;
	char line[LINE_MAX_BYTES];

	d.exec_root = argc > 1 ? argv[1] : "/run/netdrive";
	while (fgets(line, sizeof line, stdin)) {
		es_autoerr es_err *err = run(&d, line);

		printf(err ? "error %s\n" : "ok\n", err ? es_err_text(err) : "");
		(void)fflush(stdout);
	}
	return 0;
}
