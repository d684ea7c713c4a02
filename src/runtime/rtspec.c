/* SPDX-License-Identifier: Apache-2.0 */
/* rtspec.c: a config.json to begin from, the features document, and update's options as resources. */
#include "runtime/rtspec.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/file.h"
#include "base/str.h"
#include "runtime/rtmount.h"
#include "runtime/rtscope.h"
#include "spec/ocicheck.h"
#include "sys/caps.h"
#include "sys/cgroup.h"
#include "sys/ns.h"
#include "sys/seccomp.h"

static const char spec_text[] =
	"{\"ociVersion\":\"" OCI_RUNTIME_VERSION "\",\"process\":{\"terminal\":true,\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"sh\"],"
	"\"env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\"TERM=xterm\"],\"cwd\":\"/\","
	"\"capabilities\":{\"bounding\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
	"\"effective\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
	"\"permitted\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"]},"
	"\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":1024,\"soft\":1024}],\"noNewPrivileges\":true},"
	"\"root\":{\"path\":\"rootfs\",\"readonly\":true},\"hostname\":\"estiba\",\"mounts\":["
	"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},"
	"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":[\"nosuid\",\"noexec\",\"newinstance\","
	"\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"]},"
	"{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\",\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\","
	"\"size=65536k\"]},"
	"{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\",\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
	"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\",\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]},"
	"{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\",\"options\":[\"nosuid\",\"noexec\",\"nodev\","
	"\"relatime\",\"ro\"]}],"
	"\"linux\":{\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]},"
	"\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"}],"
	"\"maskedPaths\":[\"/proc/acpi\",\"/proc/asound\",\"/proc/interrupts\",\"/proc/kcore\",\"/proc/keys\",\"/proc/latency_stats\","
	"\"/proc/timer_list\",\"/proc/timer_stats\",\"/proc/sched_debug\",\"/proc/scsi\",\"/sys/firmware\","
	"\"/sys/devices/virtual/powercap\"],"
	"\"readonlyPaths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\",\"/proc/sysrq-trigger\"]}}";

static struct json *words(struct arena *a, const char *const *list)
{
	struct json *v = json_new_array(a);

	for (; *list; list++)
		json_append(v, json_new_str(a, *list));
	return v;
}

static struct json *typed(struct arena *a, const char *type)
{
	struct json *v = json_new_object(a);

	json_set_str(a, v, "type", type);
	return v;
}

/* As runc: where the groups are of version 2 a container sees its own as the root. */
static void add_cgroup_ns(struct arena *a, struct json *doc)
{
	struct cgroup_host host = { 0 };
	es_autoerr es_err *err = cgroup_host_load(&host);

	if (!err && host.mode == CGROUP_V2)
		json_append(json_get(json_get(doc, "linux"), "namespaces"), typed(a, "cgroup"));
	cgroup_host_done(&host);
}

static struct json *own_map(struct arena *a, uint32_t id)
{
	struct json *list = json_new_array(a), *v = json_new_object(a);

	json_set_i64(a, v, "containerID", 0);
	json_set_i64(a, v, "hostID", id);
	json_set_i64(a, v, "size", 1);
	json_append(list, v);
	return list;
}

/* Everything but NAME, by the member KEY (NULL: the words themselves). */
static struct json *without(struct arena *a, const struct json *list, const char *key, const char *name)
{
	struct json *out = json_new_array(a);

	JSON_EACH(v, list)
		if (!str_eq(json_str(key ? json_get(v, key) : v), name))
			json_append(out, json_copy(a, v));
	return out;
}

