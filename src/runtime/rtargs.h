/* SPDX-License-Identifier: Apache-2.0 */
/* rtargs.h: the options of all commands in one table, and their values in one struct. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct rtargs {
	/* global */
	char *own_root; /* what root is when it was not given and is not the usual one */
	const char *root, *log, *log_format, *rootless, *cgroup_manager, *criu;
	bool debug, systemd_cgroup, help, version;
	bool root_given; /* root is what --root said */
	/* of commands */
	const char *bundle, *console_socket, *pid_file, *process, *cwd, *user, *apparmor, *process_label, *format, *resources, *interval;
	bool detach, keep, no_subreaper, no_pivot, no_new_keyring, tty, no_new_privs, ignore_paused, all, force, quiet, spec_rootless, stats;
	int64_t preserve_fds;
	char **env, **caps, **gids, **cgroups;
	/* update */
	const char *memory, *memory_reservation, *memory_swap, *cpu_period, *cpu_quota, *cpu_burst, *cpu_share, *cpu_rt_period,
		*cpu_rt_runtime, *cpuset_cpus, *cpuset_mems, *pids_limit, *blkio_weight, *cpu_idle;
	/* what is left */
	char **rest;
	int n_rest;
};

/* Commands an option belongs to, as a set. */
enum rtargs_of {
	OF_GLOBAL = 1 << 0,
	OF_CREATE = 1 << 1,
	OF_RUN = 1 << 2,
	OF_EXEC = 1 << 3,
	OF_KILL = 1 << 4,
	OF_DELETE = 1 << 5,
	OF_LIST = 1 << 6,
	OF_PS = 1 << 7,
	OF_UPDATE = 1 << 8,
	OF_SPEC = 1 << 9,
	OF_ANY = 1 << 10,
	OF_EVENTS = 1 << 11,
};

/* Take the options of OF from ARGV[*AT] on, up to the first word that is none; unknown ones are refused by name. */
es_err *rtargs_parse(unsigned of, int argc, char **argv, int *at, struct rtargs *out) ES_CHECKED;
/* Lines of --help for OF, on standard output. */
void rtargs_help(unsigned of);
