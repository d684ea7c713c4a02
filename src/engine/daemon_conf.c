/* SPDX-License-Identifier: Apache-2.0 */
/* daemon_conf.c: options and configuration file of estibad. */
#include "engine/daemon_conf.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/json.h"

#define CONFIG_MAX (1u << 20) /* bytes of daemon.json */

static es_err *must_be_true(const char *text)
{
	return str_eq(text, "true") || str_eq(text, "1") ? NULL : es_err_new(ES_E_INVALID, "this cannot be switched off");
}

static es_err *check_log_format(const char *text)
{
	return str_eq(text, "text") || str_eq(text, "json") ? NULL : es_err_new(ES_E_INVALID, "expected text or json");
}

#define DRIVER "native.cgroupdriver="

static es_err *check_exec_opt(const char *text)
{
	const char *driver = str_after(text, DRIVER);

	if (!driver)
		return es_err_new(ES_E_INVALID, "only native.cgroupdriver is known");
	return str_eq(driver, "cgroupfs") || str_eq(driver, "systemd") ? NULL : es_err_new(ES_E_INVALID, "expected cgroupfs or systemd");
}

static es_err *check_layer_form(const char *text)
{
	enum store_form form;

	return store_form_parse(text, &form);
}

static es_err *check_log_level(const char *text)
{
	enum log_level level;

	return log_level_parse(text, &level);
}

#define T struct daemon_conf
const struct opt daemon_opts[] = {
	O_LIST(T, runtimes, "add-runtime", 0, .value_name = "runtime", .help = "Offer another OCI runtime (name=path)"),
	O_STR(T, bip, "bip", 0, .help = "Address of the default bridge, in CIDR notation"),
	O_STR(T, bridge, "bridge", 'b', .help = "Bridge for the default network; none: no default network"),
	O_STR(T, cgroup_parent, "cgroup-parent", 0, .help = "Control group below which containers live"),
	O_STR(T, config_file, "config-file", 0, .def = DAEMON_CONFIG_FILE, .help = "Configuration file"),
	O_STR(T, crash_at, "crash-at", 0, .flags = OPT_HIDDEN, .help = "Die at this crash point (tests)"),
	O_STR(T, data_root, "data-root", 0, .help = "Directory of everything that lasts (default \"" DAEMON_DATA_ROOT "\")"),
	O_BOOL(T, debug, "debug", 'D', .help = "Log what is done, not only what goes wrong"),
	O_STR(T, default_runtime, "default-runtime", 0, .help = "Runtime of containers that name none"),
	O_BYTES(T, default_shm_size, "default-shm-size", 0, .help = "Size of /dev/shm in containers that name none"),
	O_LIST(T, default_ulimits, "default-ulimit", 0, .value_name = "ulimit", .help = "Limits of containers that name none (name=soft:hard)"),
	O_LIST(T, dns, "dns", 0, .help = "Name servers of containers"),
	O_LIST(T, dns_opts, "dns-opt", 0, .help = "Resolver options of containers"),
	O_LIST(T, dns_search, "dns-search", 0, .help = "Search domains of containers"),
	O_LIST(T, exec_opts, "exec-opt", 0, .check = check_exec_opt, .help = "native.cgroupdriver=cgroupfs or systemd: who makes control groups"),
	O_STR(T, exec_root, "exec-root", 0, .help = "Directory of what lives until the next boot (default \"" DAEMON_EXEC_ROOT "\")"),
	O_BOOL(T, experimental, "experimental", 0, .help = "Switch on what may still change"),
	O_DURATION(T, gc_interval_ns, "gc-interval", 0, .def = "10m", .help = "Collect what no image and no container needs so often; 0s: only when something is removed"),
	O_STR(T, group, "group", 'G', .help = "Group that may use the socket (default \"estiba\" if it exists)"),
	O_BOOL(T, help, "help", 'h', .help = "Print this help"),
	O_LIST(T, hosts, "host", 'H', .help = "Socket to listen on: unix://, tcp://, fd:// (default \"" DAEMON_SOCKET "\")"),
	O_BOOL(T, icc, "icc", 0, .def = "true", .help = "Containers on the default bridge reach one another"),
	O_DURATION(T, idle_ns, "idle-timeout", 0, .def = "30s", .help = "When started on demand: leave after so long without work"),
	O_STR(T, init_path, "init-path", 0, .help = "Program used as init with --init"),
	O_LIST(T, insecure_registries, "insecure-registry", 0, .help = "Registry spoken to without TLS or without checking it"),
	O_BOOL(T, ip_forward, "ip-forward", 0, .def = "true", .help = "Switch IP forwarding on"),
	O_BOOL(T, ip_masq, "ip-masq", 0, .def = "true", .help = "Masquerade what leaves the default bridge"),
	O_BOOL(T, iptables, "iptables", 0, .def = "true", .check = must_be_true, .help = "Install packet filter rules; always"),
	O_LIST(T, labels, "label", 0, .help = "Key=value shown by info"),
	O_STR(T, layer_form, "layer-form", 0, .def = "auto", .check = check_layer_form,
	      .help = "How new layers are stored: auto, file, loop or directory"),
	O_BOOL(T, live_restore, "live-restore", 0, .def = "true", .check = must_be_true, .help = "Containers outlive the daemon; always"),
	O_STR(T, log_driver, "log-driver", 0, .def = "json-file", .help = "Log driver of containers that name none"),
	O_STR(T, log_format, "log-format", 0, .def = "text", .check = check_log_format, .help = "Format of the daemon's own log: text or json"),
	O_STR(T, log_level, "log-level", 'l', .def = "info", .check = check_log_level, .help = "debug, info, warn or error"),
	O_LIST(T, log_opts, "log-opt", 0, .help = "Options of the log driver (key=value)"),
	O_I64(T, mtu, "mtu", 0, .help = "MTU of containers; 0: that of the default route"),
	O_BOOL(T, no_new_privileges, "no-new-privileges", 0, .help = "Set no_new_privs in containers that do not say otherwise"),
	O_BOOL(T, on_demand, "on-demand", 0, .help = "Go to the background, free of the caller; return when the socket answers"),
	O_STR(T, pidfile, "pidfile", 'p', .help = "File with the daemon's process id (default: estibad.pid in the exec root)"),
	O_I64(T, ready_fd, "ready-fd", 0, .flags = OPT_HIDDEN, .help = "Descriptor that is told when the socket answers"),
	O_LIST(T, registry_mirrors, "registry-mirror", 0, .help = "Mirror of docker.io (URL)"),
	O_STR(T, seccomp_profile, "seccomp-profile", 0, .help = "Profile of containers that name none: a file, builtin or unconfined"),
	O_I64(T, shutdown_timeout, "shutdown-timeout", 0, .def = "15", .help = "Seconds that requests under way get when the daemon leaves"),
	O_BOOL(T, validate, "validate", 0, .help = "Check the configuration and leave"),
	O_BOOL(T, version, "version", 'v', .help = "Print the version and leave"),
	O_END,
};
#undef T

