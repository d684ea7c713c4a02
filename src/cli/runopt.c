/* SPDX-License-Identifier: Apache-2.0 */
/* runopt.c: the options that run and create share, and the request they make. */
#include "cli/runopt.h"

#include <ctype.h>
#include <fcntl.h>
#include <strings.h>

#include "base/file.h"
#include "cli/client.h"
#include "cli/config.h"
#include "cli/mountspec.h"
#include "cli/portspec.h"
#include "cli/pull.h"
#include "cli/tty.h"
#include "cli/valuespec.h"
#include "spec/ref.h"

#define T struct runopt
const struct opt runopt_rows[] = {
	O_LIST(T, host.extra_hosts, "add-host", 0, .check = value_check_add_host, .help = "Line for the container's /etc/hosts (name:ip)"),
	O_LIST(T, annotations, "annotation", 0, .value_name = "map", .shown = "map[]", .help = "Annotation for the OCI runtime"),
	O_LIST(T, attach, "attach", 'a', .check = value_check_attach, .help = "Connect to STDIN, STDOUT or STDERR"),
	O_U16(T, host.blkio_weight, "blkio-weight", 0, .shown = "0", .help = "Share of block I/O, 10 to 1000; 0: not set"),
	O_LIST(T, weight_devices, "blkio-weight-device", 0, .check = value_check_weight_device, .shown = "[]", .help = "Share of block I/O of one device (path:weight)"),
	O_LIST(T, host.cap_add, "cap-add", 0, .help = "Give a capability"),
	O_LIST(T, host.cap_drop, "cap-drop", 0, .help = "Take a capability away"),
	O_STR(T, host.cgroup_parent, "cgroup-parent", 0, .help = "Control group above the container's own"),
	O_STR(T, host.cgroupns_mode, "cgroupns", 0, .help = "Control group namespace: 'host' or 'private'"),
	O_STR(T, cidfile, "cidfile", 0, .help = "Write the container's ID into this file"),
	O_I64(T, host.cpu_period, "cpu-period", 0, .help = "Period of the CPU quota in microseconds"),
	O_I64(T, host.cpu_quota, "cpu-quota", 0, .help = "CPU time in each period in microseconds"),
	O_I64(T, host.cpu_realtime_period, "cpu-rt-period", 0, .help = "Period of the real-time quota in microseconds"),
	O_I64(T, host.cpu_realtime_runtime, "cpu-rt-runtime", 0, .help = "Real-time CPU time in each period in microseconds"),
	O_I64(T, host.cpu_shares, "cpu-shares", 'c', .help = "Share of CPU time when it is scarce"),
	O_CALL(T, host.nano_cpus, "cpus", 0, .value_name = "decimal", .set = value_set_cpus, .help = "How many CPUs it may use"),
	O_STR(T, host.cpuset_cpus, "cpuset-cpus", 0, .help = "CPUs it may run on (0-3, 0,1)"),
	O_STR(T, host.cpuset_mems, "cpuset-mems", 0, .help = "Memory nodes it may use (0-3, 0,1)"),
	O_LIST(T, devices, "device", 0, .help = "Device of the host (host[:container[:rwm]])"),
	O_LIST(T, host.device_cgroup_rules, "device-cgroup-rule", 0, .check = value_check_device_rule, .help = "Rule for the allowed devices (c 42:* rmw)"),
	O_LIST(T, read_bps, "device-read-bps", 0, .check = value_check_bps_device, .shown = "[]", .help = "Bytes a second to read from a device"),
	O_LIST(T, read_iops, "device-read-iops", 0, .check = value_check_iops_device, .shown = "[]", .help = "Reads a second from a device"),
	O_LIST(T, write_bps, "device-write-bps", 0, .check = value_check_bps_device, .shown = "[]", .help = "Bytes a second to write to a device"),
	O_LIST(T, write_iops, "device-write-iops", 0, .check = value_check_iops_device, .shown = "[]", .help = "Writes a second to a device"),
	O_BOOL(T, trust, "disable-content-trust", 0, .def = "true", .check = value_check_no_trust, .help = "Skip image verification"),
	O_LIST(T, host.dns, "dns", 0, .check = value_check_ip, .help = "Name server"),
	O_LIST(T, host.dns_options, "dns-opt", 0, .flags = OPT_HIDDEN, .help = "Resolver option"),
	O_LIST(T, host.dns_options, "dns-option", 0, .help = "Resolver option"),
	O_LIST(T, host.dns_search, "dns-search", 0, .check = value_check_dns_search, .help = "Domain to search names in"),
	O_STR(T, config.domainname, "domainname", 0, .help = "NIS domain name"),
	O_STR(T, entrypoint, "entrypoint", 0, .help = "Program instead of the image's ENTRYPOINT"),
	O_LIST(T, env, "env", 'e', .check = value_check_env, .help = "Environment variable (K=V, or K to pass yours on)"),
	O_LIST(T, env_files, "env-file", 0, .help = "File with environment variables"),
	O_LIST(T, expose, "expose", 0, .help = "Port that the container serves, not published"),
	O_STR(T, gpus, "gpus", 0, .value_name = "gpu-request", .check = value_check_gpus, .help = "GPU devices ('all' for every one)"),
	O_LIST(T, host.group_add, "group-add", 0, .help = "Further group of the process"),
	O_STR(T, health_cmd, "health-cmd", 0, .help = "Command that checks health"),
	O_DURATION(T, health.interval, "health-interval", 0, .shown = "0s", .help = "Time between checks (ms|s|m|h)"),
	O_I64(T, health.retries, "health-retries", 0, .help = "Failures in a row that make it unhealthy"),
	O_DURATION(T, health.start_interval, "health-start-interval", 0, .shown = "0s", .help = "Time between checks while it starts (ms|s|m|h)"),
	O_DURATION(T, health.start_period, "health-start-period", 0, .shown = "0s", .help = "Time to start before failures count (ms|s|m|h)"),
	O_DURATION(T, health.timeout, "health-timeout", 0, .shown = "0s", .help = "Longest time of one check (ms|s|m|h)"),
	O_STR(T, config.hostname, "hostname", 'h', .help = "Host name"),
	O_BOOL(T, init, "init", 0, .help = "Run an init that passes on signals and reaps processes"),
	O_BOOL(T, config.open_stdin, "interactive", 'i', .help = "Keep STDIN open even when not attached"),
	O_STR(T, net.ip, "ip", 0, .help = "IPv4 address (172.30.100.104)"),
	O_STR(T, net.ip6, "ip6", 0, .help = "IPv6 address (2001:db8::33)"),
	O_STR(T, host.ipc_mode, "ipc", 0, .help = "IPC namespace"),
	O_STR(T, host.isolation, "isolation", 0, .help = "Isolation technology"),
	O_BYTES(T, kernel_memory, "kernel-memory", 0, .help = "Limit of kernel memory (no kernel has it any more)"),
	O_LIST(T, labels, "label", 'l', .check = value_check_label, .help = "Label (k=v)"),
	O_LIST(T, label_files, "label-file", 0, .help = "File with labels"),
	O_LIST(T, host.links, "link", 0, .check = value_check_link, .help = "Make another container known by name"),
	O_LIST(T, net.link_local_ips, "link-local-ip", 0, .check = value_check_ip, .help = "Link-local address"),
	O_STR(T, host.log_config.type, "log-driver", 0, .help = "Where the output is logged"),
	O_LIST(T, log_opts, "log-opt", 0, .help = "Option of the log driver"),
	O_STR(T, net.mac_address, "mac-address", 0, .help = "MAC address (92:d0:c6:0a:29:33)"),
	O_BYTES(T, host.memory, "memory", 'm', .help = "Limit of memory"),
	O_BYTES(T, host.memory_reservation, "memory-reservation", 0, .help = "Soft limit of memory"),
	O_CALL(T, host.memory_swap, "memory-swap", 0, .value_name = "bytes", .set = value_set_swap, .help = "Limit of memory and swap together; '-1': no limit of swap"),
	O_I64(T, swappiness, "memory-swappiness", 0, .def = "-1", .help = "How readily its memory is swapped (0 to 100)"),
	O_LIST(T, mounts, "mount", 0, .value_name = "mount", .check = mountspec_check, .help = "File system to mount (type=…,source=…,target=…)"),
	O_STR(T, name, "name", 0, .help = "Name of the container"),
	O_LIST(T, net.networks, "net", 0, .flags = OPT_HIDDEN, .value_name = "network", .check = netspec_check, .help = "Network to join"),
	O_LIST(T, net.aliases, "net-alias", 0, .flags = OPT_HIDDEN, .help = "Name in the network"),
	O_LIST(T, net.networks, "network", 0, .value_name = "network", .check = netspec_check, .help = "Network to join"),
	O_LIST(T, net.aliases, "network-alias", 0, .help = "Further name in the network"),
	O_BOOL(T, no_healthcheck, "no-healthcheck", 0, .help = "Ignore the image's HEALTHCHECK"),
	O_BOOL(T, oom_kill_disable, "oom-kill-disable", 0, .help = "Stop instead of killing when memory runs out"),
	O_I64(T, host.oom_score_adj, "oom-score-adj", 0, .help = "Preference of the host's OOM killer (-1000 to 1000)"),
	O_STR(T, host.pid_mode, "pid", 0, .help = "PID namespace"),
	O_CALL(T, host.pids_limit, "pids-limit", 0, .value_name = "int", .set = value_set_opt_i64, .help = "Limit of processes (-1: none)"),
	O_STR(T, platform, "platform", 0, .help = "Platform of the image, where there are several"),
	O_BOOL(T, host.privileged, "privileged", 0, .help = "All privileges: no isolation from the host's devices and kernel"),
	O_LIST(T, publish, "publish", 'p', .help = "Port of the host for one of the container ([ip:][host:]container[/proto])"),
	O_BOOL(T, host.publish_all_ports, "publish-all", 'P', .help = "Publish every exposed port on a free one"),
	O_STR(T, pull, "pull", 0, .def = "missing", .help = "When to pull the image (\"always\", \"missing\", \"never\")"),
	O_BOOL(T, quiet, "quiet", 'q', .help = "Do not show the progress of the pull"),
	O_BOOL(T, host.readonly_rootfs, "read-only", 0, .help = "Mount the root file system read-only"),
	O_STR(T, restart, "restart", 0, .def = "no", .help = "When to start it again after it ended"),
	O_BOOL(T, host.auto_remove, "rm", 0, .help = "Remove the container and its anonymous volumes when it ends"),
	O_STR(T, host.runtime, "runtime", 0, .help = "OCI runtime"),
	O_LIST(T, security_opts, "security-opt", 0, .help = "Security option"),
	O_BYTES(T, host.shm_size, "shm-size", 0, .help = "Size of /dev/shm"),
	O_STR(T, config.stop_signal, "stop-signal", 0, .help = "Signal that stops it"),
	O_I64(T, stop_timeout, "stop-timeout", 0, .help = "Seconds it may take to stop"),
	O_LIST(T, storage_opts, "storage-opt", 0, .help = "Option of the storage (size=10G: what it may write, by a project quota)"),
	O_LIST(T, sysctls, "sysctl", 0, .value_name = "map", .check = value_check_sysctl, .shown = "map[]", .help = "Kernel parameter of its namespaces"),
	O_LIST(T, tmpfs, "tmpfs", 0, .help = "Mount a tmpfs (path[:options])"),
	O_BOOL(T, config.tty, "tty", 't', .help = "Give it a terminal"),
	O_LIST(T, ulimits, "ulimit", 0, .value_name = "ulimit", .check = value_check_ulimit, .shown = "[]", .help = "Resource limit (name=soft[:hard])"),
	O_BOOL(T, api_socket, "use-api-socket", 0, .help = "Give it the API socket and the credentials"),
	O_STR(T, config.user, "user", 'u', .help = "User, and group, of the process (name|uid[:group|gid])"),
	O_STR(T, host.userns_mode, "userns", 0, .help = "User namespace"),
	O_STR(T, host.uts_mode, "uts", 0, .help = "UTS namespace"),
	O_LIST(T, volumes, "volume", 'v', .help = "Volume or directory of the host ([source:]path[:options])"),
	O_STR(T, host.volume_driver, "volume-driver", 0, .help = "Driver of its volumes"),
	O_LIST(T, host.volumes_from, "volumes-from", 0, .help = "Containers whose volumes it gets too"),
	O_STR(T, config.working_dir, "workdir", 'w', .help = "Working directory of the process"),
	O_END,
};
#undef T

