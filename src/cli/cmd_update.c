/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_update.c: estiba update. */
#include "cli/client.h"
#include "cli/valuespec.h"

struct values {
	uint16_t blkio_weight;
	int64_t cpu_period, cpu_quota, cpu_rt_period, cpu_rt_runtime, cpu_shares, cpus, memory, reservation, swap, pids;
	const char *cpuset_cpus, *cpuset_mems, *restart;
};

static const struct opt options[] = {
	O_U16(struct values, blkio_weight, "blkio-weight", 0, .shown = "0", .help = "Share of block I/O, 10 to 1000; 0: not set"),
	O_I64(struct values, cpu_period, "cpu-period", 0, .help = "Period of the CPU quota in microseconds"),
	O_I64(struct values, cpu_quota, "cpu-quota", 0, .help = "CPU time in each period in microseconds"),
	O_I64(struct values, cpu_rt_period, "cpu-rt-period", 0, .help = "Period of the real-time quota in microseconds"),
	O_I64(struct values, cpu_rt_runtime, "cpu-rt-runtime", 0, .help = "Real-time CPU time in each period in microseconds"),
	O_I64(struct values, cpu_shares, "cpu-shares", 'c', .help = "Share of CPU time when it is scarce"),
	O_CALL(struct values, cpus, "cpus", 0, .value_name = "decimal", .set = value_set_cpus, .help = "How many CPUs it may use"),
	O_STR(struct values, cpuset_cpus, "cpuset-cpus", 0, .help = "CPUs it may run on (0-3, 0,1)"),
	O_STR(struct values, cpuset_mems, "cpuset-mems", 0, .help = "Memory nodes it may use (0-3, 0,1)"),
	O_BYTES(struct values, memory, "memory", 'm', .help = "Limit of memory"),
	O_BYTES(struct values, reservation, "memory-reservation", 0, .help = "Soft limit of memory"),
	O_CALL(struct values, swap, "memory-swap", 0, .value_name = "bytes", .set = value_set_swap, .help = "Limit of memory and swap together; '-1': no limit of swap"),
	O_I64(struct values, pids, "pids-limit", 0, .help = "Limit of processes (-1: none)"),
	O_STR(struct values, restart, "restart", 0, .help = "When to start it again after it ended"),
	O_END,
};

static es_err *body_of(struct cli *c, const struct values *v, struct json **ret)
{
	struct docker_host_config host = {
		.blkio_weight = v->blkio_weight, .cpu_period = v->cpu_period, .cpu_quota = v->cpu_quota,
		.cpu_realtime_period = v->cpu_rt_period, .cpu_realtime_runtime = v->cpu_rt_runtime, .cpu_shares = v->cpu_shares,
		.nano_cpus = v->cpus, .cpuset_cpus = v->cpuset_cpus, .cpuset_mems = v->cpuset_mems, .memory = v->memory,
		.memory_reservation = v->reservation, .memory_swap = v->swap, .pids_limit = { opt_seen(&c->given, "pids-limit"), v->pids },
	};
	static const char *const members[] = {
		"BlkioWeight", "CpuPeriod", "CpuQuota", "CpuRealtimePeriod", "CpuRealtimeRuntime", "CpuShares", "NanoCpus", "CpusetCpus",
		"CpusetMems",  "Memory",    "MemoryReservation", "MemorySwap", "PidsLimit", "RestartPolicy",
	};
	struct json *all, *body = json_new_object(c->arena);

	if (!str_empty(v->restart))
		ES_TRY(value_restart(v->restart, &host.restart_policy, c->arena));
	all = field_encode(c->arena, docker_host_config_fields, &host);
	for (size_t i = 0; i < ES_N(members); i++) {
		const struct json *member = json_get(all, members[i]);
		struct json *copy;

		if (!member)
			continue;
		copy = ARENA_NEW(c->arena, struct json);
		*copy = *member;
		copy->next = NULL;
		json_set(c->arena, body, members[i], copy);
	}
	*ret = body;
	return NULL;
}

static es_err *run(struct cli *c)
{
	struct json *body;

	if (!c->given.n_seen)
		return es_err_new(ES_E_INVALID, "you must provide one or more flags when using this command");
	ES_TRY(body_of(c, c->values, &body));
	for (char **name = c->args; *name; name++) {
		struct json *reply = NULL;
		es_err *err = client_call(c, "POST", client_path(c, "/containers/%s/update", *name), NULL, body, &reply);

		if (err) {
			cli_report(c, err);
			continue;
		}
		cli_puts(*name);
		JSON_EACH(warning, json_get(reply, "Warnings"))
			cli_warn("%s", json_str(warning) ? json_str(warning) : "");
	}
	return NULL;
}

const struct cmd cmd_update = {
	.paths = "container update, update",
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Change the limits of containers",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = -1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};
