/* SPDX-License-Identifier: Apache-2.0 */
/* docker_ctr.h: the Docker Engine API's container objects (API 1.24 to 1.45) as structs with field tables. */
#pragma once

#include "codec/field.h"

/* HealthConfig. Durations are nanoseconds; 0 means inherit. */
struct docker_health_config {
	char **test; /* {} inherit, {"NONE"}, {"CMD", …}, {"CMD-SHELL", "…"} */
	int64_t interval, timeout, start_period, start_interval;
	int64_t retries;
};
extern const struct field docker_health_config_fields[];

/* ContainerConfig: what is in the image and in the container. */
struct docker_config {
	const char *hostname, *domainname, *user;
	bool attach_stdin, attach_stdout, attach_stderr;
	struct field_map *exposed_ports; /* "80/tcp" → {} */
	bool tty, open_stdin, stdin_once;
	char **env, **cmd;
	struct docker_health_config *healthcheck;
	bool args_escaped;
	const char *image;
	struct field_map *volumes; /* path → {} */
	const char *working_dir;
	char **entrypoint;
	bool network_disabled;
	const char *mac_address;
	char **on_build;
	struct field_map *labels;
	const char *stop_signal;
	struct field_opt_i64 stop_timeout; /* seconds */
	char **shell;
};
extern const struct field docker_config_fields[];

struct docker_port_binding {
	const char *host_ip, *host_port; /* host_port may be a range "8000-8010" or empty */
};
extern const struct field docker_port_binding_fields[];

struct docker_log_config {
	const char *type;
	struct field_map *config;
};
extern const struct field docker_log_config_fields[];

struct docker_restart_policy {
	const char *name; /* "", no, always, unless-stopped, on-failure */
	int64_t maximum_retry_count;
};
extern const struct field docker_restart_policy_fields[];

struct docker_weight_device {
	const char *path;
	uint16_t weight;
};
struct docker_throttle_device {
	const char *path;
	uint64_t rate; /* bytes or operations per second */
};
extern const struct field docker_weight_device_fields[], docker_throttle_device_fields[];

struct docker_device {
	const char *path_on_host, *path_in_container, *cgroup_permissions;
};
extern const struct field docker_device_fields[];

struct docker_device_request {
	const char *driver;
	int64_t count;
	char **device_ids;
	struct json *capabilities; /* [][]string */
	struct field_map *options;
};
extern const struct field docker_device_request_fields[];

struct docker_ulimit {
	const char *name;
	int64_t hard, soft;
};
extern const struct field docker_ulimit_fields[];

/* Mount as the client asks for it (HostConfig.Mounts). */
struct docker_mount_bind {
	const char *propagation;
	bool non_recursive, create_mountpoint, read_only_non_recursive, read_only_force_recursive;
};
struct docker_mount_driver {
	const char *name;
	struct field_map *options;
};
struct docker_mount_volume {
	bool no_copy;
	struct field_map *labels;
	struct docker_mount_driver *driver_config;
	const char *subpath;
};
struct docker_mount_tmpfs {
	int64_t size_bytes;
	int64_t mode; /* permission bits, decimal in JSON as Go's os.FileMode */
};
struct docker_mount {
	const char *type; /* bind, volume, tmpfs (npipe, cluster, image: refused by name) */
	const char *source, *target;
	bool read_only;
	const char *consistency;
	struct docker_mount_bind *bind;
	struct docker_mount_volume *volume;
	struct docker_mount_tmpfs *tmpfs;
};
extern const struct field docker_mount_fields[];

struct docker_host_config {
	char **binds;
	const char *container_id_file;
	struct docker_log_config log_config;
	const char *network_mode;
	struct field_map *port_bindings; /* "80/tcp" → list of docker_port_binding */
	struct docker_restart_policy restart_policy;
	bool auto_remove;
	const char *volume_driver;
	char **volumes_from;
	struct json *console_size; /* [height, width] */
	struct field_map *annotations;

	char **cap_add, **cap_drop;
	const char *cgroupns_mode;
	char **dns, **dns_options, **dns_search, **extra_hosts, **group_add;
	const char *ipc_mode, *cgroup;
	char **links;
	int64_t oom_score_adj;
	const char *pid_mode;
	bool privileged, publish_all_ports, readonly_rootfs;
	char **security_opt;
	struct field_map *storage_opt;
	struct field_map *tmpfs; /* path → options */
	const char *uts_mode, *userns_mode;
	int64_t shm_size; /* bytes */
	struct field_map *sysctls;
	const char *runtime, *isolation;

	/* Resources. Memory in bytes, times in µs unless named otherwise. */
	int64_t cpu_shares, memory, nano_cpus;
	const char *cgroup_parent;
	uint16_t blkio_weight;
	struct field_list blkio_weight_device; /* docker_weight_device */
	struct field_list blkio_device_read_bps, blkio_device_write_bps; /* docker_throttle_device */
	struct field_list blkio_device_read_iops, blkio_device_write_iops;
	int64_t cpu_period, cpu_quota, cpu_realtime_period, cpu_realtime_runtime;
	const char *cpuset_cpus, *cpuset_mems;
	struct field_list devices; /* docker_device */
	char **device_cgroup_rules;
	struct field_list device_requests; /* docker_device_request */
	int64_t kernel_memory_tcp, memory_reservation, memory_swap;
	struct field_opt_i64 memory_swappiness;
	struct field_opt_bool oom_kill_disable;
	struct field_opt_i64 pids_limit;
	struct field_list ulimits; /* docker_ulimit */
	int64_t cpu_count, cpu_percent; /* Windows: accepted as 0 only */
	uint64_t io_maximum_iops, io_maximum_bandwidth;