bool runopt_attaches(const struct runopt *o, const char *stream)
{
	for (char **a = o->attach; a && *a; a++)
		if (str_eq_nocase(*a, stream))
			return true;
	return false;
}

/* Steps of the request. Each fills its part and refuses what docker's client refuses. */

static es_err *put_streams(struct cli *c, struct runopt *o)
{
	o->config.attach_stdin = runopt_attaches(o, "stdin");
	o->config.attach_stdout = runopt_attaches(o, "stdout");
	o->config.attach_stderr = runopt_attaches(o, "stderr");
	if (!o->attach) {
		o->config.attach_stdout = o->config.attach_stderr = true;
		o->config.attach_stdin = o->config.open_stdin;
	}
	o->config.stdin_once = o->config.open_stdin && o->config.attach_stdin;
	return NULL;
}

static es_err *put_command(struct cli *c, struct runopt *o)
{
	o->config.image = c->args[0];
	o->config.cmd = c->args[1] ? strv_arena_dup(c->arena, c->args + 1) : NULL;
	if (opt_seen(&c->given, "entrypoint"))
		o->config.entrypoint = strv_arena_add(c->arena, NULL, o->entrypoint);
	if (opt_seen(&c->given, "stop-timeout"))
		o->config.stop_timeout = (struct field_opt_i64){ true, o->stop_timeout };
	if (o->swappiness != -1 && (o->swappiness < 0 || o->swappiness > 100))
		return es_err_new(ES_E_INVALID, "invalid value: %lld. Valid memory swappiness range is 0-100", (long long)o->swappiness);
	o->host.memory_swappiness = (struct field_opt_i64){ true, o->swappiness };
	o->host.oom_kill_disable = (struct field_opt_bool){ true, o->oom_kill_disable };
	o->host.pids_limit.set = true;
	if (opt_seen(&c->given, "init"))
		o->host.init = (struct field_opt_bool){ true, o->init };
	return NULL;
}

