/* SPDX-License-Identifier: Apache-2.0 */
/* mon.c: field tables of the messages between estibad and estiba-mon. */
#include "spec/mon.h"

static const char *const kinds[] = { "container", "exec", NULL };
static const char *const drivers[] = { "", "json-file", "none", NULL };
static const char *const policies[] = { "", "no", "on-failure", "always", "unless-stopped", NULL };
static const char *const uses[] = { "rootfs", "mount", "runtime", "program", "hold", NULL };

static const struct field log_rows[] = {
	F_ENUM(struct mon_log, driver, "driver", FIELD_OMIT_EMPTY, drivers),
	F_STR(struct mon_log, path, "path", FIELD_OMIT_EMPTY),
	F_I64(struct mon_log, max_size, "max_size", FIELD_OMIT_EMPTY),
	F_I64(struct mon_log, max_file, "max_file", FIELD_OMIT_EMPTY),
	F_RAW(struct mon_log, attrs, "attrs", FIELD_OMIT_EMPTY),
	F_END,
};

static const struct field restart_rows[] = {
	F_ENUM(struct mon_restart, name, "name", FIELD_OMIT_EMPTY, policies),
	F_I64(struct mon_restart, max_retries, "max_retries", FIELD_OMIT_EMPTY),
	F_END,
};

static const struct field health_rows[] = {
	F_STR(struct mon_health, process, "process", FIELD_REQUIRED),
	F_I64(struct mon_health, interval_ns, "interval_ns", FIELD_OMIT_EMPTY),
	F_I64(struct mon_health, timeout_ns, "timeout_ns", FIELD_OMIT_EMPTY),
	F_I64(struct mon_health, start_period_ns, "start_period_ns", FIELD_OMIT_EMPTY),
	F_I64(struct mon_health, start_interval_ns, "start_interval_ns", FIELD_OMIT_EMPTY),
	F_I64(struct mon_health, retries, "retries", FIELD_OMIT_EMPTY),
	F_END,
};

static const struct field attach_rows[] = {
	F_I32(struct mon_attach, fd, "fd", FIELD_OMIT_EMPTY),
	F_BOOL(struct mon_attach, in, "stdin", FIELD_OMIT_EMPTY),
	F_BOOL(struct mon_attach, out, "stdout", FIELD_OMIT_EMPTY),
	F_BOOL(struct mon_attach, err, "stderr", FIELD_OMIT_EMPTY),
	F_STR(struct mon_attach, detach_keys, "detach_keys", FIELD_OMIT_EMPTY),
	F_BYTES(struct mon_attach, head, "head", FIELD_OMIT_EMPTY),
	F_END,
};

static const struct field fd_rows[] = {
	F_I32(struct mon_fd, fd, "fd", FIELD_REQUIRED),
	F_ENUM(struct mon_fd, use, "use", FIELD_REQUIRED, uses),
	F_END,
};

const struct field mon_spec_rows[] = {
	F_I64(struct mon_spec, version, "version", FIELD_REQUIRED),
	F_ENUM(struct mon_spec, kind, "kind", FIELD_REQUIRED, kinds),
	F_STR(struct mon_spec, id, "id", FIELD_REQUIRED),
	F_STR(struct mon_spec, container_id, "container_id", FIELD_REQUIRED),
	F_STR(struct mon_spec, runtime, "runtime", FIELD_REQUIRED),
	F_STRV(struct mon_spec, runtime_args, "runtime_args", FIELD_OMIT_EMPTY),
	F_STR(struct mon_spec, bundle, "bundle", FIELD_OMIT_EMPTY),
	F_STR(struct mon_spec, process, "process", FIELD_OMIT_EMPTY),
	F_BOOL(struct mon_spec, tty, "tty", FIELD_OMIT_EMPTY),
	F_BOOL(struct mon_spec, open_stdin, "open_stdin", FIELD_OMIT_EMPTY),
	F_BOOL(struct mon_spec, stdin_once, "stdin_once", FIELD_OMIT_EMPTY),
	F_U32(struct mon_spec, uid, "uid", FIELD_OMIT_EMPTY),
	F_U32(struct mon_spec, gid, "gid", FIELD_OMIT_EMPTY),
	F_STR(struct mon_spec, detach_keys, "detach_keys", FIELD_OMIT_EMPTY),
	F_STRUCT(struct mon_spec, log, "log", 0, struct mon_log, log_rows),
	F_STRUCT(struct mon_spec, restart, "restart", 0, struct mon_restart, restart_rows),
	F_BOOL(struct mon_spec, single_run, "single_run", FIELD_OMIT_EMPTY),
	F_PTR(struct mon_spec, health, "health", FIELD_OMIT_EMPTY, struct mon_health, health_rows),
	F_I64(struct mon_spec, stop_signal, "stop_signal", FIELD_OMIT_EMPTY),
	F_I64(struct mon_spec, stop_timeout_ns, "stop_timeout_ns", 0),
	F_STR(struct mon_spec, memory_cgroup, "memory_cgroup", FIELD_OMIT_EMPTY),
	F_LIST(struct mon_spec, fds, "fds", FIELD_OMIT_EMPTY, struct mon_fd, fd_rows),
	F_LIST(struct mon_spec, attach, "attach", FIELD_OMIT_EMPTY, struct mon_attach, attach_rows),
	F_END,
};