/* Options of dockerd that we do not have: refused with a sentence instead of "unknown flag". */
static const char *const not_here[] = {
	"allow-nondistributable-artifacts", "api-cors-header", "authorization-plugin", "cdi-spec-dir", "containerd",
	"containerd-namespace", "containerd-plugins-namespace", "cpu-rt-period", "cpu-rt-runtime", "cri-containerd",
	"default-address-pool", "default-cgroupns-mode", "default-gateway", "default-gateway-v6", "default-ipc-mode",
	"default-network-opt", "fixed-cidr", "fixed-cidr-v6", "host-gateway-ip", "http-proxy", "https-proxy",
	"init", "ip", "ip6tables", "ipv6", "max-concurrent-downloads", "max-concurrent-uploads", "max-download-attempts",
	"metrics-addr", "network-control-plane-mtu", "no-proxy", "node-generic-resource", "oom-score-adjust", "raw-logs",
	"rootless", "selinux-enabled", "storage-driver", "storage-opt", "swarm-default-advertise-addr", "tls", "tlscacert",
	"tlscert", "tlskey", "tlsverify", "userland-proxy", "userland-proxy-path", "userns-remap",
};

/* Directives that are spelled otherwise than their option. */
static const struct {
	const char *directive, *option;
} spellings[] = {
	{ "hosts", "host" },
	{ "labels", "label" },
	{ "log-opts", "log-opt" },
	{ "dns-opts", "dns-opt" },
	{ "registry-mirrors", "registry-mirror" },
	{ "insecure-registries", "insecure-registry" },
	{ "default-ulimits", "default-ulimit" },
	{ "runtimes", "add-runtime" },
	{ "exec-opts", "exec-opt" },
};

static const char *option_of(const char *directive)
{
	for (size_t i = 0; i < ES_N(spellings); i++)
		if (str_eq(spellings[i].directive, directive))
			return spellings[i].option;
	return directive;
}

static bool is_not_here(const char *name)
{
	for (size_t i = 0; i < ES_N(not_here); i++)
		if (str_eq(not_here[i], name))
			return true;
	return false;
}

