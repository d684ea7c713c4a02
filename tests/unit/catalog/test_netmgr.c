/* SPDX-License-Identifier: Apache-2.0 */
/* test_netmgr.c: docker's networks over a real store, in a network and mount namespace of the test's own. */
#include "check.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>

#include "base/file.h"
#include "base/str.h"
#include "catalog/netmgr.h"

#define CTR_ID "c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1"

/* A daemon's life: roots stay, the rest is opened and closed. */
struct house {
	char root[64];
	struct store *store;
	struct network *network;
	struct netmgr *m;
	struct arena *a;
	struct json *asked;
	bool running;
	char events[2048];
};

static es_err *find(void *self, struct arena *a, const char *ref, struct netmgr_ctr *ret)
{
	struct house *h = self;

	if (strcmp(ref, "c1") != 0)
		return es_err_new(ES_E_NOT_FOUND, "No such container: %s", ref);
	*ret = (struct netmgr_ctr){ .id = CTR_ID, .name = "c1", .network_mode = "bridge", .running = h->running,
				    .endpoints = json_copy(a, h->asked) };
	return NULL;
}

static es_err *save(void *self, const char *container_id, struct json *endpoints, struct json *in_force)
{
	struct house *h = self;

	CHECK_STR(container_id, CTR_ID);
	CHECK((in_force != NULL) == h->running);
	h->asked = json_copy(h->a, endpoints);
	return NULL;
}

static void event(void *self, const char *action, const char *network_id, const struct field_map *attributes)
{
	struct house *h = self;

	(void)network_id;
	(void)snprintf(h->events + strlen(h->events), sizeof h->events - strlen(h->events), "%s %s;", action,
		       (const char *)field_map_get(attributes, "name"));
}

static const struct netmgr_ops ops = { .find = find, .save = save, .event = event };

static void notice(void *self, const char *text)
{
	(void)self;
	(void)text;
}

static void open_house(struct house *h)
{
	es_autofree char *exec = es_xasprintf("%s/exec", h->root), *data = es_xasprintf("%s/data", h->root);
	const struct store_options so = { .data_root = data, .exec_root = exec };
	const struct network_config nc = { .exec_root = exec, .name = "estiba-unit", .notice = notice };
	struct netmgr_config cfg = { .ops = &ops, .self = h };

	CHECK_OK(store_open(&so, &h->store));
	CHECK_OK(network_open(&nc, &h->network));
	cfg.store = h->store;
	cfg.network = h->network;
	CHECK_OK(netmgr_open(&cfg, &h->m));
}

static void close_house(struct house *h)
{
	netmgr_close(h->m);
	network_close(h->network);
	store_close(h->store);
}

static void begin(struct house *h)
{
	*h = (struct house){ .a = arena_new() };
	(void)snprintf(h->root, sizeof h->root, "/tmp/estiba-netmgr.XXXXXX");
	CHECK(mkdtemp(h->root));
	h->asked = json_new_object(h->a);
	open_house(h);
}

static void end(struct house *h)
{
	network_purge(h->network);
	close_house(h);
	CHECK_OK(file_remove_tree(AT_FDCWD, h->root));
	arena_free(h->a);
}

static es_err *create(struct house *h, const char *body)
{
	struct docker_network_create req = { 0 };
	struct docker_network_create_reply reply;

	CHECK_OK(field_decode_text(h->a, docker_network_create_fields, body, strlen(body), &req));
	return netmgr_create(h->m, h->a, &req, &reply);
}

