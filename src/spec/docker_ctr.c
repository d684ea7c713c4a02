/* SPDX-License-Identifier: Apache-2.0 */
/* docker_ctr.c: rows of the container objects, in the order in which docker writes them. */
#include "spec/docker_ctr.h"

#define OMIT FIELD_OMIT_EMPTY

#define T struct docker_health_config
const struct field docker_health_config_fields[] = {
	F_STRV(T, test, "Test", OMIT),
	F_I64(T, interval, "Interval", OMIT | FIELD_DURATION),
	F_I64(T, timeout, "Timeout", OMIT | FIELD_DURATION),
	F_I64(T, start_period, "StartPeriod", OMIT | FIELD_DURATION),
	F_I64(T, start_interval, "StartInterval", OMIT | FIELD_DURATION),
	F_I64(T, retries, "Retries", OMIT),
	F_END,
};
#undef T

#define T struct docker_config
const struct field docker_config_fields[] = {
	F_STR(T, hostname, "Hostname", 0),
	F_STR(T, domainname, "Domainname", 0),
	F_STR(T, user, "User", 0),
	F_BOOL(T, attach_stdin, "AttachStdin", 0),
	F_BOOL(T, attach_stdout, "AttachStdout", 0),
	F_BOOL(T, attach_stderr, "AttachStderr", 0),
	F_SET(T, exposed_ports, "ExposedPorts", OMIT),
	F_BOOL(T, tty, "Tty", 0),
	F_BOOL(T, open_stdin, "OpenStdin", 0),
	F_BOOL(T, stdin_once, "StdinOnce", 0),
	F_STRV(T, env, "Env", 0),
	F_STRV(T, cmd, "Cmd", 0),
	F_PTR(T, healthcheck, "Healthcheck", OMIT, struct docker_health_config, docker_health_config_fields),
	F_BOOL(T, args_escaped, "ArgsEscaped", OMIT),
	F_STR(T, image, "Image", 0),
	F_SET(T, volumes, "Volumes", 0),
	F_STR(T, working_dir, "WorkingDir", 0),
	F_STRV(T, entrypoint, "Entrypoint", 0),
	F_BOOL(T, network_disabled, "NetworkDisabled", OMIT),
	F_STR(T, mac_address, "MacAddress", OMIT),
	F_STRV(T, on_build, "OnBuild", 0),
	F_STR_MAP(T, labels, "Labels", FIELD_EMPTY_LIST),
	F_STR(T, stop_signal, "StopSignal", OMIT),
	F_OPT_I64(T, stop_timeout, "StopTimeout", OMIT),
	F_STRV(T, shell, "Shell", OMIT),
	F_END,
};
#undef T

#define T struct docker_port_binding
const struct field docker_port_binding_fields[] = {
	F_STR(T, host_ip, "HostIp", 0),
	F_STR(T, host_port, "HostPort", 0),
	F_END,
};
#undef T

#define T struct docker_log_config
const struct field docker_log_config_fields[] = {
	F_STR(T, type, "Type", 0),
	F_STR_MAP(T, config, "Config", FIELD_EMPTY_LIST),
	F_END,
};
#undef T

#define T struct docker_restart_policy
const struct field docker_restart_policy_fields[] = {
	F_STR(T, name, "Name", 0),
	F_I64(T, maximum_retry_count, "MaximumRetryCount", 0),
	F_END,
};
#undef T

#define T struct docker_weight_device
const struct field docker_weight_device_fields[] = {
	F_STR(T, path, "Path", 0),
	F_U16(T, weight, "Weight", 0),
	F_END,
};
#undef T

#define T struct docker_throttle_device
const struct field docker_throttle_device_fields[] = {
	F_STR(T, path, "Path", 0),
	F_U64(T, rate, "Rate", 0),
	F_END,
};
#undef T

#define T struct docker_device
const struct field docker_device_fields[] = {
	F_STR(T, path_on_host, "PathOnHost", 0),
	F_STR(T, path_in_container, "PathInContainer", 0),
	F_STR(T, cgroup_permissions, "CgroupPermissions", 0),
	F_END,
};
#undef T