static es_err *put_environment(struct cli *c, struct runopt *o)
{
	const char *host;
	char **env = NULL;

	for (size_t i = 0; i < strv_len(o->env_files); i++)
		ES_TRY(value_read_file(c->arena, o->env_files[i], true, &env));
	for (size_t i = 0; i < strv_len(o->env); i++)
		value_add_env(c->arena, o->env[i], &env);
	ES_TRY(client_host(c, &host));
	for (char **proxy = config_proxy_env(c, host); proxy && *proxy; proxy++) {
		es_autofree char *key = es_xstrndup(*proxy, strcspn(*proxy, "="));

		if (!strv_env_get(env, key))
			env = strv_arena_add(c->arena, env, *proxy);
	}
	o->config.env = env;
	return NULL;
}

static es_err *put_labels(struct cli *c, struct runopt *o)
{
	char **labels = NULL;

	for (size_t i = 0; i < strv_len(o->label_files); i++)
		ES_TRY(value_read_file(c->arena, o->label_files[i], false, &labels));
	for (size_t i = 0; i < strv_len(o->labels); i++)
		labels = strv_arena_add(c->arena, labels, o->labels[i]);
	o->config.labels = value_map(c->arena, labels);
	if (o->annotations)
		o->host.annotations = value_map(c->arena, o->annotations);
	return NULL;
}