static void create_rows(void)
{
	static const struct {
		const char *body, *want; /* NULL: success */
		int status;
	} rows[] = {
		{ "{\"Name\":\"n1\",\"IPAM\":{\"Config\":[{\"Subnet\":\"10.79.0.0/16\"}]}}", NULL, 0 },
		{ "{\"Name\":\"n1\"}", "network with name n1 already exists", 409 },
		{ "{}", "invalid name: ", 400 },
		{ "{\"Name\":\"host\"}", "operation is not permitted on predefined host network ", 403 },
		{ "{\"Name\":\"x\",\"Driver\":\"host\"}", "only one instance of \"host\" network is allowed", 403 },
		{ "{\"Name\":\"x\",\"Driver\":\"overlay\"}", "This node is not a swarm manager.", 503 },
		{ "{\"Name\":\"x\",\"Driver\":\"macvlan\"}", "network driver macvlan is not supported", 501 },
		{ "{\"Name\":\"x\",\"IPAM\":{\"Config\":[{\"Subnet\":\"x\"}]}}", "invalid network config:\ninvalid subnet x: invalid CIDR block notation", 400 },
		{ "{\"Name\":\"x\",\"IPAM\":{\"Config\":[{\"Subnet\":\"10.79.3.0/24\"}]}}", "Pool overlaps with other one on this address space", 403 },
		{ "{\"Name\":\"x\",\"IPAM\":{\"Config\":[{\"Subnet\":\"10.1.0.1/24\"}]}}", "it should be 10.1.0.0/24", 400 },
		{ "{\"Name\":\"x\",\"IPAM\":{\"Config\":[{\"Subnet\":\"10.1.0.0/24\",\"Gateway\":\"10.2.0.1\"}]}}", "invalid gateway 10.2.0.1", 400 },
		{ "{\"Name\":\"x\",\"Options\":{\"com.docker.network.bridge.name\":\"longer-than-fifteen\"}}", "invalid bridge name", 400 },
		{ "{\"Name\":\"six\",\"EnableIPv6\":true}", NULL, 0 },
		{ "{\"Name\":\"aux\",\"IPAM\":{\"Config\":[{\"Subnet\":\"10.2.0.0/24\",\"AuxiliaryAddresses\":{\"h\":\"10.2.0.2\"}}]}}", NULL, 0 },
	};
	struct house h;

	begin(&h);
	for (size_t i = 0; i < ES_N(rows); i++) {
		es_err *err = create(&h, rows[i].body);

		if (!rows[i].want) {
			CHECK_OK(err);
			continue;
		}
		CHECK(err && strstr(es_err_text(err), rows[i].want));
		CHECK_INT(es_err_http(err), rows[i].status);
		es_err_free(err);
	}
	end(&h);
}

static void bring_up(struct house *h, struct netmgr_sandbox *box, const char *port)
{
	struct docker_config cfg = { .hostname = "c1" };
	struct docker_host_config hc = { .network_mode = "bridge", .port_bindings = field_map_new(h->a) };
	struct docker_port_binding *binding = ARENA_NEW(h->a, struct docker_port_binding);
	struct field_list *list = ARENA_NEW(h->a, struct field_list);
	struct netmgr_start s = { .id = CTR_ID, .name = "c1", .config = &cfg, .host_config = &hc };

	binding->host_port = port;
	*list = (struct field_list){ .items = binding, .n = 1, .set = true };
	field_map_put(h->a, hc.port_bindings, "80/tcp", list);
	CHECK_OK(netmgr_endpoints(h->m, h->a, &hc, &cfg, NULL, 145, &h->asked));
	s.endpoints = h->asked;
	CHECK_OK(netmgr_up(h->m, h->a, &s, box));
	h->running = true;
}

static size_t connected(struct house *h, const char *network)
{
	struct docker_network n = { 0 };

	CHECK_OK(netmgr_inspect(h->m, h->a, network, NULL, &n));
	return n.containers->n;
}

static void a_container_comes_and_goes(void)
{
	struct netmgr_sandbox box;
	struct house h;

	begin(&h);
	bring_up(&h, &box, "18080");
	CHECK(box.netns_fd >= 0);
	CHECK_INT(box.n_hold, 1);
	CHECK_STR(json_str(json_get(json_get(box.networks, "bridge"), "IPAddress")), "172.17.0.2");
	CHECK_STR(json_str(json_get(json_get(box.networks, "bridge"), "MacAddress")), "02:42:ac:11:00:02");
	CHECK_STR(json_str(json_get(json_at(json_get(box.ports, "80/tcp"), 0), "HostPort")), "18080");
	CHECK(strstr(box.hosts, "172.17.0.2\tc1\n") && strstr(box.hosts, "172.17.0.1\thost.docker.internal\n"));
	CHECK_INT(connected(&h, "bridge"), 1);
	CHECK_ERR(netmgr_remove(h.m, "bridge"), "bridge is a pre-defined network and cannot be removed");
	netmgr_down(h.m, CTR_ID);
	netmgr_down(h.m, CTR_ID);
	CHECK_INT(connected(&h, "bridge"), 0);
	CHECK_STR(h.events, "connect bridge;disconnect bridge;");
	netmgr_sandbox_done(&box);
	end(&h);
}