#define T struct docker_device_request
const struct field docker_device_request_fields[] = {
	F_STR(T, driver, "Driver", 0),
	F_I64(T, count, "Count", 0),
	F_STRV(T, device_ids, "DeviceIDs", 0),
	F_RAW(T, capabilities, "Capabilities", 0),
	F_STR_MAP(T, options, "Options", 0),
	F_END,
};
#undef T

#define T struct docker_ulimit
const struct field docker_ulimit_fields[] = {
	F_STR(T, name, "Name", 0),
	F_I64(T, hard, "Hard", 0),
	F_I64(T, soft, "Soft", 0),
	F_END,
};
#undef T

#define T struct docker_mount_bind
static const struct field mount_bind_fields[] = {
	F_STR(T, propagation, "Propagation", OMIT),
	F_BOOL(T, non_recursive, "NonRecursive", OMIT),
	F_BOOL(T, create_mountpoint, "CreateMountpoint", OMIT),
	F_BOOL(T, read_only_non_recursive, "ReadOnlyNonRecursive", OMIT),
	F_BOOL(T, read_only_force_recursive, "ReadOnlyForceRecursive", OMIT),
	F_END,
};
#undef T

#define T struct docker_mount_driver
static const struct field mount_driver_fields[] = {
	F_STR(T, name, "Name", OMIT),
	F_STR_MAP(T, options, "Options", OMIT),
	F_END,
};
#undef T

#define T struct docker_mount_volume
static const struct field mount_volume_fields[] = {
	F_BOOL(T, no_copy, "NoCopy", OMIT),
	F_STR_MAP(T, labels, "Labels", OMIT),
	F_STR(T, subpath, "Subpath", OMIT),
	F_PTR(T, driver_config, "DriverConfig", OMIT, struct docker_mount_driver, mount_driver_fields),
	F_END,
};
#undef T

#define T struct docker_mount_tmpfs
static const struct field mount_tmpfs_fields[] = {
	F_I64(T, size_bytes, "SizeBytes", OMIT),
	F_I64(T, mode, "Mode", OMIT),
	F_END,
};
#undef T

#define T struct docker_mount
const struct field docker_mount_fields[] = {
	F_STR(T, type, "Type", OMIT),
	F_STR(T, source, "Source", OMIT),
	F_STR(T, target, "Target", OMIT),
	F_BOOL(T, read_only, "ReadOnly", OMIT),
	F_STR(T, consistency, "Consistency", OMIT),
	F_PTR(T, bind, "BindOptions", OMIT, struct docker_mount_bind, mount_bind_fields),
	F_PTR(T, volume, "VolumeOptions", OMIT, struct docker_mount_volume, mount_volume_fields),
	F_PTR(T, tmpfs, "TmpfsOptions", OMIT, struct docker_mount_tmpfs, mount_tmpfs_fields),
	F_END,
};
#undef T