static es_err *put_ports(struct cli *c, struct runopt *o)
{
	struct field_map *exposed = field_map_new(c->arena), *bindings = field_map_new(c->arena);

	for (size_t i = 0; i < strv_len(o->publish); i++)
		ES_TRY(portspec_publish(c->arena, o->publish[i], exposed, bindings));
	for (size_t i = 0; i < strv_len(o->expose); i++)
		ES_TRY(portspec_expose(c->arena, o->expose[i], exposed));
	o->config.exposed_ports = exposed->n ? exposed : NULL;
	o->host.port_bindings = bindings;
	return NULL;
}

static es_err *put_mounts(struct cli *c, struct runopt *o)
{
	struct field_map *volumes = field_map_new(c->arena);
	size_t n = strv_len(o->mounts);
	struct docker_mount *mounts = ARENA_ARRAY(c->arena, struct docker_mount, n + 1);

	for (size_t i = 0; i < strv_len(o->volumes); i++)
		ES_TRY(mountspec_volume(c->arena, o->volumes[i], &o->host.binds, volumes));
	o->config.volumes = volumes;
	for (size_t i = 0; i < n; i++)
		ES_TRY(mountspec_parse(c->arena, o->mounts[i], &mounts[i]));
	if (n)
		o->host.mounts = (struct field_list){ mounts, n, true };
	for (size_t i = 0; i < strv_len(o->tmpfs); i++) {
		size_t len = strcspn(o->tmpfs[i], ":");

		if (!o->host.tmpfs)
			o->host.tmpfs = field_map_new(c->arena);
		field_map_put(c->arena, o->host.tmpfs, arena_strndup(c->arena, o->tmpfs[i], len),
			      o->tmpfs[i][len] ? o->tmpfs[i] + len + 1 : o->tmpfs[i] + len);
	}
	return NULL;
}