static void the_next_daemon_goes_on(void)
{
	struct netmgr_sandbox box;
	struct house h;
	char **ids;

	begin(&h);
	CHECK_OK(create(&h, "{\"Name\":\"n1\"}"));
	bring_up(&h, &box, "18080");
	close_house(&h); /* as after kill -9: nothing is taken down */
	open_house(&h);
	ids = netmgr_sandboxes(h.m, h.a);
	CHECK(ids[0] && !ids[1]);
	CHECK_STR(ids[0], CTR_ID);
	CHECK_INT(connected(&h, "bridge"), 1);
	{ /* its address and port are still taken */
		struct ipaddr a;
		struct docker_network n = { 0 };
		struct network_port p = { .proto = IPPROTO_TCP, .host_port = 18080, .container_port = 1 };
		int *fds;

		CHECK_OK(netmgr_inspect(h.m, h.a, "bridge", NULL, &n));
		CHECK_OK(network_ipam_take(h.network, n.id, AF_INET, NULL, &a));
		CHECK_INT(a.b[3], 3);
		CHECK_ERR(network_publish(h.network, "other", &p, 1, &fds), "Bind for 0.0.0.0:18080 failed: port is already allocated");
	}
	netmgr_down(h.m, CTR_ID);
	netmgr_sandbox_done(&box);
	end(&h);
}

static void connect_and_disconnect(void)
{
	const struct docker_network_connect c1 = { .container = "c1" }, nobody = { .container = "x" };
	const struct docker_network_disconnect off = { .container = "c1" };
	struct netmgr_sandbox box;
	struct house h;

	begin(&h);
	CHECK_OK(create(&h, "{\"Name\":\"n1\"}"));
	CHECK_ERR(netmgr_connect(h.m, h.a, "nosuch", &nobody), "No such container: x");
	CHECK_ERR(netmgr_connect(h.m, h.a, "nosuch", &c1), "network nosuch not found");
	CHECK_ERR(netmgr_disconnect(h.m, h.a, "n1", &off), "container " CTR_ID " is not connected to the network n1");
	bring_up(&h, &box, "18080");
	CHECK_ERR(netmgr_disconnect(h.m, h.a, "n1", &off), "container " CTR_ID " is not connected to network n1");
	CHECK_OK(netmgr_connect(h.m, h.a, "n1", &c1));
	CHECK_ERR(netmgr_connect(h.m, h.a, "n1", &c1), "endpoint with name c1 already exists in network n1");
	CHECK_ERR(netmgr_connect(h.m, h.a, "host", &c1), "container cannot be disconnected from host network or connected to host network");
	CHECK_INT(connected(&h, "n1"), 1);
	CHECK_ERR(netmgr_remove(h.m, "n1"), "has active endpoints");
	CHECK_OK(netmgr_disconnect(h.m, h.a, "bridge", &off)); /* the way out moves to n1 */
	CHECK_OK(netmgr_disconnect(h.m, h.a, "n1", &off));
	CHECK_OK(netmgr_remove(h.m, "n1"));
	netmgr_down(h.m, CTR_ID);
	netmgr_sandbox_done(&box);
	end(&h);
}

/* Namespaces of its own; nothing of the machine changes. */
static void own_namespaces(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		skip(); /* not root */
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
}

CHECK_MAIN(TEST(own_namespaces), TEST(create_rows), TEST(a_container_comes_and_goes), TEST(the_next_daemon_goes_on), TEST(connect_and_disconnect))
