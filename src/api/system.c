/* SPDX-License-Identifier: Apache-2.0 */
/* system.c: ping, version, info. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "api/api.h"
#include "api/reply.h"
#include "api/route.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/ctr.h"
#include "engine/events.h"
#include "catalog/image.h"
#include "spec/oci_image.h"

#define SMALL_FILE_MAX 65536

static es_err *ping(struct req *r)
{
	http_call_field(r->call, "Content-Type", "text/plain; charset=utf-8");
	http_call_field(r->call, "Cache-Control", "no-cache, no-store, must-revalidate");
	http_call_field(r->call, "Pragma", "no-cache");
	http_call_field(r->call, "Builder-Version", "1"); /* the builder behind POST /build */
	http_call_field(r->call, "Swarm", "inactive");
	return http_call_puts(r->call, "OK");
}

static struct json *engine_component(struct arena *a, const struct utsname *uts)
{
	struct json *c = json_new_object(a), *d = json_new_object(a);

	json_set_str(a, c, "Name", "Engine");
	json_set_str(a, c, "Version", ESTIBA_VERSION);
	json_set_str(a, d, "ApiVersion", API_VERSION);
	json_set_str(a, d, "Arch", oci_machine_arch());
	json_set_str(a, d, "BuildTime", "");
	json_set_str(a, d, "Experimental", "false");
	json_set_str(a, d, "GitCommit", "");
	json_set_str(a, d, "GoVersion", "");
	json_set_str(a, d, "KernelVersion", uts->release);
	json_set_str(a, d, "MinAPIVersion", API_VERSION_MIN);
	json_set_str(a, d, "Os", "linux");
	json_set(a, c, "Details", d);
	return c;
}

static es_err *version(struct req *r)
{
	struct arena *a = r->a;
	struct json *v = json_new_object(a), *platform = json_new_object(a), *components = json_new_array(a);
	struct utsname uts;

	(void)uname(&uts);
	json_set_str(a, platform, "Name", "estiba");
	json_set(a, v, "Platform", platform);
	json_append(components, engine_component(a, &uts));
	json_set(a, v, "Components", components);
	json_set_str(a, v, "Version", ESTIBA_VERSION);
	json_set_str(a, v, "ApiVersion", API_VERSION);
	json_set_str(a, v, "MinAPIVersion", API_VERSION_MIN);
	json_set_str(a, v, "GitCommit", "");
	json_set_str(a, v, "GoVersion", "");
	json_set_str(a, v, "Os", "linux");
	json_set_str(a, v, "Arch", oci_machine_arch());
	json_set_str(a, v, "KernelVersion", uts.release);
	json_set_str(a, v, "BuildTime", "");
	return reply_json(r, 200, v);
}

/* Value of NAME in an os-release file, without quotes; NULL when it is not there. */
static const char *os_release(struct arena *a, const char *name)
{
	static const char *const files[] = { "/etc/os-release", "/usr/lib/os-release" };
	es_autofree char *text = NULL;
	char *save = NULL;

	for (size_t i = 0; i < ES_N(files) && !text; i++)
		es_err_drop(file_read(AT_FDCWD, files[i], SMALL_FILE_MAX, &text, NULL));
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
		const char *v = str_after(line, name);
		size_t n;

		if (!v || *v++ != '=')
			continue;
		n = strlen(v);
		if (n >= 2 && (*v == '"' || *v == '\'') && v[n - 1] == *v)
			return arena_strndup(a, v + 1, n - 2);
		return arena_strdup(a, v);
	}
	return NULL;
}

static bool file_is_one(const char *path)
{
	es_autofree char *text = NULL;

	es_err_drop(file_read(AT_FDCWD, path, SMALL_FILE_MAX, &text, NULL));
	return text && *text == '1';
}

