/* SPDX-License-Identifier: Apache-2.0 */
/* rtargs.c: one row per option. */
#include "runtime/rtargs.h"

#include <stddef.h>
#include <stdio.h>

#include "base/str.h"

enum kind { FLAG, TEXT, NUMBER, LIST };

static const struct row {
	unsigned of;
	const char *name;
	char letter;
	enum kind kind;
	size_t offset;
	const char *help;
} rows[] = {
#define AT(member) offsetof(struct rtargs, member)
	{ OF_GLOBAL, "root", 0, TEXT, AT(root), "directory for the state of containers (on a tmpfs)" },
	{ OF_GLOBAL, "log", 0, TEXT, AT(log), "file that gets log lines beside standard error" },
	{ OF_GLOBAL, "log-format", 0, TEXT, AT(log_format), "text or json" },
	{ OF_GLOBAL, "debug", 0, FLAG, AT(debug), "log more" },
	{ OF_GLOBAL, "systemd-cgroup", 0, FLAG, AT(systemd_cgroup), "have systemd make the cgroup; cgroupsPath is slice:prefix:name" },
	{ OF_GLOBAL, "cgroup-manager", 0, TEXT, AT(cgroup_manager), "cgroupfs, systemd or disabled" },
	{ OF_GLOBAL, "rootless", 0, TEXT, AT(rootless), "true, false or auto: whether a missing cgroup is no failure" },
	{ OF_GLOBAL, "version", 'v', FLAG, AT(version), "print the version" },
	{ OF_GLOBAL | OF_ANY, "help", 'h', FLAG, AT(help), "print this" },
	{ OF_CREATE | OF_RUN | OF_SPEC, "bundle", 'b', TEXT, AT(bundle), "directory with config.json; else the current one" },
	{ OF_CREATE | OF_RUN | OF_EXEC, "console-socket", 0, TEXT, AT(console_socket), "unix socket that receives the terminal" },
	{ OF_CREATE | OF_RUN | OF_EXEC, "pid-file", 0, TEXT, AT(pid_file), "file that gets the process id" },
	{ OF_CREATE | OF_RUN | OF_EXEC, "preserve-fds", 0, NUMBER, AT(preserve_fds), "hand on N descriptors after standard error" },
	{ OF_CREATE | OF_RUN, "no-new-keyring", 0, FLAG, AT(no_new_keyring), "keep the caller's session keyring" },
	{ OF_CREATE | OF_RUN, "no-pivot", 0, FLAG, AT(no_pivot), "not supported; refused" },
	{ OF_RUN | OF_EXEC, "detach", 'd', FLAG, AT(detach), "leave once the command runs" },
	{ OF_RUN, "keep", 0, FLAG, AT(keep), "do not delete the container when it ends" },
	{ OF_RUN, "no-subreaper", 0, FLAG, AT(no_subreaper), "this runtime is never one" },
	{ OF_EXEC, "process", 'p', TEXT, AT(process), "process.json" },
	{ OF_EXEC, "cwd", 0, TEXT, AT(cwd), "working directory" },
	{ OF_EXEC, "env", 'e', LIST, AT(env), "NAME=VALUE" },
	{ OF_EXEC, "tty", 't', FLAG, AT(tty), "with a terminal" },
	{ OF_EXEC, "user", 'u', TEXT, AT(user), "UID[:GID]" },
	{ OF_EXEC, "additional-gids", 'g', LIST, AT(gids), "GID" },
	{ OF_EXEC, "process-label", 0, TEXT, AT(process_label), "SELinux label" },
	{ OF_EXEC, "apparmor", 0, TEXT, AT(apparmor), "AppArmor profile" },
	{ OF_EXEC, "no-new-privs", 0, FLAG, AT(no_new_privs), "set no_new_privs" },
	{ OF_EXEC, "cap", 'c', LIST, AT(caps), "add a capability" },
	{ OF_EXEC, "ignore-paused", 0, FLAG, AT(ignore_paused), "even when the container is paused" },
	{ OF_EXEC, "cgroup", 0, LIST, AT(cgroups), "[CONTROLLER,...:]PATH, the group below the container's to run in" },
	{ OF_KILL, "all", 'a', FLAG, AT(all), "every process of the container" },
	{ OF_DELETE, "force", 'f', FLAG, AT(force), "kill it first" },
	{ OF_LIST | OF_PS, "format", 'f', TEXT, AT(format), "table or json" },
	{ OF_LIST, "quiet", 'q', FLAG, AT(quiet), "ids only" },
	{ OF_EVENTS, "stats", 0, FLAG, AT(stats), "print the figures once" },
	{ OF_EVENTS, "interval", 0, TEXT, AT(interval), "time between two prints of the figures; 5s" },
	{ OF_SPEC, "rootless", 0, FLAG, AT(spec_rootless), "for a container without root's rights" },
	{ OF_UPDATE, "resources", 'r', TEXT, AT(resources), "file with linux.resources as JSON, - for standard input" },
	{ OF_UPDATE, "memory", 0, TEXT, AT(memory), "bytes" },
	{ OF_UPDATE, "memory-reservation", 0, TEXT, AT(memory_reservation), "bytes" },
	{ OF_UPDATE, "memory-swap", 0, TEXT, AT(memory_swap), "memory and swap, bytes; -1: no limit" },
	{ OF_UPDATE, "cpu-period", 0, TEXT, AT(cpu_period), "microseconds" },
	{ OF_UPDATE, "cpu-quota", 0, TEXT, AT(cpu_quota), "microseconds per period" },
	{ OF_UPDATE, "cpu-burst", 0, TEXT, AT(cpu_burst), "microseconds" },
	{ OF_UPDATE, "cpu-share", 0, TEXT, AT(cpu_share), "relative weight" },
	{ OF_UPDATE, "cpu-rt-period", 0, TEXT, AT(cpu_rt_period), "microseconds" },
	{ OF_UPDATE, "cpu-rt-runtime", 0, TEXT, AT(cpu_rt_runtime), "microseconds" },
	{ OF_UPDATE, "cpu-idle", 0, TEXT, AT(cpu_idle), "0 or 1" },
	{ OF_UPDATE, "cpuset-cpus", 0, TEXT, AT(cpuset_cpus), "list of processors" },
	{ OF_UPDATE, "cpuset-mems", 0, TEXT, AT(cpuset_mems), "list of memory nodes" },
	{ OF_UPDATE, "pids-limit", 0, TEXT, AT(pids_limit), "processes" },
	{ OF_UPDATE, "blkio-weight", 0, TEXT, AT(blkio_weight), "10 to 1000" },
#undef AT
};

