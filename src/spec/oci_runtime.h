/* SPDX-License-Identifier: Apache-2.0 */
/* oci_runtime.h: config.json of the OCI runtime specification (1.2 for Linux, with what 1.3 added) as structs with field tables, and its state. */
#pragma once

#include "codec/field.h"

#define OCI_RUNTIME_VERSION "1.2.0"     /* that we write */
#define OCI_RUNTIME_VERSION_MAX "1.3.0" /* all of whose fields we know */
#define OCI_RUNTIME_CONFIG_MAX (16u << 20) /* bytes of config.json that we accept */
/* Our annotations: an inherited descriptor of a detached mount that becomes the root; a compiled seccomp program. */
#define OCI_RUNTIME_ROOTFS_FD "org.estiba.rootfs.fd"
#define OCI_RUNTIME_SECCOMP_FD "org.estiba.seccomp.fd"

struct oci_id_map {
	uint32_t container_id, host_id, size;
};

struct oci_console_size {
	uint32_t height, width;
};

struct oci_user {
	uint32_t uid, gid;
	struct field_opt_i64 umask;
	struct json *additional_gids; /* array of numbers, NULL for none; oci_runtime_gids() */
};

struct oci_caps {
	char **bounding, **effective, **inheritable, **permitted, **ambient;
};

struct oci_rlimit {
	const char *type; /* "RLIMIT_NOFILE" */
	uint64_t hard, soft;
};

struct oci_scheduler {
	const char *policy;
	int32_t nice, priority;
	char **flags;
	uint64_t runtime, deadline, period; /* ns */
};

struct oci_io_priority {
	const char *class;
	int32_t priority;
};

struct oci_cpu_affinity {
	const char *initial, *final;
};

struct oci_process {
	bool terminal;
	struct oci_console_size *console_size;
	const char *cwd;
	char **env, **args;
	struct oci_user user;
	struct oci_caps *capabilities;
	struct field_list rlimits; /* of struct oci_rlimit */
	const char *apparmor_profile, *selinux_label;
	bool no_new_privileges;
	struct field_opt_i64 oom_score_adj;
	struct oci_scheduler *scheduler;
	struct oci_io_priority *io_priority;
	struct oci_cpu_affinity *exec_cpu_affinity;
};

struct oci_root {
	const char *path; /* absolute or below the bundle */
	bool readonly;
};

struct oci_mount {
	const char *destination, *type, *source;
	char **options;
	struct field_list uid_mappings, gid_mappings; /* of struct oci_id_map */
};

struct oci_hook {
	const char *path;
	char **args, **env;
	struct field_opt_i64 timeout; /* seconds */
};

struct oci_hooks { /* lists of struct oci_hook */
	struct field_list prestart, create_runtime, create_container, start_container, poststart, poststop;
};

struct oci_namespace {
	const char *type; /* "pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time" */
	const char *path; /* NULL: a new one */
};

struct oci_device {
	const char *type, *path;
	int64_t major, minor;
	struct field_opt_i64 file_mode, uid, gid;
};

struct oci_device_rule {
	bool allow;
	const char *type; /* "a", "b", "c"; NULL: a */
	struct field_opt_i64 major, minor;
	const char *access;
};

struct oci_memory {
	struct field_opt_i64 limit, reservation, swap, kernel, kernel_tcp, swappiness;
	struct field_opt_bool disable_oom_killer, use_hierarchy, check_before_update;
};

struct oci_cpu {
	struct field_opt_i64 shares, quota, burst, period, realtime_runtime, realtime_period, idle;
	const char *cpus, *mems;
};

struct oci_pids {
	struct field_opt_i64 limit;
};

struct oci_weight_device {
	int64_t major, minor;
	struct field_opt_i64 weight, leaf_weight;
};

struct oci_throttle_device {
	int64_t major, minor;
	uint64_t rate;
};

struct oci_block_io {
	struct field_opt_i64 weight, leaf_weight;
	struct field_list weight_device; /* of struct oci_weight_device */
	/* of struct oci_throttle_device */
	struct field_list read_bps, write_bps, read_iops, write_iops;
};

struct oci_hugepage_limit {
	const char *page_size; /* "2MB" */
	uint64_t limit;        /* bytes */
};