static int64_t count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int64_t n = -3; /* ".", ".." and the directory itself */

	if (!d)
		return 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static struct json *strings(struct arena *a, char *const *v)
{
	struct json *list = json_new_array(a);

	for (; v && *v; v++)
		json_append(list, json_new_str(a, *v));
	return list;
}

/* Which limits the kernel's cgroups offer. */
static void add_limits(struct req *r, struct json *o)
{
	bool v2 = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
	static const struct {
		const char *name, *v1, *v2; /* paths whose presence tells; V2 NULL: there is no such thing there */
	} rows[] = {
		{ "MemoryLimit", "memory/memory.limit_in_bytes", "memory" },
		{ "SwapLimit", "memory/memory.memsw.limit_in_bytes", "memory" },
		{ "CpuCfsPeriod", "cpu/cpu.cfs_period_us", "cpu" },
		{ "CpuCfsQuota", "cpu/cpu.cfs_quota_us", "cpu" },
		{ "CPUShares", "cpu/cpu.shares", "cpu" },
		{ "CPUSet", "cpuset/cpuset.cpus", "cpuset" },
		{ "PidsLimit", "pids", "pids" },
		{ "OomKillDisable", "memory/memory.oom_control", NULL },
		{ "KernelMemoryTCP", "memory/memory.kmem.tcp.limit_in_bytes", NULL },
	};
	es_autofree char *controllers = NULL;

	es_err_drop(file_read(AT_FDCWD, "/sys/fs/cgroup/cgroup.controllers", SMALL_FILE_MAX, &controllers, NULL));
	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autofree char *path = es_xasprintf("/sys/fs/cgroup/%s", rows[i].v1);
		bool has = v2 ? rows[i].v2 && controllers && strstr(controllers, rows[i].v2) : access(path, F_OK) == 0;

		json_set_bool(r->a, o, rows[i].name, has);
	}
	json_set_str(r->a, o, "CgroupDriver", engine_config(r->engine)->systemd_cgroup ? "systemd" : "cgroupfs");
	json_set_str(r->a, o, "CgroupVersion", v2 ? "2" : "1");
}

static void add_machine(struct req *r, struct json *o)
{
	struct arena *a = r->a;
	const char *pretty = os_release(a, "PRETTY_NAME"), *version_id = os_release(a, "VERSION_ID");
	struct sysinfo si = { 0 };
	struct utsname uts;

	(void)uname(&uts);
	(void)sysinfo(&si);
	json_set_str(a, o, "KernelVersion", uts.release);
	json_set_str(a, o, "OperatingSystem", pretty ? pretty : "Linux");
	json_set_str(a, o, "OSVersion", version_id ? version_id : "");
	json_set_str(a, o, "OSType", "linux");
	json_set_str(a, o, "Architecture", uts.machine);
	json_set_i64(a, o, "NCPU", sysconf(_SC_NPROCESSORS_ONLN));
	json_set_i64(a, o, "MemTotal", (int64_t)si.totalram * si.mem_unit);
	json_set_str(a, o, "Name", uts.nodename);
	json_set_bool(a, o, "IPv4Forwarding", file_is_one("/proc/sys/net/ipv4/ip_forward"));
	json_set_bool(a, o, "BridgeNfIptables", file_is_one("/proc/sys/net/bridge/bridge-nf-call-iptables"));
	json_set_bool(a, o, "BridgeNfIp6tables", file_is_one("/proc/sys/net/bridge/bridge-nf-call-ip6tables"));
}

static struct json *registry_config(struct req *r)
{
	const struct engine_config *cfg = engine_config(r->engine);
	struct arena *a = r->a;
	struct json *o = json_new_object(a), *index = json_new_object(a), *hub = json_new_object(a), *cidrs = json_new_array(a);