static const struct row *find(unsigned of, const char *name, size_t len)
{
	for (size_t i = 0; i < ES_N(rows); i++) {
		if (!(rows[i].of & (of | OF_ANY)))
			continue;
		if (strncmp(rows[i].name, name, len) == 0 && rows[i].name[len] == '\0')
			return &rows[i];
		if (len == 1 && rows[i].letter == name[0])
			return &rows[i];
	}
	return NULL;
}

static es_err *store(const struct row *r, char *value, struct rtargs *out)
{
	void *at = (char *)out + r->offset;

	switch (r->kind) {
	case FLAG:
		*(bool *)at = !value || str_eq(value, "true");
		return NULL;
	case TEXT:
		*(const char **)at = value;
		return NULL;
	case NUMBER:
		ES_TRY(es_err_in(str_to_i64(value, 10, at), "--%s", r->name));
		return *(int64_t *)at < 0 ? es_err_new(ES_E_INVALID, "--%s: less than 0", r->name) : NULL;
	case LIST:
		strv_add(at, value);
		return NULL;
	}
	return NULL;
}

es_err *rtargs_parse(unsigned of, int argc, char **argv, int *at, struct rtargs *out)
{
	for (; *at < argc && argv[*at][0] == '-' && argv[*at][1]; (*at)++) {
		char *word = argv[*at], *name = word + 1 + (word[1] == '-'), *value = strchr(name, '=');
		const struct row *r;

		if (str_eq(word, "--")) {
			(*at)++;
			break;
		}
		r = find(of, name, value ? (size_t)(value - name) : strlen(name));
		if (!r)
			return es_err_new(ES_E_INVALID, "flag provided but not defined: %s", word);
		if (value)
			value++;
		else if (r->kind != FLAG && ++*at == argc)
			return es_err_new(ES_E_INVALID, "flag needs an argument: %s", word);
		else if (r->kind != FLAG)
			value = argv[*at];
		ES_TRY(store(r, value, out));
	}
	return NULL;
}

void rtargs_help(unsigned of)
{
	for (size_t i = 0; i < ES_N(rows); i++) {
		char name[48];

		if (!(rows[i].of & of))
			continue;
		snprintf(name, sizeof name, "--%s%s", rows[i].name, rows[i].kind == FLAG ? "" : " VALUE");
		printf("  %c%c%c %-28s %s\n", rows[i].letter ? '-' : ' ', rows[i].letter ? rows[i].letter : ' ',
		       rows[i].letter ? ',' : ' ', name, rows[i].help);
	}
}
