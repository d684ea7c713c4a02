/* SPDX-License-Identifier: Apache-2.0 */
/* engine.h: the engine as a whole: its configuration, its parts, opening it over two roots and closing it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "codec/field.h"
#include "store/store.h"

struct engine;
struct netmgr;
struct volumes;
struct images;
struct image_net;

#define ENGINE_NOT_DURABLE "not-durable" /* in a data root that a tmpfs had to stand in for: why */
#define ENGINE_CGROUP "/estiba" /* containers live below it; it goes when the daemon leaves and nothing is in it */

/* From estibad's flags and daemon.json. Strings are borrowed for the life of the engine. NULL or 0: the default. */
struct engine_config {
	const char *data_root, *exec_root;
	char **labels;               /* key=value, shown by info */
	char **insecure_registries;  /* host[:port] or CIDR */
	char **registry_mirrors;     /* URLs, for docker.io */
	const char *bridge;          /* existing bridge for the default network; "none": no default network */
	const char *bip;             /* address of the default bridge, CIDR */
	int64_t mtu;                 /* bytes; 0: that of the default route */
	bool icc_off, ip_masq_off, ip_forward_off;
	char **dns, **dns_search, **dns_opts;
	const char *cgroup_parent;   /* NULL: ENGINE_CGROUP, or system.slice */
	bool systemd_cgroup;         /* control groups are scopes of systemd; cgroup_parent is a slice */
	const char *log_driver;      /* json-file */
	struct field_map *log_opts;
	int64_t default_shm_size;    /* bytes; 0: 64 MiB */
	char **default_ulimits;      /* name=soft[:hard] */
	const char *default_runtime; /* "estiba-run" */
	struct field_map *runtimes;  /* name → path of another OCI runtime */
	int64_t gc_interval_ns;      /* between two collections of garbage; 0: none but at prunes and removals */
	int64_t shutdown_timeout;    /* seconds */
	bool debug, experimental;
	bool no_new_privileges;
	const char *seccomp_profile; /* path, "unconfined", or NULL for the built-in one */
	const char *init_path;
	const char *crash_at;        /* store/crashpoint.h; NULL: none */
	char **tcp_hosts;            /* addresses that the API is reached at without encryption: HOST:PORT */
	enum store_form layer_form;  /* of new layers */
	const char *socket_desc;     /* for info and error texts: "unix:///run/estiba.sock" */
};

/* Opens store and network, adopts what is running (journals, monitors), applies restart policies if the machine was
 * booted since, and sweeps what the last boot left. CFG is borrowed. The caller holds the lock of both roots. */
es_err *engine_open(const struct engine_config *cfg, struct engine **ret) ES_CHECKED;
/* Take from FRESH (borrowed for the life of the engine, too) what may change while the engine runs, and tell of it: debug, labels, insecure
 * registries, mirrors, runtimes and the default one, the time for a shutdown. One thread at a time. */
void engine_reload(struct engine *e, const struct engine_config *fresh);
/* Containers go on. Long streams have been ended by the caller. */
void engine_close(struct engine *e);

const struct engine_config *engine_config(const struct engine *e);
struct netmgr *engine_netmgr(struct engine *e);
struct volumes *engine_volumes(struct engine *e);
const struct images *engine_images(struct engine *e); /* for the functions of image.h */
const struct image_net *engine_net(struct engine *e);       /* for the functions of image_net.h */
const char *engine_id(const struct engine *e); /* stable UUID of this data root */

/* True when a demand-started daemon must not leave: a container has a restart policy or runs, or work is under way. */
bool engine_is_busy(struct engine *e);