/* "path:N" rows of the four --device-…-bps and -iops options. */
static es_err *put_throttle(struct cli *c, char *const *items, bool bytes, struct field_list *ret)
{
	struct docker_throttle_device *rows = ARENA_ARRAY(c->arena, struct docker_throttle_device, strv_len(items) + 1);

	for (size_t i = 0; i < strv_len(items); i++)
		ES_TRY(value_throttle_device(items[i], bytes, &rows[i], c->arena));
	*ret = (struct field_list){ rows, strv_len(items), true };
	return NULL;
}

static es_err *put_devices(struct cli *c, struct runopt *o)
{
	size_t n = strv_len(o->devices), n_weights = strv_len(o->weight_devices), n_limits = strv_len(o->ulimits);
	struct docker_device *devices = ARENA_ARRAY(c->arena, struct docker_device, n + 1);
	struct docker_weight_device *weights = ARENA_ARRAY(c->arena, struct docker_weight_device, n_weights + 1);
	struct docker_ulimit *limits = ARENA_ARRAY(c->arena, struct docker_ulimit, n_limits + 1);

	for (size_t i = 0; i < n; i++)
		ES_TRY(value_device(o->devices[i], &devices[i], c->arena));
	o->host.devices = (struct field_list){ devices, n, true };
	for (size_t i = 0; i < n_weights; i++)
		ES_TRY(value_weight_device(o->weight_devices[i], &weights[i], c->arena));
	o->host.blkio_weight_device = (struct field_list){ weights, n_weights, true };
	for (size_t i = 0; i < n_limits; i++)
		ES_TRY(value_ulimit(o->ulimits[i], &limits[i], c->arena));
	o->host.ulimits = (struct field_list){ limits, n_limits, true };
	ES_TRY(put_throttle(c, o->read_bps, true, &o->host.blkio_device_read_bps));
	ES_TRY(put_throttle(c, o->write_bps, true, &o->host.blkio_device_write_bps));
	ES_TRY(put_throttle(c, o->read_iops, false, &o->host.blkio_device_read_iops));
	ES_TRY(put_throttle(c, o->write_iops, false, &o->host.blkio_device_write_iops));
	if (!str_empty(o->gpus)) {
		struct docker_device_request *request = ARENA_NEW(c->arena, struct docker_device_request);

		ES_TRY(value_gpus(o->gpus, request, c->arena));
		o->host.device_requests = (struct field_list){ request, 1, true };
	}
	return NULL;
}