/* What one user alone can have: his own id as root, the host's network and with it the host's sysfs, no limits. */
static void make_rootless(struct arena *a, struct json *doc)
{
	static const char *const sys_options[] = { "rbind", "nosuid", "noexec", "nodev", "ro", NULL };
	struct json *l = json_get(doc, "linux"), *mounts = json_get(doc, "mounts");

	json_remove(l, "resources");
	json_set(a, l, "uidMappings", own_map(a, geteuid()));
	json_set(a, l, "gidMappings", own_map(a, getegid()));
	json_set(a, l, "namespaces", without(a, json_get(l, "namespaces"), "type", "network"));
	json_append(json_get(l, "namespaces"), typed(a, "user"));
	JSON_EACH(m, mounts) {
		if (json_get(m, "options"))
			json_set(a, m, "options", without(a, json_get(m, "options"), NULL, "gid=5"));
		if (!str_eq(json_str(json_get(m, "destination")), "/sys"))
			continue;
		json_set_str(a, m, "type", "none");
		json_set_str(a, m, "source", "/sys");
		json_set(a, m, "options", words(a, sys_options));
	}
}

es_err *rtspec_write(const char *dir, bool rootless)
{
	es_autoarena *a = arena_new();
	es_autobuf b = ES_BUF(1u << 20);
	es_autoclose int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	struct json *doc;

	if (at < 0)
		return es_err_sys(errno, "open %s", dir);
	ES_TRY(json_parse(a, spec_text, sizeof spec_text - 1, &doc));
	add_cgroup_ns(a, doc);
	if (rootless)
		make_rootless(a, doc);
	json_write_indent(&b, doc, "", "\t", 0);
	ES_TRY(es_buf_check(&b));
	fd = openat(at, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 && errno == EEXIST)
		return es_err_new(ES_E_CONFLICT, "file config.json exists. Remove it first");
	if (fd < 0)
		return es_err_sys(errno, "make config.json");
	return file_write_all(fd, b.p, b.len);
}

static struct json *switched(struct arena *a, const char *key, bool on)
{
	struct json *v = json_new_object(a);

	json_set_bool(a, v, key, on);
	return v;
}

static struct json *cgroup_features(struct arena *a)
{
	struct json *v = json_new_object(a);
	static const char *const always[] = { "v1", "v2", "rdma" }, *const with_helper[] = { "systemd", "systemdUser" };

	for (size_t i = 0; i < ES_N(always); i++)
		json_set_bool(a, v, always[i], true);
	for (size_t i = 0; i < ES_N(with_helper); i++)
		json_set_bool(a, v, with_helper[i], rtscope_is_built());
	return v;
}

static struct json *seccomp_features(struct arena *a)
{
	struct json *v = switched(a, "enabled", true), *works = json_new_array(a);

	for (const char *const *f = ocicheck_seccomp_flags; *f; f++) {
		unsigned bit = 0;

		es_err_drop(seccomp_flag(*f, &bit));
		if (seccomp_flag_works(bit))
			json_append(works, json_new_str(a, *f));
	}
	json_set(a, v, "actions", words(a, ocicheck_seccomp_actions));
	json_set(a, v, "operators", words(a, ocicheck_seccomp_operators));
	json_set(a, v, "archs", words(a, ocicheck_seccomp_arches));
	json_set(a, v, "knownFlags", words(a, ocicheck_seccomp_flags));
	json_set(a, v, "supportedFlags", works);
	return v;
}

static struct json *memory_features(struct arena *a)
{
	struct json *v = json_new_object(a);

	json_set(a, v, "modes", words(a, ocicheck_memory_modes));
	json_set(a, v, "flags", words(a, ocicheck_memory_flags));
	return v;
}

struct json *rtspec_features(struct arena *a)
{
	static const char *const hooks[] = { "prestart", "createRuntime", "createContainer", "startContainer", "poststart",
					     "poststop", NULL };
	struct json *v = json_new_object(a), *l = json_new_object(a), *list = json_new_array(a);

