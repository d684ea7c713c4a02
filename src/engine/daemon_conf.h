/* SPDX-License-Identifier: Apache-2.0 */
/* daemon_conf.h: estibad's options and daemon.json, which are dockerd's. */
#pragma once

#include "base/opt.h"
#include "engine/engine.h"

#define DAEMON_DATA_ROOT "/var/lib/estiba"
#define DAEMON_EXEC_ROOT "/run/estiba"
#define DAEMON_SOCKET "unix:///run/estiba.sock"
#define DAEMON_CONFIG_FILE "/etc/estiba/daemon.json"

/* What was asked for. Option table and JSON share the members: a directive of the file is the option of that name. */
struct daemon_conf {
	const char *config_file, *data_root, *exec_root, *pidfile, *group, *log_level, *log_format;
	char **hosts; /* unix://, tcp://, fd:// */
	bool debug, version, help, validate, experimental, on_demand;
	bool default_data_root; /* nobody named one */
	int64_t ready_fd; /* of an on-demand daemon that has left its caller already; 0: it has not */
	int64_t gc_interval_ns;
	int64_t idle_ns;  /* a daemon started on demand leaves after so long without work */

	const char *bridge, *bip, *cgroup_parent, *log_driver, *default_runtime, *seccomp_profile, *init_path, *crash_at, *layer_form;
	char **labels, **insecure_registries, **registry_mirrors, **dns, **dns_search, **dns_opts, **log_opts, **default_ulimits, **runtimes, **exec_opts;
	int64_t mtu, default_shm_size, shutdown_timeout;
	bool icc, ip_masq, ip_forward, iptables, live_restore, no_new_privileges;

	struct arena *arena; /* strings of the file, and what is derived */
	struct engine_config engine;
};

/* Defaults, then ARGV (without the program's name), then the file; then C->engine is filled. Options that dockerd has and we do
 * not are refused by name. Errors: ES_E_INVALID, ES_E_NOT_FOUND (a named file that is not there). C is to be
 * released in any case, and lives as long as the engine. */
es_err *daemon_conf_load(struct daemon_conf *c, char *const *argv) ES_CHECKED;
void daemon_conf_done(struct daemon_conf *c);
/* Apply one daemon.json TEXT on top of C; directives that SEEN (may be NULL) has as flags are a conflict, in docker's words. */
es_err *daemon_conf_json(struct daemon_conf *c, const char *text, size_t len, const struct opt_result *seen) ES_CHECKED;
/* The option table, for help, completion and the manual. */
extern const struct opt daemon_opts[];