const struct field mon_report_rows[] = {
	F_BOOL(struct mon_report, ok, "ok", 0),
	F_I64(struct mon_report, pid, "pid", FIELD_OMIT_EMPTY),
	F_U64(struct mon_report, start_ticks, "start_ticks", FIELD_OMIT_EMPTY),
	F_TIME(struct mon_report, started_at, "started_at", FIELD_OMIT_EMPTY),
	F_STR(struct mon_report, message, "message", FIELD_OMIT_EMPTY),
	F_I64(struct mon_report, exit_code, "exit_code", FIELD_OMIT_EMPTY),
	F_END,
};

const struct field mon_request_rows[] = {
	F_STR(struct mon_request, op, "op", FIELD_REQUIRED),
	F_STRUCT(struct mon_request, attach, "attach", FIELD_OMIT_EMPTY, struct mon_attach, attach_rows),
	F_I64(struct mon_request, w, "w", FIELD_OMIT_EMPTY),
	F_I64(struct mon_request, h, "h", FIELD_OMIT_EMPTY),
	F_I64(struct mon_request, signal, "signal", FIELD_OMIT_EMPTY),
	F_BOOL(struct mon_request, no_restart, "no_restart", FIELD_OMIT_EMPTY),
	F_OPT_I64(struct mon_request, timeout_ns, "timeout_ns", FIELD_OMIT_EMPTY),
	F_STRUCT(struct mon_request, restart, "restart", FIELD_OMIT_EMPTY, struct mon_restart, restart_rows),
	F_U64(struct mon_request, from_seq, "from_seq", FIELD_OMIT_EMPTY),
	F_END,
};

static const struct field probe_rows[] = {
	F_TIME(struct mon_probe, start, "start", 0),
	F_TIME(struct mon_probe, end, "end", 0),
	F_I64(struct mon_probe, exit_code, "exit_code", 0),
	F_STR(struct mon_probe, output, "output", 0),
	F_END,
};

static const struct field status_rows[] = {
	F_STR(struct mon_status, state, "state", 0),
	F_I64(struct mon_status, pid, "pid", 0),
	F_U64(struct mon_status, start_ticks, "start_ticks", 0),
	F_TIME(struct mon_status, started_at, "started_at", 0),
	F_TIME(struct mon_status, finished_at, "finished_at", 0),
	F_I64(struct mon_status, exit_code, "exit_code", 0),
	F_BOOL(struct mon_status, oom, "oom", 0),
	F_STR(struct mon_status, error, "error", FIELD_OMIT_EMPTY),
	F_I64(struct mon_status, restart_count, "restart_count", 0),
	F_BOOL(struct mon_status, stopped_by_user, "stopped_by_user", 0),
	F_STR(struct mon_status, health, "health", FIELD_OMIT_EMPTY),
	F_I64(struct mon_status, failing_streak, "failing_streak", FIELD_OMIT_EMPTY),
	F_LIST(struct mon_status, probes, "probes", FIELD_OMIT_EMPTY, struct mon_probe, probe_rows),
	F_I64(struct mon_status, log_dropped, "log_dropped", 0),
	F_I64(struct mon_status, clients, "clients", 0),
	F_U64(struct mon_status, last_seq, "last_seq", 0),
	F_STR(struct mon_status, binary_version, "binary_version", 0),
	F_END,
};

static const struct field error_rows[] = {
	F_STR(struct mon_error, class, "class", 0),
	F_STR(struct mon_error, message, "message", 0),
	F_END,
};

const struct field mon_reply_rows[] = {
	F_BOOL(struct mon_reply, ok, "ok", 0),
	F_PTR(struct mon_reply, error, "error", FIELD_OMIT_EMPTY, struct mon_error, error_rows),
	F_PTR(struct mon_reply, status, "status", FIELD_OMIT_EMPTY, struct mon_status, status_rows),
	F_END,
};

const struct field mon_record_rows[] = {
	F_U64(struct mon_record, seq, "seq", FIELD_REQUIRED),
	F_TIME(struct mon_record, time, "time", FIELD_REQUIRED),
	F_STR(struct mon_record, event, "event", FIELD_REQUIRED),
	F_I64(struct mon_record, pid, "pid", FIELD_OMIT_EMPTY),
	F_U64(struct mon_record, start_ticks, "start_ticks", FIELD_OMIT_EMPTY),
	F_I64(struct mon_record, exit_code, "exit_code", FIELD_OMIT_EMPTY),
	F_I64(struct mon_record, signal, "signal", FIELD_OMIT_EMPTY),
	F_BOOL(struct mon_record, oom, "oom", FIELD_OMIT_EMPTY),
	F_STR(struct mon_record, error, "error", FIELD_OMIT_EMPTY),
	F_STR(struct mon_record, health, "health", FIELD_OMIT_EMPTY),
	F_I64(struct mon_record, restart_count, "restart_count", FIELD_OMIT_EMPTY),
	F_BOOL(struct mon_record, final, "final", FIELD_OMIT_EMPTY),
	F_END,
};