static es_err *runtime_text(const struct json *v, const char **ret)
{
	JSON_EACH(at, v)
		if (!str_eq(at->key, "path"))
			return es_err_new(ES_E_INVALID, "%s is not supported", at->key);
	*ret = json_str(json_get(v, "path"));
	return *ret && **ret == '/' ? NULL : es_err_new(ES_E_INVALID, "path must be absolute");
}

/* One value of the file as a user would write it behind the option. KEY: its member name, for objects. */
static es_err *value_text(struct arena *a, const char *option, const struct json *v, const char **ret)
{
	if (v->type == JSON_STRING || v->type == JSON_NUMBER)
		*ret = v->text;
	else if (v->type == JSON_BOOL)
		*ret = v->boolean ? "true" : "false";
	else if (v->type == JSON_OBJECT && str_eq(option, "add-runtime"))
		return runtime_text(v, ret);
	else if (v->type == JSON_OBJECT && str_eq(option, "default-ulimit"))
		*ret = arena_printf(a, "%lld:%lld", (long long)json_i64(json_get(v, "Soft"), -1),
				    (long long)json_i64(json_get(v, "Hard"), -1));
	else
		*ret = NULL;
	return *ret ? NULL : es_err_new(ES_E_INVALID, "value of an unexpected kind");
}

static es_err *set_directive(struct daemon_conf *c, const char *option, const struct json *v)
{
	const char *text;

	if (v->type == JSON_ARRAY) {
		JSON_EACH(at, v) {
			ES_TRY(value_text(c->arena, option, at, &text));
			ES_TRY(opt_set(daemon_opts, c, option, text));
		}
		return NULL;
	}
	if (v->type == JSON_OBJECT) {
		JSON_EACH(at, v) {
			ES_TRY(value_text(c->arena, option, at, &text));
			ES_TRY(opt_set(daemon_opts, c, option, arena_printf(c->arena, "%s=%s", at->key, text)));
		}
		return NULL;
	}
	ES_TRY(value_text(c->arena, option, v, &text));
	return opt_set(daemon_opts, c, option, text);
}

es_err *daemon_conf_json(struct daemon_conf *c, const char *text, size_t len, const struct opt_result *seen)
{
	struct json *doc;

	ES_TRY(json_parse(c->arena, text, len, &doc));
	if (doc->type != JSON_OBJECT)
		return es_err_new(ES_E_INVALID, "expected an object");
	JSON_EACH(at, doc) {
		const char *option = option_of(at->key);
		es_err *err;

		if (seen && opt_seen(seen, option))
			return es_err_new(ES_E_INVALID,
					  "the following directives are specified both as a flag and in the configuration file: %s",
					  at->key);
		err = set_directive(c, option, at);
		if (err && es_err_class(err) == ES_E_NOT_FOUND) {
			es_err_drop(err);
			return es_err_new(ES_E_INVALID, "%s: %s",
					  is_not_here(option) ? "directives that estibad does not support" :
								"the following directives don't match any configuration option",
					  at->key);
		}
		ES_TRY(es_err_in(err, "%s", at->key));
	}
	return NULL;
}

static es_err *load_file(struct daemon_conf *c, const struct opt_result *seen)
{
	es_autofree char *text = NULL;
	size_t len;
	es_err *err = file_read(AT_FDCWD, c->config_file, CONFIG_MAX, &text, &len);

	if (err && es_err_class(err) == ES_E_NOT_FOUND && !opt_seen(seen, "config-file")) {
		es_err_drop(err);
		return NULL;
	}
	if (!err)
		err = daemon_conf_json(c, text, len, seen);
	return es_err_in(err, "unable to configure the daemon with file %s", c->config_file);
}

/* "--tls" and "-tls=1" of the unknown flag's error text. */
static es_err *explain_unknown(es_err *err)
{
	const char *name = err ? str_after(es_err_text(err), "unknown flag: --") : NULL;

	if (!name || !is_not_here(name))
		return err;
	err = es_err_in(err, "estibad does not have this option of dockerd");
	return err;
}

static struct field_map *pairs(struct arena *a, char **v)
{
	struct field_map *m = v ? field_map_new(a) : NULL;

	for (; v && *v; v++) {
		const char *eq = strchr(*v, '=');

		field_map_put(a, m, arena_strndup(a, *v, eq ? (size_t)(eq - *v) : strlen(*v)), arena_strdup(a, eq ? eq + 1 : ""));
	}
	return m;
}