struct oci_net_priority {
	const char *name;
	uint32_t priority;
};

struct oci_net {
	struct field_opt_i64 class_id;
	struct field_list priorities; /* of struct oci_net_priority */
};

struct oci_rdma {
	struct field_opt_i64 hca_handles, hca_objects;
};

struct oci_resources {
	struct field_list devices; /* of struct oci_device_rule */
	struct oci_memory *memory;
	struct oci_cpu *cpu;
	struct oci_pids *pids;
	struct oci_block_io *block_io;
	struct field_list hugepage_limits; /* of struct oci_hugepage_limit */
	struct oci_net *network;
	struct field_map *rdma;    /* name to struct oci_rdma */
	struct field_map *unified; /* v2 file name to text */
};

struct oci_seccomp_arg {
	uint32_t index;
	uint64_t value, value_two;
	const char *op;
};

struct oci_seccomp_rule {
	char **names;
	const char *action;
	struct field_opt_i64 errno_ret;
	struct field_list args; /* of struct oci_seccomp_arg */
};

struct oci_seccomp {
	const char *default_action;
	struct field_opt_i64 default_errno_ret;
	char **architectures, **flags;
	const char *listener_path, *listener_metadata;
	struct field_list syscalls; /* of struct oci_seccomp_rule */
};

struct oci_personality {
	const char *domain; /* "LINUX", "LINUX32" */
	char **flags;
};

struct oci_time_offset {
	int64_t secs;
	uint32_t nanosecs;
};

struct oci_intel_rdt {
	const char *clos_id, *l3_cache_schema, *mem_bw_schema;
	char **schemata;
	bool enable_monitoring;
	bool enable_cmt, enable_mbm; /* until 1.2: each is what enable_monitoring became */
};

struct oci_memory_policy {
	const char *mode, *nodes; /* "MPOL_BIND", "0-3,7" */
	char **flags;
};

struct oci_net_device {
	const char *name;
};

struct oci_linux {
	struct field_list uid_mappings, gid_mappings; /* of struct oci_id_map */
	struct field_map *sysctl;                     /* name to text */
	struct oci_resources *resources;
	const char *cgroups_path;
	struct field_list namespaces; /* of struct oci_namespace */
	struct field_list devices;    /* of struct oci_device */
	struct field_map *net_devices; /* host name to struct oci_net_device */
	struct oci_seccomp *seccomp;
	const char *rootfs_propagation;
	char **masked_paths, **readonly_paths;
	const char *mount_label;
	struct oci_intel_rdt *intel_rdt;
	struct oci_memory_policy *memory_policy;
	struct oci_personality *personality;
	struct field_map *time_offsets; /* "monotonic", "boottime" to struct oci_time_offset */
};

struct oci_spec {
	const char *oci_version;
	struct oci_process *process;
	struct oci_root *root;
	const char *hostname, *domainname;
	struct field_list mounts; /* of struct oci_mount */
	struct oci_hooks *hooks;
	struct field_map *annotations;
	struct oci_linux *linux_; /* `linux` is a macro of GNU C */
};

/* State of a container as `state` prints it and hooks read it. */
struct oci_state {
	const char *oci_version, *id, *status;
	int64_t pid;
	const char *bundle;
	struct field_map *annotations;
};

extern const struct field oci_spec_fields[], oci_process_fields[], oci_resources_fields[], oci_seccomp_fields[],
	oci_state_fields[], oci_id_map_fields[], oci_hooks_fields[];

/* config.json or process.json into structs in A, with the checks of ocicheck.h. ES_E_INVALID with the JSON path. */
es_err *oci_runtime_parse(struct arena *a, const char *text, size_t len, struct oci_spec *ret) ES_CHECKED;
es_err *oci_runtime_parse_process(struct arena *a, const char *text, size_t len, struct oci_process *ret) ES_CHECKED;
/* additionalGids to numbers in A and back. */
es_err *oci_runtime_gids(struct arena *a, const struct oci_user *user, uint32_t **ret_gids, size_t *ret_n) ES_CHECKED;
struct json *oci_runtime_gids_json(struct arena *a, const uint32_t *gids, size_t n);
/* Value of annotation KEY, or NULL. */
const char *oci_runtime_annotation(const struct oci_spec *spec, const char *key);
