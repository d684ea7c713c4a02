/* SPDX-License-Identifier: Apache-2.0 */
/* oci_runtime.c: the rows of config.json. */
#include "spec/oci_runtime.h"

#include "spec/ocicheck.h"

#define OM FIELD_OMIT_EMPTY
#define RQ FIELD_REQUIRED

const struct field oci_id_map_fields[] = {
	F_U32(struct oci_id_map, container_id, "containerID", 0),
	F_U32(struct oci_id_map, host_id, "hostID", 0),
	F_U32(struct oci_id_map, size, "size", 0),
	F_END,
};
static const struct field console_size_fields[] = {
	F_U32(struct oci_console_size, height, "height", 0),
	F_U32(struct oci_console_size, width, "width", 0),
	F_END,
};
static const struct field user_fields[] = {
	F_U32(struct oci_user, uid, "uid", 0),
	F_U32(struct oci_user, gid, "gid", 0),
	F_OPT_I64(struct oci_user, umask, "umask", OM),
	F_RAW(struct oci_user, additional_gids, "additionalGids", OM),
	F_END,
};
static const struct field caps_fields[] = {
	F_STRV(struct oci_caps, bounding, "bounding", OM),
	F_STRV(struct oci_caps, effective, "effective", OM),
	F_STRV(struct oci_caps, inheritable, "inheritable", OM),
	F_STRV(struct oci_caps, permitted, "permitted", OM),
	F_STRV(struct oci_caps, ambient, "ambient", OM),
	F_END,
};
static const struct field rlimit_fields[] = {
	F_STR(struct oci_rlimit, type, "type", RQ),
	F_U64(struct oci_rlimit, hard, "hard", 0),
	F_U64(struct oci_rlimit, soft, "soft", 0),
	F_END,
};
static const struct field scheduler_fields[] = {
	F_STR(struct oci_scheduler, policy, "policy", RQ),
	F_I32(struct oci_scheduler, nice, "nice", OM),
	F_I32(struct oci_scheduler, priority, "priority", OM),
	F_STRV(struct oci_scheduler, flags, "flags", OM),
	F_U64(struct oci_scheduler, runtime, "runtime", OM),
	F_U64(struct oci_scheduler, deadline, "deadline", OM),
	F_U64(struct oci_scheduler, period, "period", OM),
	F_END,
};
static const struct field io_priority_fields[] = {
	F_STR(struct oci_io_priority, class, "class", RQ),
	F_I32(struct oci_io_priority, priority, "priority", 0),
	F_END,
};
static const struct field cpu_affinity_fields[] = {
	F_STR(struct oci_cpu_affinity, initial, "initial", OM),
	F_STR(struct oci_cpu_affinity, final, "final", OM),
	F_END,
};
const struct field oci_process_fields[] = {
	F_BOOL(struct oci_process, terminal, "terminal", OM),
	F_PTR(struct oci_process, console_size, "consoleSize", OM, struct oci_console_size, console_size_fields),
	F_STRUCT(struct oci_process, user, "user", 0, struct oci_user, user_fields),
	F_STRV(struct oci_process, args, "args", OM),
	F_STRV(struct oci_process, env, "env", OM),
	F_STR(struct oci_process, cwd, "cwd", RQ),
	F_PTR(struct oci_process, capabilities, "capabilities", OM, struct oci_caps, caps_fields),
	F_LIST(struct oci_process, rlimits, "rlimits", OM, struct oci_rlimit, rlimit_fields),
	F_BOOL(struct oci_process, no_new_privileges, "noNewPrivileges", OM),
	F_STR(struct oci_process, apparmor_profile, "apparmorProfile", OM),
	F_OPT_I64(struct oci_process, oom_score_adj, "oomScoreAdj", OM),
	F_PTR(struct oci_process, scheduler, "scheduler", OM, struct oci_scheduler, scheduler_fields),
	F_STR(struct oci_process, selinux_label, "selinuxLabel", OM),
	F_PTR(struct oci_process, io_priority, "ioPriority", OM, struct oci_io_priority, io_priority_fields),
	F_PTR(struct oci_process, exec_cpu_affinity, "execCPUAffinity", OM, struct oci_cpu_affinity, cpu_affinity_fields),
	F_END,
};
static const struct field root_fields[] = {
	F_STR(struct oci_root, path, "path", RQ),
	F_BOOL(struct oci_root, readonly, "readonly", OM),
	F_END,
};
static const struct field mount_fields[] = {
	F_STR(struct oci_mount, destination, "destination", RQ),
	F_STR(struct oci_mount, type, "type", OM),
	F_STR(struct oci_mount, source, "source", OM),
	F_STRV(struct oci_mount, options, "options", OM),
	F_LIST(struct oci_mount, uid_mappings, "uidMappings", OM, struct oci_id_map, oci_id_map_fields),
	F_LIST(struct oci_mount, gid_mappings, "gidMappings", OM, struct oci_id_map, oci_id_map_fields),
	F_END,
};
static const struct field hook_fields[] = {
	F_STR(struct oci_hook, path, "path", RQ),
	F_STRV(struct oci_hook, args, "args", OM),
	F_STRV(struct oci_hook, env, "env", OM),
	F_OPT_I64(struct oci_hook, timeout, "timeout", OM),
	F_END,
};
const struct field oci_hooks_fields[] = {
	F_LIST(struct oci_hooks, prestart, "prestart", OM, struct oci_hook, hook_fields),
	F_LIST(struct oci_hooks, create_runtime, "createRuntime", OM, struct oci_hook, hook_fields),
	F_LIST(struct oci_hooks, create_container, "createContainer", OM, struct oci_hook, hook_fields),
	F_LIST(struct oci_hooks, start_container, "startContainer", OM, struct oci_hook, hook_fields),
	F_LIST(struct oci_hooks, poststart, "poststart", OM, struct oci_hook, hook_fields),
	F_LIST(struct oci_hooks, poststop, "poststop", OM, struct oci_hook, hook_fields),
	F_END,
};
static const char *const namespace_types[] = { "pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time", NULL };
static const struct field namespace_fields[] = {
	F_ENUM(struct oci_namespace, type, "type", RQ, namespace_types),
	F_STR(struct oci_namespace, path, "path", OM),
	F_END,
};
static const char *const device_types[] = { "b", "c", "u", "p", NULL };
static const struct field device_fields[] = {
	F_ENUM(struct oci_device, type, "type", RQ, device_types),
	F_STR(struct oci_device, path, "path", RQ),
	F_I64(struct oci_device, major, "major", OM),
	F_I64(struct oci_device, minor, "minor", OM),
	F_OPT_I64(struct oci_device, file_mode, "fileMode", OM),
	F_OPT_I64(struct oci_device, uid, "uid", OM),
	F_OPT_I64(struct oci_device, gid, "gid", OM),
	F_END,
};
static const char *const rule_types[] = { "", "a", "b", "c", NULL };
static const struct field device_rule_fields[] = {
	F_BOOL(struct oci_device_rule, allow, "allow", 0),
	F_ENUM(struct oci_device_rule, type, "type", OM, rule_types),
	F_OPT_I64(struct oci_device_rule, major, "major", OM),
	F_OPT_I64(struct oci_device_rule, minor, "minor", OM),
	F_STR(struct oci_device_rule, access, "access", OM),
	F_END,
};
static const struct field memory_fields[] = {
	F_OPT_I64(struct oci_memory, limit, "limit", OM),
	F_OPT_I64(struct oci_memory, reservation, "reservation", OM),
	F_OPT_I64(struct oci_memory, swap, "swap", OM),
	F_OPT_I64(struct oci_memory, kernel, "kernel", OM),
	F_OPT_I64(struct oci_memory, kernel_tcp, "kernelTCP", OM),
	F_OPT_I64(struct oci_memory, swappiness, "swappiness", OM),
	F_OPT_BOOL(struct oci_memory, disable_oom_killer, "disableOOMKiller", OM),
	F_OPT_BOOL(struct oci_memory, use_hierarchy, "useHierarchy", OM),
	F_OPT_BOOL(struct oci_memory, check_before_update, "checkBeforeUpdate", OM),
	F_END,
};
static const struct field cpu_fields[] = {
	F_OPT_I64(struct oci_cpu, shares, "shares", OM),
	F_OPT_I64(struct oci_cpu, quota, "quota", OM),
	F_OPT_I64(struct oci_cpu, burst, "burst", OM),
	F_OPT_I64(struct oci_cpu, period, "period", OM),
	F_OPT_I64(struct oci_cpu, realtime_runtime, "realtimeRuntime", OM),
	F_OPT_I64(struct oci_cpu, realtime_period, "realtimePeriod", OM),
	F_STR(struct oci_cpu, cpus, "cpus", OM),
	F_STR(struct oci_cpu, mems, "mems", OM),
	F_OPT_I64(struct oci_cpu, idle, "idle", OM),
	F_END,
};
static const struct field pids_fields[] = {
	F_OPT_I64(struct oci_pids, limit, "limit", 0),
	F_END,
};
static const struct field weight_device_fields[] = {
	F_I64(struct oci_weight_device, major, "major", 0),
	F_I64(struct oci_weight_device, minor, "minor", 0),
	F_OPT_I64(struct oci_weight_device, weight, "weight", OM),
	F_OPT_I64(struct oci_weight_device, leaf_weight, "leafWeight", OM),
	F_END,
};
static const struct field throttle_device_fields[] = {
	F_I64(struct oci_throttle_device, major, "major", 0),
	F_I64(struct oci_throttle_device, minor, "minor", 0),
	F_U64(struct oci_throttle_device, rate, "rate", 0),
	F_END,
};
#define THROTTLE(member, label) F_LIST(struct oci_block_io, member, label, OM, struct oci_throttle_device, throttle_device_fields)
static const struct field block_io_fields[] = {
	F_OPT_I64(struct oci_block_io, weight, "weight", OM),
	F_OPT_I64(struct oci_block_io, leaf_weight, "leafWeight", OM),
	F_LIST(struct oci_block_io, weight_device, "weightDevice", OM, struct oci_weight_device, weight_device_fields),
	THROTTLE(read_bps, "throttleReadBpsDevice"),
	THROTTLE(write_bps, "throttleWriteBpsDevice"),
	THROTTLE(read_iops, "throttleReadIOPSDevice"),
	THROTTLE(write_iops, "throttleWriteIOPSDevice"),
	F_END,
};
static const struct field hugepage_fields[] = {
	F_STR(struct oci_hugepage_limit, page_size, "pageSize", RQ),
	F_U64(struct oci_hugepage_limit, limit, "limit", 0),
	F_END,
};
static const struct field net_priority_fields[] = {
	F_STR(struct oci_net_priority, name, "name", RQ),
	F_U32(struct oci_net_priority, priority, "priority", 0),
	F_END,
};
static const struct field net_fields[] = {
	F_OPT_I64(struct oci_net, class_id, "classID", OM),
	F_LIST(struct oci_net, priorities, "priorities", OM, struct oci_net_priority, net_priority_fields),
	F_END,
};
static const struct field rdma_fields[] = {
	F_OPT_I64(struct oci_rdma, hca_handles, "hcaHandles", OM),
	F_OPT_I64(struct oci_rdma, hca_objects, "hcaObjects", OM),
	F_END,
};
const struct field oci_resources_fields[] = {
	F_LIST(struct oci_resources, devices, "devices", OM, struct oci_device_rule, device_rule_fields),
	F_PTR(struct oci_resources, memory, "memory", OM, struct oci_memory, memory_fields),
	F_PTR(struct oci_resources, cpu, "cpu", OM, struct oci_cpu, cpu_fields),
	F_PTR(struct oci_resources, pids, "pids", OM, struct oci_pids, pids_fields),
	F_PTR(struct oci_resources, block_io, "blockIO", OM, struct oci_block_io, block_io_fields),
	F_LIST(struct oci_resources, hugepage_limits, "hugepageLimits", OM, struct oci_hugepage_limit, hugepage_fields),
	F_PTR(struct oci_resources, network, "network", OM, struct oci_net, net_fields),
	F_MAP(struct oci_resources, rdma, "rdma", OM, struct oci_rdma, rdma_fields),
	F_STR_MAP(struct oci_resources, unified, "unified", OM),
	F_END,
};
static const struct field seccomp_arg_fields[] = {
	F_U32(struct oci_seccomp_arg, index, "index", 0),
	F_U64(struct oci_seccomp_arg, value, "value", 0),
	F_U64(struct oci_seccomp_arg, value_two, "valueTwo", OM),
	F_STR(struct oci_seccomp_arg, op, "op", RQ),
	F_END,
};
static const struct field seccomp_rule_fields[] = {
	F_STRV(struct oci_seccomp_rule, names, "names", RQ),
	F_STR(struct oci_seccomp_rule, action, "action", RQ),
	F_OPT_I64(struct oci_seccomp_rule, errno_ret, "errnoRet", OM),
	F_LIST(struct oci_seccomp_rule, args, "args", OM, struct oci_seccomp_arg, seccomp_arg_fields),
	F_END,
};
const struct field oci_seccomp_fields[] = {
	F_STR(struct oci_seccomp, default_action, "defaultAction", RQ),
	F_OPT_I64(struct oci_seccomp, default_errno_ret, "defaultErrnoRet", OM),
	F_STRV(struct oci_seccomp, architectures, "architectures", OM),
	F_STRV(struct oci_seccomp, flags, "flags", OM),
	F_STR(struct oci_seccomp, listener_path, "listenerPath", OM),
	F_STR(struct oci_seccomp, listener_metadata, "listenerMetadata", OM),
	F_LIST(struct oci_seccomp, syscalls, "syscalls", OM, struct oci_seccomp_rule, seccomp_rule_fields),
	F_END,
};
static const struct field personality_fields[] = {
	F_STR(struct oci_personality, domain, "domain", RQ),
	F_STRV(struct oci_personality, flags, "flags", OM),
	F_END,
};
static const struct field time_offset_fields[] = {
	F_I64(struct oci_time_offset, secs, "secs", OM),
	F_U32(struct oci_time_offset, nanosecs, "nanosecs", OM),
	F_END,
};
static const struct field intel_rdt_fields[] = {
	F_STR(struct oci_intel_rdt, clos_id, "closID", OM),
	F_STR(struct oci_intel_rdt, l3_cache_schema, "l3CacheSchema", OM),
	F_STR(struct oci_intel_rdt, mem_bw_schema, "memBwSchema", OM),
	F_STRV(struct oci_intel_rdt, schemata, "schemata", OM),
	F_BOOL(struct oci_intel_rdt, enable_monitoring, "enableMonitoring", OM),
	F_BOOL(struct oci_intel_rdt, enable_cmt, "enableCMT", OM),
	F_BOOL(struct oci_intel_rdt, enable_mbm, "enableMBM", OM),
	F_END,
};
static const struct field memory_policy_fields[] = {
	F_STR(struct oci_memory_policy, mode, "mode", RQ),
	F_STR(struct oci_memory_policy, nodes, "nodes", OM),
	F_STRV(struct oci_memory_policy, flags, "flags", OM),
	F_END,
};
static const struct field net_device_fields[] = {
	F_STR(struct oci_net_device, name, "name", OM),
	F_END,
};
static const char *const propagations[] = { "", "shared", "slave", "private", "unbindable", "rshared",
					    "rslave", "rprivate", "runbindable", NULL };