	json_set_str(a, v, "ociVersionMin", "1.0.0");
	json_set_str(a, v, "ociVersionMax", OCI_RUNTIME_VERSION_MAX);
	json_set(a, v, "hooks", words(a, hooks));
	for (size_t i = 0; rtmount_option_name(i); i++)
		json_append(list, json_new_str(a, rtmount_option_name(i)));
	json_set(a, v, "mountOptions", list);
	list = json_new_array(a);
	for (size_t i = 0; i < NS_N; i++)
		json_append(list, json_new_str(a, ns_rows[i].name));
	json_set(a, l, "namespaces", list);
	list = json_new_array(a);
	for (unsigned i = 0; i <= CAPS_LAST; i++)
		json_append(list, json_new_str(a, caps_name(i)));
	json_set(a, l, "capabilities", list);
	json_set(a, l, "cgroup", cgroup_features(a));
	json_set(a, l, "seccomp", seccomp_features(a));
	json_set(a, l, "apparmor", switched(a, "enabled", true));
	json_set(a, l, "selinux", switched(a, "enabled", true));
	json_set(a, l, "memoryPolicy", memory_features(a));
	json_set(a, l, "intelRdt", switched(a, "enabled", true));
	json_set_bool(a, json_get(l, "intelRdt"), "schemata", true);
	json_set_bool(a, json_get(l, "intelRdt"), "monitoring", true);
	json_set(a, l, "netDevices", switched(a, "enabled", true));
	json_set(a, l, "mountExtensions", json_new_object(a));
	json_set(a, json_get(l, "mountExtensions"), "idmap", switched(a, "enabled", true));
	json_set(a, v, "linux", l);
	json_set(a, v, "annotations", json_new_object(a));
	return v;
}

static es_err *read_resources(struct arena *a, const char *path, struct oci_resources *r)
{
	es_autofree char *text = NULL;
	size_t len;

	if (str_eq(path, "-"))
		ES_TRY(file_read_all(0, OCI_RUNTIME_CONFIG_MAX, &text, &len));
	else
		ES_TRY(file_read(AT_FDCWD, path, OCI_RUNTIME_CONFIG_MAX, &text, &len));
	ES_TRY(es_err_in(field_decode_text(a, oci_resources_fields, text, len, r), "%s", path));
	return es_err_in(ocicheck_resources(r), "%s", path);
}

es_err *rtspec_resources(struct arena *a, const struct rtargs *args, struct oci_resources **ret)
{
	struct oci_resources *r = ARENA_NEW(a, struct oci_resources);
	struct oci_memory *m = ARENA_NEW(a, struct oci_memory);
	struct oci_cpu *c = ARENA_NEW(a, struct oci_cpu);
	struct oci_block_io *b = ARENA_NEW(a, struct oci_block_io);
	const struct {
		const char *name, *text;
		struct field_opt_i64 *out;
	} numbers[] = {
		{ "memory", args->memory, &m->limit },
		{ "memory-reservation", args->memory_reservation, &m->reservation },
		{ "memory-swap", args->memory_swap, &m->swap },
		{ "cpu-period", args->cpu_period, &c->period },
		{ "cpu-quota", args->cpu_quota, &c->quota },
		{ "cpu-burst", args->cpu_burst, &c->burst },
		{ "cpu-share", args->cpu_share, &c->shares },
		{ "cpu-rt-period", args->cpu_rt_period, &c->realtime_period },
		{ "cpu-rt-runtime", args->cpu_rt_runtime, &c->realtime_runtime },
		{ "cpu-idle", args->cpu_idle, &c->idle },
		{ "blkio-weight", args->blkio_weight, &b->weight },
	};

	*ret = r;
	if (args->resources)
		return read_resources(a, args->resources, r);
	r->memory = m;
	r->cpu = c;
	r->block_io = b;
	for (size_t i = 0; i < ES_N(numbers); i++) {
		if (!numbers[i].text)
			continue;
		ES_TRY(es_err_in(str_to_i64(numbers[i].text, 10, &numbers[i].out->v), "--%s", numbers[i].name));
		numbers[i].out->set = true;
	}
	c->cpus = args->cpuset_cpus;
	c->mems = args->cpuset_mems;
	if (args->pids_limit) {
		r->pids = ARENA_NEW(a, struct oci_pids);
		ES_TRY(es_err_in(str_to_i64(args->pids_limit, 10, &r->pids->limit.v), "--pids-limit"));
		r->pids->limit.set = true;
	}
	return NULL;
}
