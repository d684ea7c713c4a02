/* SPDX-License-Identifier: Apache-2.0 */
/* floor.c: what the bare system calls of a container's start cost, chain by chain: the figure to compare runtimes with.
 *
 * Usage: floor [ROUNDS [SECCOMP-PROGRAM]]. Needs root. Every chain runs ROUNDS times, interleaved; printed are the median
 * microseconds from before the clone until the child is reaped. The child's program is this one, which returns at once. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "sys/cgroup.h"
#include "sys/clone.h"

#define ROUNDS_MAX 2000
#define EMPTY "floor-empty" /* argv[0] of the program that does nothing */
#define DOCKER_CAPS UINT64_C(0xa80425fb)

enum part { OVERLAY = 1, PROC_DEV = 2, DOCKER = 4, CGROUPS = 8, SHARED_MEMORY = 16 };

static const struct chain {
	const char *name;
	unsigned parts;
} chains[] = {
	{ "clone, exec", 0 },
	{ "6 namespaces + overlay + pivot + exec", OVERLAY },
	{ "+ proc, /dev", OVERLAY | PROC_DEV },
	{ "+ docker's mounts, masks, capabilities, seccomp", OVERLAY | PROC_DEV | DOCKER },
	{ "+ the cgroup hierarchies of this machine", OVERLAY | PROC_DEV | DOCKER | CGROUPS },
	{ "the same with CLONE_VM", OVERLAY | PROC_DEV | DOCKER | CGROUPS | SHARED_MEMORY },
};

struct bench {
	unsigned parts;
	char dir[64];
	int self; /* this program */
	struct sock_fprog seccomp;
	struct cgroup_host host;
	struct cgroup *cgroup;
	int gate[2];
};

static void die(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	_exit(2);
}

static void must(bool ok, const char *what)
{
	if (!ok)
		die(what);
}

static void must_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)
{
	must(mount(source, target, type, flags, data) == 0, target);
}

/* ---- the child: paths are relative to the new root until the pivot ---- */

static void overlay_root(const struct bench *b)
{
	char data[256];

	must_mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL);
	must(chdir(b->dir) == 0, b->dir);
	snprintf(data, sizeof data, "lowerdir=lower,upperdir=upper,workdir=work,volatile");
	must_mount("overlay", "root", "overlay", 0, data);
	must(chdir("root") == 0, "root");
}

static void proc_dev(void)
{
	static const struct {
		const char *name;
		unsigned major, minor;
	} nodes[] = { { "dev/null", 1, 3 }, { "dev/zero", 1, 5 }, { "dev/full", 1, 7 }, { "dev/random", 1, 8 },
		      { "dev/urandom", 1, 9 }, { "dev/tty", 5, 0 } };

	must_mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	must_mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=65536k");
	for (size_t i = 0; i < ES_N(nodes); i++)
		must(mknod(nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) == 0, nodes[i].name);
	must(symlink("/proc/self/fd", "dev/fd") == 0, "dev/fd");
}

static void docker_mounts(void)
{
	static const char *const masked[] = { "proc/keys", "proc/timer_list" };
	static const char *const read_only[] = { "proc/bus", "proc/fs", "proc/irq", "proc/sys" };
	unsigned long plain = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	must(mkdir("dev/pts", 0755) == 0 && mkdir("dev/shm", 0755) == 0 && mkdir("dev/mqueue", 0755) == 0, "mkdir in dev");
	must_mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
	must_mount("shm", "dev/shm", "tmpfs", plain, "mode=1777,size=65536k");
	must_mount("mqueue", "dev/mqueue", "mqueue", plain, NULL);
	must_mount("sysfs", "sys", "sysfs", plain | MS_RDONLY, NULL);
	for (size_t i = 0; i < ES_N(masked); i++)
		must_mount("/dev/null", masked[i], NULL, MS_BIND, NULL);
	for (size_t i = 0; i < ES_N(read_only); i++) {
		must_mount(read_only[i], read_only[i], NULL, MS_BIND | MS_REC, NULL);
		must_mount(NULL, read_only[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | plain, NULL);
	}
	must_mount("tmpfs", "sys/firmware", "tmpfs", MS_RDONLY, NULL);
}

static void pivot(void)
{
	must(syscall(SYS_pivot_root, ".", ".") == 0, "pivot_root");
	must(umount2(".", MNT_DETACH) == 0, "umount old root");
	must(chdir("/") == 0, "/");
}

static void docker_rights(const struct bench *b)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { 0 };

	must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0u, &b->seccomp) == 0, "seccomp");
	for (unsigned long i = 0; i <= 40; i++)
		if (!(DOCKER_CAPS & UINT64_C(1) << i))
			prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
	must(syscall(SYS_capget, &h, d) == 0, "capget");
	d[0].permitted &= (uint32_t)DOCKER_CAPS;
	d[0].effective &= (uint32_t)DOCKER_CAPS;
	d[1].permitted = d[1].effective = 0;
	must(syscall(SYS_capset, &h, d) == 0, "capset");
}