static const struct field linux_fields[] = {
	F_LIST(struct oci_linux, uid_mappings, "uidMappings", OM, struct oci_id_map, oci_id_map_fields),
	F_LIST(struct oci_linux, gid_mappings, "gidMappings", OM, struct oci_id_map, oci_id_map_fields),
	F_STR_MAP(struct oci_linux, sysctl, "sysctl", OM),
	F_PTR(struct oci_linux, resources, "resources", OM, struct oci_resources, oci_resources_fields),
	F_STR(struct oci_linux, cgroups_path, "cgroupsPath", OM),
	F_LIST(struct oci_linux, namespaces, "namespaces", OM, struct oci_namespace, namespace_fields),
	F_LIST(struct oci_linux, devices, "devices", OM, struct oci_device, device_fields),
	F_MAP(struct oci_linux, net_devices, "netDevices", OM, struct oci_net_device, net_device_fields),
	F_PTR(struct oci_linux, seccomp, "seccomp", OM, struct oci_seccomp, oci_seccomp_fields),
	F_ENUM(struct oci_linux, rootfs_propagation, "rootfsPropagation", OM, propagations),
	F_STRV(struct oci_linux, masked_paths, "maskedPaths", OM),
	F_STRV(struct oci_linux, readonly_paths, "readonlyPaths", OM),
	F_STR(struct oci_linux, mount_label, "mountLabel", OM),
	F_PTR(struct oci_linux, intel_rdt, "intelRdt", OM, struct oci_intel_rdt, intel_rdt_fields),
	F_PTR(struct oci_linux, memory_policy, "memoryPolicy", OM, struct oci_memory_policy, memory_policy_fields),
	F_PTR(struct oci_linux, personality, "personality", OM, struct oci_personality, personality_fields),
	F_MAP(struct oci_linux, time_offsets, "timeOffsets", OM, struct oci_time_offset, time_offset_fields),
	F_END,
};
const struct field oci_spec_fields[] = {
	F_STR(struct oci_spec, oci_version, "ociVersion", RQ),
	F_PTR(struct oci_spec, process, "process", OM, struct oci_process, oci_process_fields),
	F_PTR(struct oci_spec, root, "root", OM, struct oci_root, root_fields),
	F_STR(struct oci_spec, hostname, "hostname", OM),
	F_STR(struct oci_spec, domainname, "domainname", OM),
	F_LIST(struct oci_spec, mounts, "mounts", OM, struct oci_mount, mount_fields),
	F_PTR(struct oci_spec, hooks, "hooks", OM, struct oci_hooks, oci_hooks_fields),
	F_STR_MAP(struct oci_spec, annotations, "annotations", OM),
	F_PTR(struct oci_spec, linux_, "linux", OM, struct oci_linux, linux_fields),
	F_END,
};
const struct field oci_state_fields[] = {
	F_STR(struct oci_state, oci_version, "ociVersion", RQ),
	F_STR(struct oci_state, id, "id", RQ),
	F_STR(struct oci_state, status, "status", RQ),
	F_I64(struct oci_state, pid, "pid", OM),
	F_STR(struct oci_state, bundle, "bundle", RQ),
	F_STR_MAP(struct oci_state, annotations, "annotations", OM),
	F_END,
};

