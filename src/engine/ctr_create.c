/* SPDX-License-Identifier: Apache-2.0 */
/* ctr_create.c: POST /containers/create: what the client asks for and what the image says become one record. */
#include <sched.h>
#include <stdio.h>
#include <sys/sysinfo.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/signame.h"
#include "base/str.h"
#include "engine/ctr_priv.h"
#include "engine/events.h"
#include "catalog/netmgr.h"
#include "spec/platform.h"
#include "store/crashpoint.h"
#include "store/lease.h"
#include "store/snapshot.h"
#include "sys/cgroup.h"

#define MEMORY_MIN ((int64_t)6 << 20) /* docker's: below it nothing starts */
#define SHM_SIZE ((int64_t)64 << 20)

/* ---- names ---- */

/* Two words make a name that can be said aloud; cargo on one side, what it is like on the other. */
static const char *const adjectives[] = {
	"able",	 "agile", "amber", "balmy", "bold",   "brave", "brisk", "calm",	 "clever", "cosy",   "deft",   "eager",
	"early", "fair",  "fleet", "fond",  "frank",  "glad",  "grand", "happy", "hardy",  "jolly",  "keen",   "kind",
	"light", "lucid", "lucky", "merry", "mighty", "neat",  "noble", "plucky", "polite", "prompt", "proud", "quick",
	"quiet", "ready", "sharp", "smart", "snug",   "sober", "solid", "spry",	 "steady", "sunny",  "swift",  "trusty",
	"upbeat", "vivid", "warm", "wise",  "witty",  "zesty",
};
static const char *const nouns[] = {
	"anchor", "ballast", "barge", "barrel", "beacon", "bosun",  "bowline", "brig",	 "bulwark", "buoy",   "capstan", "cargo",
	"clipper", "cutter", "davit", "deck",	"dinghy", "dory",   "fender",  "ferry",	 "galleon", "galley", "gangway", "halyard",
	"hatch",  "hawser",  "helm",  "hull",	"jetty",  "kedge",  "keel",    "ketch",	 "lantern", "locker", "mast",	 "mooring",
	"pallet", "pilot",   "pulley", "quay",	"rigging", "rudder", "sail",   "schooner", "sextant", "sloop", "spar",	 "stevedore",
	"stowage", "tackle", "tiller", "trawler", "tug",  "winch",  "windlass", "yawl",
};

char *ctr_random_name(struct engine *e)
{
	for (unsigned try = 0;; try++) {
		uint32_t r[3];
		char *name;
		struct ctr *c;
		es_err *err;

		rand_bytes(r, sizeof r);
		name = es_xasprintf("%s_%s", adjectives[r[0] % ES_N(adjectives)], nouns[r[1] % ES_N(nouns)]);
		if (try) {
			char *more = es_xasprintf("%s%u", name, r[2] % 1000);

			free(name);
			name = more;
		}
		err = ctr_find(e, name, &c);
		if (err) { /* nobody has it */
			es_err_free(err);
			return name;
		}
		ctr_unref(c);
		free(name);
	}
}