	for (char **v = cfg->insecure_registries; v && *v; v++)
		if (strchr(*v, '/'))
			json_append(cidrs, json_new_str(a, *v));
	json_append(cidrs, json_new_str(a, "127.0.0.0/8"));
	json_set(a, o, "InsecureRegistryCIDRs", cidrs);
	json_set_str(a, hub, "Name", "docker.io");
	json_set(a, hub, "Mirrors", strings(a, cfg->registry_mirrors));
	json_set_bool(a, hub, "Secure", true);
	json_set_bool(a, hub, "Official", true);
	json_set(a, index, "docker.io", hub);
	for (char **v = cfg->insecure_registries; v && *v; v++) {
		struct json *i = json_new_object(a);

		if (strchr(*v, '/'))
			continue;
		json_set_str(a, i, "Name", *v);
		json_set(a, i, "Mirrors", json_new_array(a));
		json_set_bool(a, i, "Secure", false);
		json_set_bool(a, i, "Official", false);
		json_set(a, index, *v, i);
	}
	json_set(a, o, "IndexConfigs", index);
	json_set(a, o, "Mirrors", strings(a, cfg->registry_mirrors));
	return o;
}

static struct json *warnings(struct req *r)
{
	const struct engine_config *cfg = engine_config(r->engine);
	struct json *list = json_new_array(r->a);
	const char *path = arena_printf(r->a, "%s/" ENGINE_NOT_DURABLE, cfg->data_root);
	es_autofree char *not_durable = NULL;
	es_autoerr es_err *err = file_read(AT_FDCWD, path, SMALL_FILE_MAX, &not_durable, NULL);

	for (char **at = cfg->tcp_hosts; at && *at; at++)
		json_append(list, json_new_str(r->a, arena_printf(r->a,
			"WARNING: API is accessible on http://%s without encryption.\n         Access to the remote API is equivalent to root access on "
			"the host.", *at)));
	if (!err)
		json_append(list, json_new_str(r->a, arena_printf(r->a, "WARNING: %s", not_durable)));
	return list->n ? list : json_new_null(r->a);
}

static struct json *swarm_inactive(struct arena *a)
{
	static const char *const empty[] = { "NodeID", "NodeAddr", "LocalNodeState", "Error" };
	struct json *o = json_new_object(a);

	for (size_t i = 0; i < ES_N(empty); i++)
		json_set_str(a, o, empty[i], i == 2 ? "inactive" : "");
	json_set_bool(a, o, "ControlAvailable", false);
	json_set(a, o, "RemoteManagers", json_new_null(a));
	return o;
}

static struct json *runtimes(struct req *r)
{
	const struct engine_config *cfg = engine_config(r->engine);
	struct json *o = json_new_object(r->a), *own = json_new_object(r->a);

	json_set_str(r->a, own, "path", "estiba-run");
	json_set(r->a, o, "runc", own);
	FIELD_MAP_EACH(e, cfg->runtimes) {
		struct json *one = json_new_object(r->a);

		json_set_str(r->a, one, "path", e->value);
		json_set(r->a, o, e->key, one);
	}
	return o;
}

static struct json *plugins(struct arena *a)
{
	static char *const volume[] = { (char *)"local", NULL };
	static char *const network[] = { (char *)"bridge", (char *)"host", (char *)"null", NULL };
	static char *const log[] = { (char *)"json-file", (char *)"local", NULL };
	struct json *o = json_new_object(a);

	json_set(a, o, "Volume", strings(a, volume));
	json_set(a, o, "Network", strings(a, network));
	json_set(a, o, "Authorization", json_new_null(a));
	json_set(a, o, "Log", strings(a, log));
	return o;
}

static struct json *commit(struct arena *a)
{
	struct json *o = json_new_object(a);

	json_set_str(a, o, "ID", "");
	json_set_str(a, o, "Expected", "");
	return o;
}