static es_err *put_namespaces(struct cli *c, struct runopt *o)
{
	static const char *const host_only[] = { "", "host", NULL }, *const cgroup[] = { "", "host", "private", NULL };
	struct docker_host_config *h = &o->host;

	if (!str_empty(h->pid_mode) && !str_eq(h->pid_mode, "host") && !(str_after(h->pid_mode, "container:") && h->pid_mode[10]))
		return es_err_new(ES_E_INVALID, "--pid: invalid PID mode");
	if (h->uts_mode && !strv_has((char *const *)host_only, h->uts_mode))
		return es_err_new(ES_E_INVALID, "--uts: invalid UTS mode");
	if (h->userns_mode && !strv_has((char *const *)host_only, h->userns_mode))
		return es_err_new(ES_E_INVALID, "--userns: invalid USER mode");
	if (h->cgroupns_mode && !strv_has((char *const *)cgroup, h->cgroupns_mode))
		return es_err_new(ES_E_INVALID, "--cgroupns: invalid CGROUP mode");
	return NULL;
}

static es_err *put_health(struct cli *c, struct runopt *o)
{
	struct docker_health_config *h = &o->health;
	bool timed = h->interval || h->timeout || h->start_period || h->start_interval || h->retries;

	if (o->no_healthcheck) {
		if (timed || !str_empty(o->health_cmd))
			return es_err_new(ES_E_CONFLICT, "--no-healthcheck conflicts with --health-* options");
		h->test = strv_arena_add(c->arena, NULL, "NONE");
		o->config.healthcheck = h;
		return NULL;
	}
	if (!str_empty(o->health_cmd))
		h->test = strv_arena_add(c->arena, strv_arena_add(c->arena, NULL, "CMD-SHELL"), o->health_cmd);
	if (h->interval < 0)
		return es_err_new(ES_E_INVALID, "--health-interval cannot be negative");
	if (h->timeout < 0)
		return es_err_new(ES_E_INVALID, "--health-timeout cannot be negative");
	if (h->retries < 0)
		return es_err_new(ES_E_INVALID, "--health-retries cannot be negative");
	if (h->start_period < 0)
		return es_err_new(ES_E_INVALID, "--health-start-period cannot be negative");
	if (timed || h->test)
		o->config.healthcheck = h;
	return NULL;
}

/* A seccomp profile travels as its JSON. */
static es_err *seccomp_option(struct cli *c, const char *value, const char **ret)
{
	es_autofree char *text = NULL;
	es_autobuf compact = ES_BUF(CLI_TEXT_MAX);
	struct json *doc;
	size_t len;
	es_err *err;

	if (str_eq(value, "unconfined") || str_eq(value, "builtin")) {
		*ret = arena_printf(c->arena, "seccomp=%s", value);
		return NULL;
	}
	err = file_read(AT_FDCWD, value, CLI_TEXT_MAX, &text, &len);
	ES_TRY(es_err_in(value_file_error(err, value), "opening seccomp profile (%s) failed", value));
	ES_TRY(es_err_in(json_parse(c->arena, text, len, &doc), "compacting json for seccomp profile (%s) failed", value));
	json_write(&compact, doc, JSON_W_NO_HTML_ESCAPE);
	*ret = arena_printf(c->arena, "seccomp=%s", es_buf_str(&compact));
	return NULL;
}

static es_err *put_security(struct cli *c, struct runopt *o)
{
	for (size_t i = 0; i < strv_len(o->security_opts); i++) {
		const char *text = o->security_opts[i], *value = strchr(text, '=');

		if (str_eq(text, "systempaths=unconfined")) {
			o->host.masked_paths = ARENA_NEW(c->arena, char *);
			o->host.readonly_paths = ARENA_NEW(c->arena, char *);
			continue;
		}
		if (!value && !str_eq(text, "no-new-privileges"))
			value = strchr(text, ':');
		if (!str_eq(text, "no-new-privileges") && (!value || !value[1]))
			return es_err_new(ES_E_INVALID, "Invalid --security-opt: \"%s\"", text);
		if (value && str_starts(text, "seccomp") && value - text == 7)
			ES_TRY(seccomp_option(c, value + 1, &text));
		o->host.security_opt = strv_arena_add(c->arena, o->host.security_opt, text);
	}
	return NULL;
}