#define T struct docker_host_config
#define THROTTLE(member, json) F_LIST(T, member, json, 0, struct docker_throttle_device, docker_throttle_device_fields)
const struct field docker_host_config_fields[] = {
	F_STRV(T, binds, "Binds", 0),
	F_STR(T, container_id_file, "ContainerIDFile", 0),
	F_STRUCT(T, log_config, "LogConfig", 0, struct docker_log_config, docker_log_config_fields),
	F_STR(T, network_mode, "NetworkMode", 0),
	F_LIST_MAP(T, port_bindings, "PortBindings", 0, struct docker_port_binding, docker_port_binding_fields),
	F_STRUCT(T, restart_policy, "RestartPolicy", 0, struct docker_restart_policy, docker_restart_policy_fields),
	F_BOOL(T, auto_remove, "AutoRemove", 0),
	F_STR(T, volume_driver, "VolumeDriver", 0),
	F_STRV(T, volumes_from, "VolumesFrom", 0),
	F_RAW(T, console_size, "ConsoleSize", 0),
	F_STR_MAP(T, annotations, "Annotations", OMIT),
	F_STRV(T, cap_add, "CapAdd", 0),
	F_STRV(T, cap_drop, "CapDrop", 0),
	F_STR(T, cgroupns_mode, "CgroupnsMode", 0),
	F_STRV(T, dns, "Dns", 0),
	F_STRV(T, dns_options, "DnsOptions", 0),
	F_STRV(T, dns_search, "DnsSearch", 0),
	F_STRV(T, extra_hosts, "ExtraHosts", 0),
	F_STRV(T, group_add, "GroupAdd", 0),
	F_STR(T, ipc_mode, "IpcMode", 0),
	F_STR(T, cgroup, "Cgroup", 0),
	F_STRV(T, links, "Links", 0),
	F_I64(T, oom_score_adj, "OomScoreAdj", 0),
	F_STR(T, pid_mode, "PidMode", 0),
	F_BOOL(T, privileged, "Privileged", 0),
	F_BOOL(T, publish_all_ports, "PublishAllPorts", 0),
	F_BOOL(T, readonly_rootfs, "ReadonlyRootfs", 0),
	F_STRV(T, security_opt, "SecurityOpt", 0),
	F_STR_MAP(T, storage_opt, "StorageOpt", OMIT),
	F_STR_MAP(T, tmpfs, "Tmpfs", OMIT),
	F_STR(T, uts_mode, "UTSMode", 0),
	F_STR(T, userns_mode, "UsernsMode", 0),
	F_I64(T, shm_size, "ShmSize", 0),
	F_STR_MAP(T, sysctls, "Sysctls", OMIT),
	F_STR(T, runtime, "Runtime", OMIT),
	F_STR(T, isolation, "Isolation", 0),
	F_I64(T, cpu_shares, "CpuShares", 0),
	F_I64(T, memory, "Memory", 0),
	F_I64(T, nano_cpus, "NanoCpus", 0),
	F_STR(T, cgroup_parent, "CgroupParent", 0),
	F_U16(T, blkio_weight, "BlkioWeight", 0),
	F_LIST(T, blkio_weight_device, "BlkioWeightDevice", 0, struct docker_weight_device, docker_weight_device_fields),
	THROTTLE(blkio_device_read_bps, "BlkioDeviceReadBps"),
	THROTTLE(blkio_device_write_bps, "BlkioDeviceWriteBps"),
	THROTTLE(blkio_device_read_iops, "BlkioDeviceReadIOps"),
	THROTTLE(blkio_device_write_iops, "BlkioDeviceWriteIOps"),
	F_I64(T, cpu_period, "CpuPeriod", 0),
	F_I64(T, cpu_quota, "CpuQuota", 0),
	F_I64(T, cpu_realtime_period, "CpuRealtimePeriod", 0),
	F_I64(T, cpu_realtime_runtime, "CpuRealtimeRuntime", 0),
	F_STR(T, cpuset_cpus, "CpusetCpus", 0),
	F_STR(T, cpuset_mems, "CpusetMems", 0),
	F_LIST(T, devices, "Devices", 0, struct docker_device, docker_device_fields),
	F_STRV(T, device_cgroup_rules, "DeviceCgroupRules", 0),
	F_LIST(T, device_requests, "DeviceRequests", 0, struct docker_device_request, docker_device_request_fields),
	F_I64(T, kernel_memory_tcp, "KernelMemoryTCP", OMIT),
	F_I64(T, memory_reservation, "MemoryReservation", 0),
	F_I64(T, memory_swap, "MemorySwap", 0),
	F_OPT_I64(T, memory_swappiness, "MemorySwappiness", 0),
	F_OPT_BOOL(T, oom_kill_disable, "OomKillDisable", 0),
	F_OPT_I64(T, pids_limit, "PidsLimit", 0),
	F_LIST(T, ulimits, "Ulimits", 0, struct docker_ulimit, docker_ulimit_fields),
	F_I64(T, cpu_count, "CpuCount", 0),
	F_I64(T, cpu_percent, "CpuPercent", 0),
	F_U64(T, io_maximum_iops, "IOMaximumIOps", 0),
	F_U64(T, io_maximum_bandwidth, "IOMaximumBandwidth", 0),
	F_LIST(T, mounts, "Mounts", OMIT, struct docker_mount, docker_mount_fields),
	F_STRV(T, masked_paths, "MaskedPaths", 0),
	F_STRV(T, readonly_paths, "ReadonlyPaths", 0),
	F_OPT_BOOL(T, init, "Init", OMIT),
	F_END,
};
#undef T