/* Roots and socket of a user without privileges lie in its own directories. */
static void default_roots(struct daemon_conf *c)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	bool own = geteuid() != 0 && runtime;

	c->default_data_root = !c->data_root;
	if (!c->data_root && own)
		c->data_root = data ? arena_printf(c->arena, "%s/estiba", data) :
				      arena_printf(c->arena, "%s/.local/share/estiba", home ? home : "");
	if (!c->data_root)
		c->data_root = DAEMON_DATA_ROOT;
	if (!c->exec_root)
		c->exec_root = own ? arena_printf(c->arena, "%s/estiba", runtime) : DAEMON_EXEC_ROOT;
	if (!c->pidfile)
		c->pidfile = arena_printf(c->arena, "%s/estibad.pid", c->exec_root);
	if (!c->hosts && !getenv("LISTEN_FDS")) {
		es_autofree char *host = own ? es_xasprintf("unix://%s/estiba.sock", runtime) : es_xstrdup(DAEMON_SOCKET);

		strv_add(&c->hosts, host);
	}
}

static char **tcp_hosts(struct arena *a, char **hosts)
{
	char **found = NULL;

	for (; hosts && *hosts; hosts++)
		if (str_starts(*hosts, "tcp://"))
			found = strv_arena_add(a, found, *hosts + strlen("tcp://"));
	return found;
}

static enum store_form layer_form(const struct daemon_conf *c)
{
	enum store_form form = STORE_FORM_AUTO;

	es_err_drop(store_form_parse(c->layer_form, &form)); /* checked when it was read */
	return form;
}

static void fill_engine(struct daemon_conf *c)
{
	c->engine = (struct engine_config){
		.data_root = c->data_root,
		.exec_root = c->exec_root,
		.labels = c->labels,
		.insecure_registries = c->insecure_registries,
		.registry_mirrors = c->registry_mirrors,
		.bridge = c->bridge,
		.bip = c->bip,
		.mtu = c->mtu,
		.icc_off = !c->icc,
		.ip_masq_off = !c->ip_masq,
		.ip_forward_off = !c->ip_forward,
		.dns = c->dns,
		.dns_search = c->dns_search,
		.dns_opts = c->dns_opts,
		.cgroup_parent = c->cgroup_parent,
		.systemd_cgroup = strv_has(c->exec_opts, DRIVER "systemd"),
		.log_driver = c->log_driver,
		.log_opts = pairs(c->arena, c->log_opts),
		.default_shm_size = c->default_shm_size,
		.default_ulimits = c->default_ulimits,
		.default_runtime = c->default_runtime,
		.runtimes = pairs(c->arena, c->runtimes),
		.gc_interval_ns = c->gc_interval_ns,
		.shutdown_timeout = c->shutdown_timeout,
		.debug = c->debug,
		.experimental = c->experimental,
		.no_new_privileges = c->no_new_privileges,
		.seccomp_profile = str_eq(c->seccomp_profile, "builtin") ? NULL : c->seccomp_profile,
		.init_path = c->init_path,
		.crash_at = c->crash_at,
		.tcp_hosts = tcp_hosts(c->arena, c->hosts),
		.layer_form = layer_form(c),
		.socket_desc = c->hosts ? c->hosts[0] : "fd://",
	};
}

/* A daemon started on demand leaves the caller's directory. */
static es_err *check_absolute(const struct daemon_conf *c)
{
	const char *const paths[] = { c->data_root, c->exec_root, c->pidfile, c->config_file };

	for (size_t i = 0; i < ES_N(paths) && c->on_demand; i++)
		if (*paths[i] != '/')
			return es_err_new(ES_E_INVALID, "with --on-demand paths must be absolute: %s", paths[i]);
	return NULL;
}

es_err *daemon_conf_load(struct daemon_conf *c, char *const *argv)
{
	struct opt_result seen = { 0 };
	es_err *err;

	*c = (struct daemon_conf){ .arena = arena_new() };
	err = explain_unknown(opt_parse(daemon_opts, c, OPT_INTERSPERSED, argv, &seen));
	if (!err && seen.n_args)
		err = es_err_new(ES_E_INVALID, "estibad takes no arguments: %s", seen.args[0]);
	if (!err && !c->help && !c->version)
		err = load_file(c, &seen);
	opt_result_done(&seen);
	if (err)
		return err;
	default_roots(c);
	fill_engine(c);
	return check_absolute(c);
}

void daemon_conf_done(struct daemon_conf *c)
{
	opt_values_done(daemon_opts, c);
	arena_free(ES_TAKE(c->arena));
}