static es_err *put_log(struct cli *c, struct runopt *o)
{
	if (str_eq(o->host.log_config.type, "none") && o->log_opts)
		return es_err_new(ES_E_INVALID, "invalid logging opts for driver none");
	o->host.log_config.config = value_map(c->arena, o->log_opts);
	if (o->storage_opts)
		o->host.storage_opt = value_map(c->arena, o->storage_opts);
	if (o->sysctls)
		o->host.sysctls = value_map(c->arena, o->sysctls);
	return NULL;
}

static es_err *put_restart(struct cli *c, struct runopt *o)
{
	ES_TRY(value_restart(o->restart, &o->host.restart_policy, c->arena));
	if (o->host.auto_remove && !str_empty(o->host.restart_policy.name) && !str_eq(o->host.restart_policy.name, "no"))
		return es_err_new(ES_E_CONFLICT, "conflicting options: cannot specify both --restart and --rm");
	return NULL;
}

/* "net_admin" as "CAP_NET_ADMIN", in place; ALL stays. */
static void spell_caps(char **caps)
{
	for (; caps && *caps; caps++) {
		bool whole = strncasecmp(*caps, "CAP_", 4) == 0 || strcasecmp(*caps, "ALL") == 0;
		char *full = es_xasprintf("%s%s", whole ? "" : "CAP_", *caps);

		for (char *p = full; *p; p++)
			*p = (char)toupper((unsigned char)*p);
		free(*caps);
		*caps = full;
	}
}

/* Only an API before 1.42 has this limit; nothing is dropped without a word. */
static void put_kernel_memory(struct cli *c, const struct runopt *o, struct json *host_config)
{
	if (!opt_seen(&c->given, "kernel-memory"))
		return;
	if (client_api_at_least(c, 42))
		cli_warn("WARNING: the kernel has no limit of its own memory any more: --kernel-memory is discarded");
	else
		json_set(c->arena, host_config, "KernelMemory", json_new_i64(c->arena, o->kernel_memory));
}

static es_err *put_rest(struct cli *c, struct runopt *o)
{
	unsigned rows, columns;
	struct json *size = json_new_array(c->arena);
	bool known = o->config.tty && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO);
	char ***caps[] = { &o->host.cap_add, &o->host.cap_drop };
	char ***never_null[] = { &o->host.dns, &o->host.dns_options, &o->host.dns_search };

	if (!known || !tty_size(&rows, &columns))
		rows = columns = 0;
	json_append(size, json_new_i64(c->arena, rows));
	json_append(size, json_new_i64(c->arena, columns));
	o->host.console_size = size;
	o->host.container_id_file = o->cidfile;
	for (size_t i = 0; i < ES_N(never_null); i++)
		if (!*never_null[i])
			*never_null[i] = es_xcalloc(1, sizeof(char *));
	for (size_t i = 0; i < ES_N(caps); i++)
		spell_caps(*caps[i]);
	if (o->api_socket)
		return es_err_new(ES_E_UNSUPPORTED, "--use-api-socket is not supported: bind-mount the socket instead");
	return NULL;
}

es_err *runopt_request(struct cli *c, struct runopt *o, struct json **ret)
{
	static es_err *(*const steps[])(struct cli *c, struct runopt *o) = {
		put_streams, put_command, put_mounts, put_ports,  put_devices, put_environment, put_labels,
		put_namespaces, put_restart, put_log, put_security, put_health, put_rest,
	};
	struct docker_networking_config networking = { 0 };
	struct json *body, *host_config;

	if (!str_empty(o->net.mac_address) && !value_is_mac(o->net.mac_address))
		return es_err_new(ES_E_INVALID, "%s is not a valid mac address", o->net.mac_address);
	for (size_t i = 0; i < ES_N(steps); i++)
		ES_TRY(steps[i](c, o));
	o->net.links = o->host.links;
	ES_TRY(netspec_config(c->arena, &o->net, &o->host.network_mode, &networking));
	body = field_encode(c->arena, docker_config_fields, &o->config);
	host_config = field_encode(c->arena, docker_host_config_fields, &o->host);
	put_kernel_memory(c, o, host_config);
	json_set(c->arena, body, "HostConfig", host_config);
	json_set(c->arena, body, "NetworkingConfig", field_encode(c->arena, docker_networking_config_fields, &networking));
	*ret = body;
	return NULL;
}