static void string_as_list(struct arena *a, struct json *body, const char *key)
{
	struct json *v = json_get(body, key);
	struct json *list;

	if (!json_is(v, JSON_STRING))
		return;
	list = json_new_array(a);
	if (v->len)
		json_append(list, json_new_strn(a, v->text, v->len));
	json_set(a, body, key, list);
}

#define T struct docker_create_request
static const struct field create_rest_fields[] = {
	F_PTR(T, host_config, "HostConfig", 0, struct docker_host_config, docker_host_config_fields),
	F_RAW(T, networking_config, "NetworkingConfig", 0),
	F_END,
};
#undef T

es_err *docker_create_request_decode(struct arena *a, struct json *body, struct docker_create_request *ret)
{
	struct docker_create_request req = { 0 };

	string_as_list(a, body, "Cmd");
	string_as_list(a, body, "Entrypoint");
	ES_TRY(field_decode(a, docker_config_fields, body, &req.config));
	ES_TRY(field_decode(a, create_rest_fields, body, &req));
	if (!req.host_config)
		req.host_config = ARENA_NEW(a, struct docker_host_config);
	*ret = req;
	return NULL;
}

#define T struct docker_create_reply
const struct field docker_create_reply_fields[] = {
	F_STR(T, id, "Id", 0),
	F_STRV(T, warnings, "Warnings", FIELD_EMPTY_LIST),
	F_END,
};
#undef T

#define T struct docker_update_reply
const struct field docker_update_reply_fields[] = {
	F_STRV(T, warnings, "Warnings", 0),
	F_END,
};
#undef T

#define T struct docker_mount_point
const struct field docker_mount_point_fields[] = {
	F_STR(T, type, "Type", OMIT),
	F_STR(T, name, "Name", OMIT),
	F_STR(T, source, "Source", 0),
	F_STR(T, destination, "Destination", 0),
	F_STR(T, driver, "Driver", OMIT),
	F_STR(T, mode, "Mode", 0),
	F_BOOL(T, rw, "RW", 0),
	F_STR(T, propagation, "Propagation", 0),
	F_END,
};
#undef T

#define T struct docker_health_result
static const struct field health_result_fields[] = {
	F_TIME(T, start, "Start", 0),
	F_TIME(T, end, "End", 0),
	F_I64(T, exit_code, "ExitCode", 0),
	F_STR(T, output, "Output", 0),
	F_END,
};
#undef T

#define T struct docker_health
const struct field docker_health_fields[] = {
	F_STR(T, status, "Status", 0),
	F_I64(T, failing_streak, "FailingStreak", 0),
	F_LIST(T, log, "Log", FIELD_EMPTY_LIST, struct docker_health_result, health_result_fields),
	F_END,
};
#undef T

#define T struct docker_state
const struct field docker_state_fields[] = {
	F_STR(T, status, "Status", 0),
	F_BOOL(T, running, "Running", 0),
	F_BOOL(T, paused, "Paused", 0),
	F_BOOL(T, restarting, "Restarting", 0),
	F_BOOL(T, oom_killed, "OOMKilled", 0),
	F_BOOL(T, dead, "Dead", 0),
	F_I64(T, pid, "Pid", 0),
	F_I64(T, exit_code, "ExitCode", 0),
	F_STR(T, error, "Error", 0),
	F_TIME(T, started_at, "StartedAt", 0),
	F_TIME(T, finished_at, "FinishedAt", 0),
	F_PTR(T, health, "Health", OMIT, struct docker_health, docker_health_fields),
	F_END,
};
#undef T