static void add_counts(struct req *r, struct json *o)
{
	struct ctr_counts n;

	ctr_count(r->engine, &n);
	json_set_i64(r->a, o, "Containers", (int64_t)n.all);
	json_set_i64(r->a, o, "ContainersRunning", (int64_t)n.running);
	json_set_i64(r->a, o, "ContainersPaused", (int64_t)n.paused);
	json_set_i64(r->a, o, "ContainersStopped", (int64_t)n.stopped);
}

static struct json *security_options(struct req *r)
{
	const struct engine_config *cfg = engine_config(r->engine);
	struct json *list = json_new_array(r->a);
	const char *profile = cfg->seccomp_profile ? cfg->seccomp_profile : "builtin";

	json_append(list, json_new_str(r->a, arena_printf(r->a, "name=seccomp,profile=%s", profile)));
	if (cfg->no_new_privileges)
		json_append(list, json_new_str(r->a, "name=no-new-privileges"));
	return list;
}

static es_err *info(struct req *r)
{
	const struct engine_config *cfg = engine_config(r->engine);
	struct arena *a = r->a;
	struct json *o = json_new_object(a);
	char now[CLOCK_TEXT_MAX];
	size_t images;

	json_set_str(a, o, "ID", engine_id(r->engine));
	add_counts(r, o);
	ES_TRY(image_count(engine_images(r->engine), &images));
	json_set_i64(a, o, "Images", (int64_t)images);
	json_set_str(a, o, "Driver", "overlay2");
	if (r->version < 125)
		json_set_str(a, o, "ExecutionDriver", "<not supported>");
	json_set(a, o, "DriverStatus", json_new_array(a));
	json_set_str(a, o, "DockerRootDir", cfg->data_root);
	json_set(a, o, "Plugins", plugins(a));
	add_limits(r, o);
	add_machine(r, o);
	json_set_bool(a, o, "Debug", cfg->debug);
	json_set_i64(a, o, "NFd", count_fds());
	json_set_i64(a, o, "NGoroutines", 0);
	json_set_str(a, o, "SystemTime", clock_rfc3339(clock_now_ns(), now));
	json_set_str(a, o, "LoggingDriver", cfg->log_driver ? cfg->log_driver : "json-file");
	json_set_i64(a, o, "NEventsListener", (int64_t)events_subscribers(r->engine));
	json_set_str(a, o, "IndexServerAddress", "https://index.docker.io/v1/");
	json_set(a, o, "RegistryConfig", registry_config(r));
	json_set(a, o, "GenericResources", json_new_null(a));
	for (size_t i = 0; i < 3; i++)
		json_set_str(a, o, (const char *const[]){ "HttpProxy", "HttpsProxy", "NoProxy" }[i], "");
	json_set(a, o, "Labels", strings(a, cfg->labels));
	json_set_bool(a, o, "ExperimentalBuild", cfg->experimental);
	json_set_str(a, o, "ServerVersion", ESTIBA_VERSION);
	json_set(a, o, "Runtimes", runtimes(r));
	json_set_str(a, o, "DefaultRuntime", cfg->default_runtime ? cfg->default_runtime : "runc");
	json_set(a, o, "Swarm", swarm_inactive(a));
	json_set_bool(a, o, "LiveRestoreEnabled", true); /* it cannot be otherwise */
	json_set_str(a, o, "Isolation", "");
	json_set_str(a, o, "InitBinary", cfg->init_path ? cfg->init_path : "");
	json_set(a, o, "ContainerdCommit", commit(a));
	json_set(a, o, "RuncCommit", commit(a));
	json_set(a, o, "InitCommit", commit(a));
	json_set(a, o, "SecurityOptions", security_options(r));
	json_set(a, o, "CDISpecDirs", json_new_array(a));
	json_set(a, o, "Warnings", warnings(r));
	return reply_json(r, 200, o);
}

const struct route routes_system[] = {
	{ "GET", "/_ping", 0, ping },
	{ "HEAD", "/_ping", 0, ping },
	{ "GET", "/version", 0, version },
	{ "GET", "/info", 0, info },
	{ 0 },
};