/* Creating. */

static es_err *open_cidfile(const char *path, int *ret_fd)
{
	*ret_fd = -1;
	if (!path)
		return NULL;
	if (access(path, F_OK) == 0)
		return es_err_new(ES_E_CONFLICT, "container ID file found, make sure the other container isn't running or delete %s", path);
	*ret_fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	return *ret_fd < 0 ? es_err_sys(errno, "create the container ID file") : NULL;
}

static es_err *post_create(struct cli *c, const struct runopt *o, const struct json *body, struct json **ret)
{
	es_autobuf query = QUERY;

	query_add(&query, "name", o->name);
	query_add(&query, "platform", o->platform);
	return client_call(c, "POST", "/containers/create", es_buf_str(&query), body, ret);
}

/* Does a pull help? A container or a network that is missing is another matter. */
static bool lacks_image(const es_err *err)
{
	return es_err_class(err) == ES_E_NOT_FOUND &&
	       (strstr(es_err_text(err), "No such image") || strstr(es_err_text(err), "does not match the specified platform"));
}

/* A name is read before the daemon is asked; ids it knows better. */
static es_err *check_image(struct cli *c, const char *image)
{
	struct ref ref;

	if (str_starts(image, "sha256:") || (strlen(image) == 64 && strspn(image, "0123456789abcdef") == 64))
		return NULL;
	return ref_parse(c->arena, image, &ref);
}

static es_err *create(struct cli *c, const struct runopt *o, const struct json *body, struct json **ret)
{
	const char *image = o->config.image;
	es_err *err;

	if (str_eq(o->pull, "always"))
		ES_TRY(pull_image(c, image, o->platform, o->quiet, STDERR_FILENO));
	err = post_create(c, o, body, ret);
	if (!err || !str_eq(o->pull, "missing") || !lacks_image(err))
		return err;
	es_err_free(err);
	if (!o->quiet)
		cli_warn("Unable to find image '%s' locally", pull_familiar(c, image));
	ES_TRY(pull_image(c, image, o->platform, o->quiet, STDERR_FILENO));
	return post_create(c, o, body, ret);
}

static const char *platform_of(const struct runopt *o)
{
	const char *env = getenv("DOCKER_DEFAULT_PLATFORM");

	return str_empty(o->platform) && !str_empty(env) ? env : o->platform;
}

es_err *runopt_create(struct cli *c, struct runopt *o, const struct json *body, const char **ret_id)
{
	static const char *const pulls[] = { "always", "missing", "never", NULL };
	es_autoclose int cidfile = -1;
	struct json *reply;
	es_err *err;

	o->platform = platform_of(o);
	if (!str_empty(o->platform))
		ES_TRY(es_err_in(value_check_platform(o->platform), "error parsing specified platform"));
	if (!strv_has((char *const *)pulls, o->pull))
		return es_err_new(ES_E_INVALID, "invalid pull option: '%s': must be one of \"always\", \"missing\" or \"never\"", o->pull);
	ES_TRY(check_image(c, o->config.image));
	ES_TRY(open_cidfile(o->cidfile, &cidfile));
	err = create(c, o, body, &reply);
	if (err && o->cidfile)
		unlink(o->cidfile);
	ES_TRY(err);
	JSON_EACH(warning, json_get(reply, "Warnings"))
		cli_warn("WARNING: %s", json_str(warning));
	*ret_id = json_str(json_get(reply, "Id"));
	if (!*ret_id)
		return es_err_new(ES_E_PROTOCOL, "the daemon created a container without an ID");
	return cidfile < 0 ? NULL : file_write_all(cidfile, *ret_id, strlen(*ret_id));
}