#define T struct docker_graph_driver
const struct field docker_graph_driver_fields[] = {
	F_STR_MAP(T, data, "Data", 0),
	F_STR(T, name, "Name", 0),
	F_END,
};
#undef T

#define T struct docker_network_settings
const struct field docker_network_settings_fields[] = {
	F_STR(T, bridge, "Bridge", 0),
	F_STR(T, sandbox_id, "SandboxID", 0),
	F_STR(T, sandbox_key, "SandboxKey", 0),
	F_LIST_MAP(T, ports, "Ports", FIELD_EMPTY_LIST, struct docker_port_binding, docker_port_binding_fields),
	F_BOOL(T, hairpin_mode, "HairpinMode", 0),
	F_STR(T, link_local_ipv6_address, "LinkLocalIPv6Address", 0),
	F_I64(T, link_local_ipv6_prefix_len, "LinkLocalIPv6PrefixLen", 0),
	F_RAW(T, secondary_ip_addresses, "SecondaryIPAddresses", 0),
	F_RAW(T, secondary_ipv6_addresses, "SecondaryIPv6Addresses", 0),
	F_STR(T, endpoint_id, "EndpointID", 0),
	F_STR(T, gateway, "Gateway", 0),
	F_STR(T, global_ipv6_address, "GlobalIPv6Address", 0),
	F_I64(T, global_ipv6_prefix_len, "GlobalIPv6PrefixLen", 0),
	F_STR(T, ip_address, "IPAddress", 0),
	F_I64(T, ip_prefix_len, "IPPrefixLen", 0),
	F_STR(T, ipv6_gateway, "IPv6Gateway", 0),
	F_STR(T, mac_address, "MacAddress", 0),
	F_RAW(T, networks, "Networks", 0),
	F_END,
};
#undef T

#define T struct docker_inspect
const struct field docker_inspect_fields[] = {
	F_STR(T, id, "Id", 0),
	F_TIME(T, created, "Created", 0),
	F_STR(T, path, "Path", 0),
	F_STRV(T, args, "Args", FIELD_EMPTY_LIST),
	F_STRUCT(T, state, "State", 0, struct docker_state, docker_state_fields),
	F_STR(T, image, "Image", 0),
	F_STR(T, resolv_conf_path, "ResolvConfPath", 0),
	F_STR(T, hostname_path, "HostnamePath", 0),
	F_STR(T, hosts_path, "HostsPath", 0),
	F_STR(T, log_path, "LogPath", 0),
	F_STR(T, name, "Name", 0),
	F_I64(T, restart_count, "RestartCount", 0),
	F_STR(T, driver, "Driver", 0),
	F_STR(T, platform, "Platform", 0),
	F_STR(T, mount_label, "MountLabel", 0),
	F_STR(T, process_label, "ProcessLabel", 0),
	F_STR(T, app_armor_profile, "AppArmorProfile", 0),
	F_STRV(T, exec_ids, "ExecIDs", 0),
	F_PTR(T, host_config, "HostConfig", 0, struct docker_host_config, docker_host_config_fields),
	F_STRUCT(T, graph_driver, "GraphDriver", 0, struct docker_graph_driver, docker_graph_driver_fields),
	F_OPT_I64(T, size_rw, "SizeRw", OMIT),
	F_OPT_I64(T, size_root_fs, "SizeRootFs", OMIT),
	F_LIST(T, mounts, "Mounts", FIELD_EMPTY_LIST, struct docker_mount_point, docker_mount_point_fields),
	F_PTR(T, config, "Config", 0, struct docker_config, docker_config_fields),
	F_STRUCT(T, network_settings, "NetworkSettings", 0, struct docker_network_settings,
		 docker_network_settings_fields),
	F_END,
};
#undef T