static int child(void *arg)
{
	const struct bench *b = arg;
	char *const argv[] = { (char *)(uintptr_t)EMPTY, NULL }, *const env[] = { NULL };
	char go;

	if (b->parts & OVERLAY)
		overlay_root(b);
	if (b->parts & PROC_DEV)
		proc_dev();
	if (b->parts & DOCKER)
		docker_mounts();
	if (b->parts & OVERLAY)
		pivot();
	if (b->parts & CGROUPS)
		must(read(b->gate[0], &go, 1) == 1, "gate");
	if (b->parts & DOCKER)
		docker_rights(b);
	syscall(SYS_execveat, b->self, "", argv, env, AT_EMPTY_PATH);
	die("exec");
	return 1;
}

/* ---- the parent ---- */

static void fail(es_err *err)
{
	if (!err)
		return;
	fprintf(stderr, "floor: %s\n", es_err_text(err));
	exit(2);
}

/* Microseconds of one run of a chain; clean-up is not counted. */
static double once(struct bench *b)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	struct clone_stack stack = { 0 };
	char path[128];
	int64_t start;
	int status = 0;
	pid_t pid;
	double us;

	if (b->parts & OVERLAY)
		args.flags |= CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP;
	if (b->parts & SHARED_MEMORY) {
		args.flags |= CLONE_VM;
		fail(clone_stack_new(65536, &stack));
	}
	must(pipe2(b->gate, O_CLOEXEC) == 0, "pipe");
	start = clock_mono_ns();
	if (b->parts & CGROUPS) {
		snprintf(path, sizeof path, "/estiba-floor-%d", (int)getpid());
		fail(cgroup_create(&b->host, path, &b->cgroup));
	}
	pid = clone_call(&args, b->parts & SHARED_MEMORY ? &stack : NULL, child, b);
	must(pid > 0, "clone");
	if (b->parts & CGROUPS) {
		fail(cgroup_join(b->cgroup, pid));
		must(write(b->gate[1], "g", 1) == 1, "gate");
	}
	must(waitpid(pid, &status, 0) == pid, "wait");
	us = (double)(clock_mono_ns() - start) / 1000;
	if (status) {
		fprintf(stderr, "floor: the child failed (0x%x)\n", (unsigned)status);
		exit(2);
	}
	close(b->gate[0]);
	close(b->gate[1]);
	clone_stack_done(&stack);
	if (b->parts & OVERLAY) { /* else a second volatile mount is refused */
		snprintf(path, sizeof path, "%s/work/work/incompat", b->dir);
		fail(file_remove_tree(AT_FDCWD, path));
	}
	if (b->cgroup)
		fail(cgroup_remove(b->cgroup));
	cgroup_free(b->cgroup);
	b->cgroup = NULL;
	return us;
}

static int by_value(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return (a > b) - (a < b);
}

/* Balanced comparisons, as a compiled docker profile has them; allows all. */
static void default_filter(struct sock_fprog *out)
{
	static struct sock_filter code[70];
	size_t n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
	for (; n < 69; n++)
		code[n] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)(n * 6), 0, 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	*out = (struct sock_fprog){ .len = (unsigned short)n, .filter = code };
}

static void read_filter(const char *path, struct sock_fprog *out)
{
	static struct sock_filter code[BPF_MAXINSNS];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	must(fd >= 0, path);
	n = read(fd, code, sizeof code);
	must(n > 0, path);
	close(fd);
	*out = (struct sock_fprog){ .len = (unsigned short)((size_t)n / sizeof *code), .filter = code };
}

static void make_tree(const char *dir)
{
	static const char *const names[] = { "lower", "lower/proc", "lower/dev", "lower/sys", "upper", "work", "root" };
	char path[128];

	for (size_t i = 0; i < ES_N(names); i++) {
		snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		must(mkdir(path, 0755) == 0, path);
	}
}

int main(int argc, char **argv)
{
	static double us[ES_N(chains)][ROUNDS_MAX];
	struct bench b = { .dir = "/tmp/estiba-floor.XXXXXX" };
	size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 200;

	if (str_eq(argv[0], EMPTY))
		return 0;
	if (rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "floor: 1 to %d rounds\n", ROUNDS_MAX);
		return 2;
	}
	must(mkdtemp(b.dir) != NULL, b.dir);
	make_tree(b.dir);
	b.self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (argc > 2)
		read_filter(argv[2], &b.seccomp);
	else
		default_filter(&b.seccomp);
	fail(cgroup_host_load(&b.host));
	for (size_t r = 0; r < rounds; r++)
		for (size_t i = 0; i < ES_N(chains); i++) {
			b.parts = chains[i].parts;
			us[i][r] = once(&b);
		}
	for (size_t i = 0; i < ES_N(chains); i++) {
		qsort(us[i], rounds, sizeof us[i][0], by_value);
		printf("%-50s %7.0f us\n", chains[i].name, us[i][rounds / 2]);
	}
	fail(file_remove_tree(AT_FDCWD, b.dir));
	return 0;
}