es_err *oci_runtime_gids(struct arena *a, const struct oci_user *user, uint32_t **ret_gids, size_t *ret_n)
{
	const struct json *list = user->additional_gids;
	uint32_t *gids;
	size_t n = 0;

	if (list && list->type != JSON_ARRAY && list->type != JSON_NULL)
		return es_err_new(ES_E_INVALID, "user.additionalGids: expected an array");
	gids = ARENA_ARRAY(a, uint32_t, (list ? list->n : 0) + 1);
	JSON_EACH(g, list) {
		int64_t v = json_i64(g, -1);

		if (v < 0 || v > UINT32_MAX)
			return es_err_new(ES_E_INVALID, "user.additionalGids[%zu]: not a group id", n);
		gids[n++] = (uint32_t)v;
	}
	*ret_gids = gids;
	*ret_n = n;
	return NULL;
}

struct json *oci_runtime_gids_json(struct arena *a, const uint32_t *gids, size_t n)
{
	struct json *list = json_new_array(a);

	for (size_t i = 0; i < n; i++)
		json_append(list, json_new_u64(a, gids[i]));
	return list;
}

const char *oci_runtime_annotation(const struct oci_spec *spec, const char *key)
{
	return field_map_get(spec->annotations, key);
}

es_err *oci_runtime_parse(struct arena *a, const char *text, size_t len, struct oci_spec *ret)
{
	struct oci_spec s = { 0 };

	ES_TRY(field_decode_text(a, oci_spec_fields, text, len, &s));
	ES_TRY(ocicheck_spec(&s));
	*ret = s;
	return NULL;
}

es_err *oci_runtime_parse_process(struct arena *a, const char *text, size_t len, struct oci_process *ret)
{
	struct oci_process p = { 0 };

	ES_TRY(field_decode_text(a, oci_process_fields, text, len, &p));
	ES_TRY(ocicheck_process(&p));
	*ret = p;
	return NULL;
}