#define T struct docker_port
static const struct field port_fields[] = {
	F_STR(T, ip, "IP", OMIT),
	F_U16(T, private_port, "PrivatePort", 0),
	F_U16(T, public_port, "PublicPort", OMIT),
	F_STR(T, type, "Type", 0),
	F_END,
};
#undef T

#define T struct docker_summary_host_config
static const struct field summary_host_config_fields[] = {
	F_STR(T, network_mode, "NetworkMode", OMIT),
	F_STR_MAP(T, annotations, "Annotations", OMIT),
	F_END,
};
#undef T

#define T struct docker_summary_networks
static const struct field summary_networks_fields[] = {
	F_RAW(T, networks, "Networks", 0),
	F_END,
};
#undef T

#define T struct docker_summary
const struct field docker_summary_fields[] = {
	F_STR(T, id, "Id", 0),
	F_STRV(T, names, "Names", 0),
	F_STR(T, image, "Image", 0),
	F_STR(T, image_id, "ImageID", 0),
	F_STR(T, command, "Command", 0),
	F_I64(T, created, "Created", 0),
	F_LIST(T, ports, "Ports", FIELD_EMPTY_LIST, struct docker_port, port_fields),
	F_OPT_I64(T, size_rw, "SizeRw", OMIT),
	F_OPT_I64(T, size_root_fs, "SizeRootFs", OMIT),
	F_STR_MAP(T, labels, "Labels", FIELD_EMPTY_LIST),
	F_STR(T, state, "State", 0),
	F_STR(T, status, "Status", 0),
	F_STRUCT(T, host_config, "HostConfig", 0, struct docker_summary_host_config, summary_host_config_fields),
	F_STRUCT(T, network_settings, "NetworkSettings", 0, struct docker_summary_networks, summary_networks_fields),
	F_LIST(T, mounts, "Mounts", FIELD_EMPTY_LIST, struct docker_mount_point, docker_mount_point_fields),
	F_END,
};
#undef T

#define T struct docker_exec_request
const struct field docker_exec_request_fields[] = {
	F_STR(T, user, "User", 0),
	F_BOOL(T, privileged, "Privileged", 0),
	F_BOOL(T, tty, "Tty", 0),
	F_RAW(T, console_size, "ConsoleSize", OMIT),
	F_BOOL(T, attach_stdin, "AttachStdin", 0),
	F_BOOL(T, attach_stderr, "AttachStderr", 0),
	F_BOOL(T, attach_stdout, "AttachStdout", 0),
	F_BOOL(T, detach, "Detach", 0),
	F_STR(T, detach_keys, "DetachKeys", 0),
	F_STRV(T, env, "Env", 0),
	F_STR(T, working_dir, "WorkingDir", 0),
	F_STRV(T, cmd, "Cmd", 0),
	F_END,
};
#undef T

#define T struct docker_exec_process
static const struct field exec_process_fields[] = {
	F_BOOL(T, tty, "tty", 0),
	F_STR(T, entrypoint, "entrypoint", 0),
	F_STRV(T, arguments, "arguments", FIELD_EMPTY_LIST),
	F_OPT_BOOL(T, privileged, "privileged", OMIT),
	F_STR(T, user, "user", OMIT),
	F_END,
};
#undef T

#define T struct docker_exec_inspect
const struct field docker_exec_inspect_fields[] = {
	F_STR(T, id, "ID", 0),
	F_BOOL(T, running, "Running", 0),
	F_OPT_I64(T, exit_code, "ExitCode", 0),
	F_STRUCT(T, process_config, "ProcessConfig", 0, struct docker_exec_process, exec_process_fields),
	F_BOOL(T, open_stdin, "OpenStdin", 0),
	F_BOOL(T, open_stderr, "OpenStderr", 0),
	F_BOOL(T, open_stdout, "OpenStdout", 0),
	F_BOOL(T, can_remove, "CanRemove", 0),
	F_STR(T, container_id, "ContainerID", 0),
	F_STR(T, detach_keys, "DetachKeys", 0),
	F_I64(T, pid, "Pid", 0),
	F_END,
};
#undef T