	struct field_list mounts; /* docker_mount */
	char **masked_paths, **readonly_paths;
	struct field_opt_bool init;
};
extern const struct field docker_host_config_fields[];

/* POST /containers/create: ContainerConfig with two more members. */
struct docker_create_request {
	struct docker_config config;
	struct docker_host_config *host_config;
	struct json *networking_config; /* {"EndpointsConfig": {name: EndpointSettings}}; docker_network.h decodes the values */
};
/* Members of the config are on the top level of the document, so this takes three passes over it. Strings are accepted
 * where Go's strslice takes them (Cmd, Entrypoint). */
es_err *docker_create_request_decode(struct arena *a, struct json *body, struct docker_create_request *ret) ES_CHECKED;

struct docker_create_reply {
	const char *id;
	char **warnings;
};
extern const struct field docker_create_reply_fields[];

/* POST /containers/{id}/update: Resources + RestartPolicy; absent members stay as they are. */
struct docker_update_reply {
	char **warnings;
};
extern const struct field docker_update_reply_fields[];

/* A mount point as inspect and list show it. */
struct docker_mount_point {
	const char *type, *name, *source, *destination, *driver, *mode;
	bool rw;
	const char *propagation;
};
extern const struct field docker_mount_point_fields[];

struct docker_health_result {
	int64_t start, end; /* ns since 1970 */
	int64_t exit_code;
	const char *output;
};
struct docker_health {
	const char *status; /* none, starting, healthy, unhealthy */
	int64_t failing_streak;
	struct field_list log; /* docker_health_result */
};
extern const struct field docker_health_fields[];

struct docker_state {
	const char *status; /* created, running, paused, restarting, removing, exited, dead */
	bool running, paused, restarting, oom_killed, dead;
	int64_t pid, exit_code;
	const char *error;
	int64_t started_at, finished_at; /* ns; INT64_MIN: never */
	struct docker_health *health;
};
extern const struct field docker_state_fields[];

struct docker_graph_driver {
	struct field_map *data;
	const char *name;
};
extern const struct field docker_graph_driver_fields[];

/* NetworkSettings of inspect. Ports: null value where exposed and not published. */
struct docker_network_settings {
	const char *bridge, *sandbox_id, *sandbox_key;
	struct field_map *ports; /* "80/tcp" → struct field_list of docker_port_binding, or NULL */
	bool hairpin_mode;
	const char *link_local_ipv6_address;
	int64_t link_local_ipv6_prefix_len;
	struct json *secondary_ip_addresses, *secondary_ipv6_addresses;
	const char *endpoint_id, *gateway, *global_ipv6_address;
	int64_t global_ipv6_prefix_len;
	const char *ip_address;
	int64_t ip_prefix_len;
	const char *ipv6_gateway, *mac_address;
	struct json *networks; /* name → EndpointSettings */
};
extern const struct field docker_network_settings_fields[];

/* GET /containers/{id}/json */
struct docker_inspect {
	const char *id;
	int64_t created;
	const char *path;
	char **args;
	struct docker_state state;
	const char *image, *resolv_conf_path, *hostname_path, *hosts_path, *log_path, *name;
	int64_t restart_count;
	const char *driver, *platform, *mount_label, *process_label, *app_armor_profile;
	char **exec_ids;
	struct docker_host_config *host_config;
	struct docker_graph_driver graph_driver;
	struct field_opt_i64 size_rw, size_root_fs;
	struct field_list mounts; /* docker_mount_point */
	struct docker_config *config;
	struct docker_network_settings network_settings;
};
extern const struct field docker_inspect_fields[];

struct docker_port {
	const char *ip;
	uint16_t private_port, public_port;
	const char *type;
};
struct docker_summary_host_config {
	const char *network_mode;
	struct field_map *annotations;
};
struct docker_summary_networks {
	struct json *networks;
};
/* One row of GET /containers/json */
struct docker_summary {
	const char *id;
	char **names;
	const char *image, *image_id, *command;
	int64_t created; /* seconds since 1970 */
	struct field_list ports; /* docker_port */
	struct field_opt_i64 size_rw, size_root_fs;
	struct field_map *labels;
	const char *state, *status;
	struct docker_summary_host_config host_config;
	struct docker_summary_networks network_settings;
	struct field_list mounts; /* docker_mount_point */
};
extern const struct field docker_summary_fields[];

/* POST /containers/{id}/exec */
struct docker_exec_request {
	const char *user;
	bool privileged, tty;
	struct json *console_size;
	bool attach_stdin, attach_stdout, attach_stderr, detach;
	const char *detach_keys;
	char **env;
	const char *working_dir;
	char **cmd;
};
extern const struct field docker_exec_request_fields[];

struct docker_exec_process {
	bool tty;
	const char *entrypoint;
	char **arguments;
	struct field_opt_bool privileged;
	const char *user;
};
/* GET /exec/{id}/json */
struct docker_exec_inspect {
	const char *id;
	bool running;
	struct field_opt_i64 exit_code; /* null while it runs */
	struct docker_exec_process process_config;
	bool open_stdin, open_stderr, open_stdout, can_remove;
	const char *container_id, *detach_keys;
	int64_t pid;
};
extern const struct field docker_exec_inspect_fields[];