es_err *ctr_name_check(const char *name)
{
	const char *p = *name == '/' ? name + 1 : name;
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	if (strlen(p) < 2 || !strchr(first, *p) || strspn(p, rest) != strlen(p))
		return es_err_new(ES_E_INVALID, "Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name);
	return NULL;
}

/* ---- merging the image's config ---- */

static struct field_map *merge_maps(struct arena *a, struct field_map *mine, const struct field_map *images)
{
	if (images && images->n && !mine)
		mine = field_map_new(a);
	FIELD_MAP_EACH(at, images)
		if (!field_map_has(mine, at->key))
			field_map_put(a, mine, at->key, at->value);
	return mine;
}

/* The container's variables, then those of the image that it does not name. "NAME" alone (no "=") takes one away. */
static char **merge_env(struct arena *a, char **mine, char **images)
{
	char **out = ARENA_ARRAY(a, char *, strv_len(mine) + strv_len(images) + 1);
	size_t n = 0;

	for (size_t k = 0; mine && mine[k]; k++)
		out[n++] = mine[k];
	for (size_t i = 0; images && images[i]; i++) {
		size_t len = strcspn(images[i], "=");
		bool mine_too = false;

		for (size_t k = 0; mine && mine[k]; k++)
			mine_too |= strcspn(mine[k], "=") == len && strncmp(mine[k], images[i], len) == 0;
		if (!mine_too)
			out[n++] = images[i];
	}
	return out;
}

static void merge_health(struct arena *a, struct docker_config *c, struct docker_health_config *images)
{
	struct docker_health_config *h = c->healthcheck;

	if (!images)
		return;
	if (!h) {
		c->healthcheck = ARENA_NEW(a, struct docker_health_config);
		*c->healthcheck = *images;
		return;
	}
	if (strv_len(h->test) == 0)
		h->test = images->test;
	h->interval = h->interval ? h->interval : images->interval;
	h->timeout = h->timeout ? h->timeout : images->timeout;
	h->start_period = h->start_period ? h->start_period : images->start_period;
	h->start_interval = h->start_interval ? h->start_interval : images->start_interval;
	h->retries = h->retries ? h->retries : images->retries;
}

void ctr_config_merge(struct arena *a, struct docker_config *c, const struct docker_config *i)
{
	/* An entrypoint of the client's takes the image's CMD away; [""] takes the image's entrypoint away. */
	if (strv_len(c->entrypoint) == 0) {
		if (strv_len(c->cmd) == 0) {
			c->cmd = i->cmd;
			c->args_escaped = i->args_escaped;
		}
		if (!c->entrypoint)
			c->entrypoint = i->entrypoint;
	} else if (str_eq(c->entrypoint[0], "") && !c->entrypoint[1]) {
		c->entrypoint = NULL;
	}
	if (str_empty(c->user))
		c->user = i->user;
	if (str_empty(c->working_dir))
		c->working_dir = i->working_dir;
	if (str_empty(c->stop_signal))
		c->stop_signal = i->stop_signal;
	c->env = merge_env(a, c->env, i->env);
	c->exposed_ports = merge_maps(a, c->exposed_ports, i->exposed_ports);
	c->volumes = merge_maps(a, c->volumes && c->volumes->n ? c->volumes : NULL, i->volumes);
	c->labels = merge_maps(a, c->labels, i->labels);
	merge_health(a, c, i->healthcheck);
}

/* ---- checks, in docker's words ---- */

static es_err *check_restart(const struct docker_host_config *hc)
{
	static const char *const known[] = { "", "no", "always", "on-failure", "unless-stopped" };
	const char *name = hc->restart_policy.name ? hc->restart_policy.name : "";
	int64_t count = hc->restart_policy.maximum_retry_count;
	size_t i = 0;

	while (i < ES_N(known) && strcmp(known[i], name) != 0)
		i++;
	if (i == ES_N(known))
		return es_err_new(ES_E_INVALID,
				  "invalid restart policy: unknown policy '%s'; use one of 'no', 'always', 'on-failure', or "
				  "'unless-stopped'", name);
	if (count < 0)
		return es_err_new(ES_E_INVALID, "invalid restart policy: maximum retry count cannot be negative");
	if (count && strcmp(name, "on-failure") != 0)
		return es_err_new(ES_E_INVALID,
				  "invalid restart policy: maximum retry count can only be used with 'on-failure'");
	if (hc->auto_remove && *name && strcmp(name, "no") != 0)
		return es_err_new(ES_E_INVALID, "can't create 'AutoRemove' container with restart policy");
	return NULL;
}

static es_err *check_memory(const struct docker_host_config *hc)
{
	if (hc->memory && hc->memory < MEMORY_MIN)
		return es_err_new(ES_E_INVALID, "Minimum memory limit allowed is 6MB");
	if (hc->memory > 0 && hc->memory_swap > 0 && hc->memory_swap < hc->memory)
		return es_err_new(ES_E_INVALID,
				  "Minimum memoryswap limit should be larger than memory limit, see usage");
	if (hc->memory == 0 && hc->memory_swap > 0)
		return es_err_new(ES_E_INVALID,
				  "You should always set the Memory limit when using Memoryswap limit, see usage");
	if (hc->memory_reservation && hc->memory_reservation < MEMORY_MIN)
		return es_err_new(ES_E_INVALID, "Minimum memory reservation allowed is 6MB");
	if (hc->memory > 0 && hc->memory_reservation > hc->memory)
		return es_err_new(ES_E_INVALID,
				  "Minimum memory limit can not be less than memory reservation limit, see usage");
	if (hc->memory_swappiness.set && hc->memory_swappiness.v != -1 &&
	    (hc->memory_swappiness.v < 0 || hc->memory_swappiness.v > 100))
		return es_err_new(ES_E_INVALID, "invalid value: %lld, valid memory swappiness range is 0-100",
				  (long long)hc->memory_swappiness.v);
	return NULL;
}

/* "0-2,5" must be a subset of what the machine has online. */
static es_err *check_cpuset(const char *text)
{
	es_autostrv parts = str_empty(text) ? NULL : strv_split(text, ',');
	int online = get_nprocs();

	for (size_t i = 0; parts && parts[i]; i++) {
		int from, to, used = 0;

		if (sscanf(parts[i], "%d-%d%n", &from, &to, &used) != 2 || parts[i][used]) {
			used = 0;
			if (sscanf(parts[i], "%d%n", &from, &used) != 1 || parts[i][used])
				return es_err_new(ES_E_INVALID, "Invalid value %s for cpuset cpus", text);
			to = from;
		}
		if (from < 0 || to < from)
			return es_err_new(ES_E_INVALID, "Invalid value %s for cpuset cpus", text);
		if (to >= online)
			return es_err_new(ES_E_INVALID, "Requested CPUs are not available - requested %s, available: 0-%d",
					  text, online - 1);
	}
	return NULL;
}

static es_err *check_cpu(const struct docker_host_config *hc)
{
	int cpus = get_nprocs();

	if (hc->nano_cpus > 0 && (hc->cpu_period > 0 || hc->cpu_quota > 0))
		return es_err_new(ES_E_INVALID, "Conflicting options: Nano CPUs and CPU %s cannot both be set",
				  hc->cpu_period > 0 ? "Period" : "Quota");
	if (hc->nano_cpus < 0 || hc->nano_cpus > (int64_t)cpus * 1000000000)
		return es_err_new(ES_E_INVALID, "Range of CPUs is from 0.01 to %d.00, as there are only %d CPUs available", cpus,
				  cpus);
	if (hc->cpu_period && (hc->cpu_period < 1000 || hc->cpu_period > 1000000))
		return es_err_new(ES_E_INVALID,
				  "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
	if (hc->cpu_quota > 0 && hc->cpu_quota < 1000)
		return es_err_new(ES_E_INVALID, "CPU cfs quota can not be less than 1ms (i.e. 1000)");
	if (hc->cpu_shares < 0)
		return es_err_new(ES_E_INVALID, "invalid CPU shares (%lld): value must be a positive integer",
				  (long long)hc->cpu_shares);
	if (hc->oom_score_adj < -1000 || hc->oom_score_adj > 1000)
		return es_err_new(ES_E_INVALID, "Invalid value %lld, range for oom score adj is [-1000, 1000]",
				  (long long)hc->oom_score_adj);
	if (hc->blkio_weight && (hc->blkio_weight < 10 || hc->blkio_weight > 1000))
		return es_err_new(ES_E_INVALID, "Range of blkio weight is from 10 to 1000");
	return check_cpuset(hc->cpuset_cpus);
}

/* The options of json-file that change nothing here pass only with the value that asks for nothing. */
static es_err *check_log_opt(const char *key, const char *value)
{
	static const struct {
		const char *key, *none;
	} unsupported[] = { { "compress", "false" }, { "labels", "" },  { "labels-regex", "" }, { "env", "" },
			    { "env-regex", "" },     { "tag", "" },     { "mode", "blocking" }, { "max-buffer-size", "" } };

	for (size_t i = 0; i < ES_N(unsupported); i++)
		if (strcmp(key, unsupported[i].key) == 0 && !str_empty(value) && strcmp(value, unsupported[i].none) != 0)
			return es_err_new(ES_E_INVALID, "log opt '%s=%s' is not supported by the json-file log driver here", key,
					  value);
	return NULL;
}

static es_err *check_log(const struct docker_log_config *log)
{
	static const char *const json_opts[] = { "max-file", "max-size", "compress", "labels", "labels-regex", "env",
						 "env-regex", "tag", "mode", "max-buffer-size" };

	if (strcmp(log->type, "none") == 0)
		return NULL;
	if (strcmp(log->type, "json-file") != 0)
		return es_err_new(ES_E_INVALID, "error looking up logging plugin %s: plugin \"%s\" not found", log->type,
				  log->type);
	FIELD_MAP_EACH(at, log->config) {
		size_t i = 0;

		while (i < ES_N(json_opts) && strcmp(json_opts[i], at->key) != 0)
			i++;
		if (i == ES_N(json_opts))
			return es_err_new(ES_E_INVALID, "unknown log opt '%s' for json-file log driver", at->key);
		ES_TRY(check_log_opt(at->key, at->value));
	}
	return NULL;
}

static es_err *check_health(const struct docker_health_config *h)
{
	const struct {
		int64_t ns;
		const char *name;
	} times[] = { { h->interval, "Interval" },
		      { h->timeout, "Timeout" },
		      { h->start_period, "StartPeriod" },
		      { h->start_interval, "StartInterval" } };

	for (size_t i = 0; i < ES_N(times); i++)
		if (times[i].ns != 0 && times[i].ns < CLOCK_NS_PER_MS)
			return es_err_new(ES_E_INVALID, "%s in Healthcheck cannot be less than 1ms", times[i].name);
	if (h->retries < 0)
		return es_err_new(ES_E_INVALID, "Retries in Healthcheck cannot be negative");
	return NULL;
}

/* API < 1.42 had a limit of the kernel's memory; no kernel of today has it, and docker says so (after its own check). */
static es_err *check_kernel_memory(struct arena *a, const struct json *body, unsigned api, char ***warnings)
{
	int64_t bytes = api < 142 ? json_i64(json_get(json_get(body, "HostConfig"), "KernelMemory"), 0) : 0;

	if (bytes <= 0)
		return NULL;
	if (bytes < MEMORY_MIN)
		return es_err_new(ES_E_INVALID, "Minimum kernel memory limit allowed is 6MB");
	*warnings = strv_arena_add(a, *warnings,
				   "Your kernel does not support kernel memory limit capabilities or the cgroup is not mounted. Limitation discarded.");
	return NULL;
}

/* What docker has and we do not (yet) is refused by name, never ignored. */
static es_err *check_unsupported(const struct docker_host_config *hc)
{
	const struct {
		bool asked;
		const char *what;
	} rows[] = {
		{ !str_empty(hc->userns_mode) && strcmp(hc->userns_mode, "host") != 0, "UsernsMode" },
		{ hc->cpu_realtime_period || hc->cpu_realtime_runtime, "realtime CPU limits" },
		{ hc->cpu_count || hc->cpu_percent || hc->io_maximum_iops || hc->io_maximum_bandwidth,
		  "CpuCount, CpuPercent, IOMaximumIOps, IOMaximumBandwidth (Windows only)" },
		{ !str_empty(hc->volume_driver) && strcmp(hc->volume_driver, "local") != 0, "VolumeDriver" },
		{ !str_empty(hc->cgroup), "Cgroup" },
	};

	if (!str_empty(hc->isolation) && strcmp(hc->isolation, "default") != 0)
		return es_err_new(ES_E_INVALID, "Invalid isolation: \"%s\" - linux only supports 'default'", hc->isolation);
	for (size_t i = 0; i < ES_N(rows); i++)
		if (rows[i].asked)
			return es_err_new(ES_E_INVALID, "%s is not supported by this engine", rows[i].what);
	return NULL;
}

/* The one option there is, "size": docker's words for others. *RET 0: no limit. */
static es_err *storage_limit(const struct docker_host_config *hc, uint64_t *ret)
{
	const struct field_map *m = hc->storage_opt;
	int64_t bytes;

	*ret = 0;
	for (size_t i = 0; m && i < m->n; i++) {
		const char *text = m->entries[i].value;

		if (strcasecmp(m->entries[i].key, "size") != 0)
			return es_err_new(ES_E_INVALID, "Unknown option %s", m->entries[i].key);
		ES_TRY(es_err_in(str_to_bytes(text ? text : "", &bytes), "storage option size"));
		if (bytes < 0)
			return es_err_new(ES_E_INVALID, "storage option size can not be less than 0");
		*ret = (uint64_t)bytes;
	}
	return NULL;
}

static es_err *check_namespaces(struct engine *e, const struct docker_host_config *hc)
{
	const struct {
		const char *value, *what, *simple[4];
	} rows[] = {
		{ hc->ipc_mode, "IPC", { "none", "private", "shareable", "host" } },
		{ hc->pid_mode, "PID", { "host", "", "", "" } },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		const char *v = rows[i].value, *other;
		struct ctr *c;
		bool known = str_empty(v);

		for (size_t k = 0; k < 4 && !known; k++)
			known = strcmp(v, rows[i].simple[k]) == 0;
		if (known)
			continue;
		other = str_after(v, "container:");
		if (!other)
			return es_err_new(ES_E_INVALID, "invalid %s mode: %s", rows[i].what, v);
		ES_TRY(ctr_find(e, other, &c));
		ctr_unref(c);
	}
	if (!str_empty(hc->uts_mode) && strcmp(hc->uts_mode, "host") != 0)
		return es_err_new(ES_E_INVALID, "invalid UTS mode: %s", hc->uts_mode);
	if (!str_empty(hc->cgroupns_mode) && strcmp(hc->cgroupns_mode, "host") != 0 && strcmp(hc->cgroupns_mode, "private") != 0)
		return es_err_new(ES_E_INVALID, "invalid cgroup namespace mode: %s", hc->cgroupns_mode);
	return NULL;
}

static es_err *check_runtime(struct engine *e, const char *name)
{
	static const char *const ours[] = { "runc", "estiba-run", "io.containerd.runc.v2" };

	for (size_t i = 0; i < ES_N(ours); i++)
		if (strcmp(ours[i], name) == 0)
			return NULL;
	if (field_map_has(e->cfg->runtimes, name))
		return NULL;
	return es_err_new(ES_E_INVALID, "unknown or invalid runtime name: %s", name);
}

es_err *ctr_host_config_check(const struct docker_host_config *hc)
{
	ES_TRY(check_restart(hc));
	ES_TRY(check_memory(hc));
	return check_cpu(hc);
}

/* What cgroup v2 does not have is left out, with docker's warnings; the runtime would refuse it by name. */
static void discard_v1_only(struct engine *e, struct arena *a, struct docker_host_config *hc, char ***warnings)
{
	if (e->cgroups.mode != CGROUP_V2)
		return;
	if (hc->memory_swappiness.set)
		*warnings = strv_arena_add(a, *warnings,
					   "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory "
					   "swappiness discarded.");
	if (hc->oom_kill_disable.set && hc->oom_kill_disable.v)
		*warnings = strv_arena_add(a, *warnings, "Your kernel does not support OomKillDisable. OomKillDisable discarded.");
	hc->memory_swappiness.set = hc->oom_kill_disable.set = false;
}

static es_err *check_all(struct engine *e, const struct docker_config *c, const struct docker_host_config *hc)
{
	uint64_t limit;
	int signal;

	if (!str_empty(c->stop_signal))
		ES_TRY(signame_parse(c->stop_signal, &signal));
	if (!str_empty(c->working_dir) && c->working_dir[0] != '/')
		return es_err_new(ES_E_INVALID, "the working directory '%s' is invalid, it needs to be an absolute path",
				  c->working_dir);
	if (c->healthcheck)
		ES_TRY(check_health(c->healthcheck));
	ES_TRY(ctr_check_request(c, hc));
	if (hc->shm_size < 0)
		return es_err_new(ES_E_INVALID, "SHM size can not be less than 0");
	ES_TRY(ctr_host_config_check(hc));
	ES_TRY(check_log(&hc->log_config));
	ES_TRY(check_unsupported(hc));
	ES_TRY(storage_limit(hc, &limit));
	ES_TRY(check_namespaces(e, hc));
	ES_TRY(ctr_check_cgroup_parent(e->cfg, hc->cgroup_parent));
	ES_TRY(ctr_security_check(hc));
	return check_runtime(e, hc->runtime);
}

/* ---- defaults ---- */

static const char *const masked[] = { "/proc/asound",	   "/proc/acpi",	  "/proc/kcore",     "/proc/keys",
				      "/proc/latency_stats", "/proc/timer_list",  "/proc/timer_stats", "/proc/sched_debug",
				      "/proc/scsi",	   "/sys/firmware",	  "/sys/devices/virtual/powercap", NULL };
static const char *const readonly[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL };

static char **paths(struct arena *a, const char *const *list)
{
	char **v = NULL;

	for (; *list; list++)
		v = strv_arena_add(a, v, *list);
	return v;
}

/* Labels of SELinux would keep a container from what it is let into here; docker notes that in the record. */
static void disable_labels(struct arena *a, struct docker_host_config *hc)
{
	if (!hc->privileged && !str_eq(hc->ipc_mode, "host") && !str_eq(hc->pid_mode, "host"))
		return;
	for (char **at = hc->security_opt; at && *at; at++)
		if (str_starts(*at, "label"))
			return;
	hc->security_opt = strv_arena_add(a, hc->security_opt, "label=disable");
}

static struct json *no_console(struct arena *a)
{
	struct json *size = json_new_array(a);

	json_append(size, json_new_i64(a, 0));
	json_append(size, json_new_i64(a, 0));
	return size;
}

void ctr_fill_defaults(struct engine *e, struct arena *a, struct docker_host_config *hc)
{
	if (str_empty(hc->network_mode) || strcmp(hc->network_mode, "default") == 0)
		hc->network_mode = "bridge";
	if (str_empty(hc->ipc_mode))
		hc->ipc_mode = "private";
	if (str_empty(hc->cgroupns_mode))
		hc->cgroupns_mode = e->cgroups.mode == CGROUP_V2 ? "private" : "host"; /* as docker: privileged containers, too */
	if (hc->shm_size == 0)
		hc->shm_size = e->cfg->default_shm_size ? e->cfg->default_shm_size : SHM_SIZE;
	if (str_empty(hc->log_config.type)) {
		hc->log_config.type = e->cfg->log_driver ? e->cfg->log_driver : "json-file";
		hc->log_config.config = merge_maps(a, hc->log_config.config, e->cfg->log_opts);
	}
	if (str_empty(hc->restart_policy.name))
		hc->restart_policy.name = "no";
	if (str_empty(hc->runtime))
		hc->runtime = e->cfg->default_runtime ? e->cfg->default_runtime : "runc";
	if (str_empty(hc->cgroup_parent))
		hc->cgroup_parent = e->cfg->cgroup_parent ? e->cfg->cgroup_parent : "";
	if (hc->memory > 0 && hc->memory_swap == 0)
		hc->memory_swap = 2 * hc->memory;
	if (hc->memory_swappiness.set && hc->memory_swappiness.v == -1)
		hc->memory_swappiness.set = false;
	if (hc->pids_limit.set && hc->pids_limit.v <= 0)
		hc->pids_limit.set = false;
	if (!json_is(hc->console_size, JSON_ARRAY))
		hc->console_size = no_console(a);
	disable_labels(a, hc);
	if (!hc->oom_kill_disable.set)
		hc->oom_kill_disable = (struct field_opt_bool){ .set = e->cgroups.mode != CGROUP_V2 };
	if (!hc->masked_paths && !hc->privileged)
		hc->masked_paths = paths(a, masked);
	if (!hc->readonly_paths && !hc->privileged)
		hc->readonly_paths = paths(a, readonly);
}

static es_err *split_command(struct arena *a, struct ctr_record *rec)
{
	char **entry = rec->config->entrypoint, **cmd = rec->config->cmd;
	size_t n = 0, total = strv_len(entry) + strv_len(cmd);
	char **all = ARENA_ARRAY(a, char *, total + 1);

	for (; entry && *entry; entry++)
		all[n++] = *entry;
	for (; cmd && *cmd; cmd++)
		all[n++] = *cmd;
	if (n == 0)
		return es_err_new(ES_E_INVALID, "no command specified");
	rec->path = all[0];
	rec->args = all + 1;
	return NULL;
}

static const char *short_id(struct arena *a, const char *id)
{
	return arena_strndup(a, id, 12);
}

/* ---- create ---- */

/* The record from the request; everything in A. */
static es_err *make_record(struct engine *e, struct arena *a, const char *name, const char *platform, unsigned api, struct json *body,
			   struct ctr_record *rec)
{
	struct docker_create_request *req = ARENA_NEW(a, struct docker_create_request);
	const struct images *im = engine_images(e);
	struct image image;
	char id[65];

	ES_TRY(es_err_in(docker_create_request_decode(a, body, req), "invalid JSON"));
	rec->config = &req->config;
	rec->host_config = req->host_config;
	if (str_empty(req->config.image))
		return es_err_new(ES_E_INVALID, "No image specified"); /* 26.1: an empty config is caught by the API */
	ES_TRY(image_get(im, a, req->config.image, &image));
	ES_TRY(ctr_check_platform(a, platform, req->config.image, &image.config));
	ctr_config_merge(a, rec->config, &image.config.config);
	ctr_fill_defaults(e, a, rec->host_config);
	ES_TRY(check_all(e, rec->config, rec->host_config));
	rand_hex(id, 64);
	rec->version = CTR_RECORD_VERSION;
	rec->id = arena_strdup(a, id);
	rec->name = arena_strdup(a, *name == '/' ? name + 1 : name);
	rec->created = clock_now_ns();
	rec->image_id = image.id;
	rec->image_name = rec->config->image;
	rec->layers = image.layers;
	ES_TRY(split_command(a, rec));
	if (strcmp(rec->host_config->network_mode, "host") == 0 || str_eq(rec->host_config->uts_mode, "host")) {
		char host[256];

		if (str_empty(rec->config->hostname) && gethostname(host, sizeof host) == 0)
			rec->config->hostname = arena_strdup(a, host);
	}
	if (str_empty(rec->config->hostname))
		rec->config->hostname = short_id(a, rec->id);
	ES_TRY(netmgr_endpoints(e->nets, a, rec->host_config, rec->config, req->networking_config, api, &rec->endpoints));
	return NULL;
}

static es_err *make_dirs(struct ctr *c)
{
	struct snapshot_spec snap = {
		.kind = SNAPSHOT_CONTAINER, .id = c->id, .stack = c->rec->layers, .class = c->class,
		.is_volatile = c->class == RECORD_RUN,
	};
	es_autofree char *dir = ctr_dir(c);

	ES_TRY(storage_limit(c->rec->host_config, &snap.limit));
	ES_TRY(snapshot_prepare(c->e->store, &snap));
	return file_mkdir_p(store_root_fd(c->e->store), dir, 0710);
}

static void undo(struct ctr *c)
{
	es_autofree char *dir = ctr_dir(c);

	ctr_take_out(c->e, c);
	es_err_drop(snapshot_remove(c->e->store, SNAPSHOT_CONTAINER, c->id));
	es_err_drop(store_discard(c->e->store, dir));
	ctr_mounts_undo(c->e, c->id, &c->rec->mounts);
}

/* The record again, in an arena of its own: the request's dies with the request. */
static es_err *copy_record(struct arena *a, const struct ctr_record *rec, struct ctr_record **ret)
{
	es_autobuf text = ES_BUF(CTR_RECORD_MAX);
	char *copy;

	field_encode_text(&text, ctr_record_fields, rec);
	ES_TRY(es_err_in(es_buf_check(&text), "container configuration"));
	copy = arena_strndup(a, text.p, text.len);
	*ret = ARENA_NEW(a, struct ctr_record);
	return field_decode_text(a, ctr_record_fields, copy, text.len, *ret);
}

static es_err *create(struct engine *e, struct arena *reply_arena, const char *name, const char *platform, unsigned api,
		      struct json *body, struct docker_create_reply *ret)
{
	struct ctr_record made = { 0 }, *rec;
	es_autoarena *a = arena_new();
	es_autoctr *c = NULL;
	char **warnings = NULL;
	es_err *err;

	ES_TRY(check_kernel_memory(reply_arena, body, api, &warnings));
	ES_TRY(make_record(e, reply_arena, name, platform, api, body, &made));
	discard_v1_only(e, reply_arena, made.host_config, &warnings);
	ES_TRY(copy_record(a, &made, &rec));
	c = ctr_new(e, ES_TAKE(a), rec);
	es_autolease *lease = lease_new(e->store); /* a check of the store leaves the directories alone until the record is there */
	ES_TRY(ctr_insert(e, c));
	err = ctr_mounts_resolve(e, c->arena, c->id, rec->config, rec->host_config, &rec->mounts);
	crash_point(e->store, CRASH_CREATE_VOLUMES);
	if (!err)
		err = make_dirs(c);
	crash_point(e->store, CRASH_CREATE_DIRS);
	if (!err)
		err = ctr_save_new(c);
	crash_point(e->store, CRASH_CREATE_SAVED);
	if (err) {
		undo(c);
		return err;
	}
	ctr_event(c, "create", NULL);
	if (rec->host_config->auto_remove) /* nobody makes one of these to keep it */
		ctr_prepare_later(c);
	ret->id = arena_strdup(reply_arena, c->id);
	ret->warnings = warnings;
	return NULL;
}

es_err *ctr_create(struct engine *e, struct arena *a, const char *name, const char *platform, unsigned api,
		   struct json *body, struct docker_create_reply *ret)
{
	es_autofree char *random = NULL;
	struct oci_platform parsed;

	if (!str_empty(platform)) /* before the image is looked for */
		ES_TRY(platform_parse(a, platform, &parsed));
	if (!str_empty(name))
		ES_TRY(ctr_name_check(name));
	if (json_is(body, JSON_OBJECT) && body->n == 0)
		return es_err_new(ES_E_INVALID, "config cannot be empty in order to create a container");
	if (str_empty(name))
		name = random = ctr_random_name(e);
	return create(e, a, name, platform, api, body, ret);
}
