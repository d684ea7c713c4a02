/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp.c: read a BPF program and hand it to the kernel. */
#include "sys/seccomp.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/syscall.h>

#include "base/str.h"

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#error "name the audit architecture of this machine"
#endif

/* linux/seccomp.h, since 5.19 and 5.7; older headers do not name them. */
enum { FLAG_TSYNC_ESRCH = 1 << 4, FLAG_WAIT_KILLABLE_RECV = 1 << 5 };

static const struct {
	const char *name;
	unsigned bit;
} flags_by_name[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", FLAG_WAIT_KILLABLE_RECV },
};

es_err *seccomp_read(int fd, void **ret_program, size_t *ret_len)
{
	char *p = es_xmalloc(SECCOMP_PROGRAM_MAX + 1);
	size_t len = 0;
	ssize_t n;

	while ((n = pread(fd, p + len, SECCOMP_PROGRAM_MAX + 1 - len, (off_t)len)) > 0 ||
	       (n < 0 && errno == EINTR))
		len += n > 0 ? (size_t)n : 0;
	if (n < 0) {
		free(p);
		return es_err_sys(errno, "read seccomp program");
	}
	if (len == 0 || len > SECCOMP_PROGRAM_MAX || len % sizeof(struct sock_filter)) {
		free(p);
		return es_err_new(ES_E_INVALID, "seccomp program of %zu bytes is not one", len);
	}
	*ret_program = p;
	*ret_len = len;
	return NULL;
}

es_err *seccomp_flag(const char *name, unsigned *ret_bit)
{
	for (size_t i = 0; i < ES_N(flags_by_name); i++)
		if (str_eq(name, flags_by_name[i].name)) {
			*ret_bit = flags_by_name[i].bit;
			return NULL;
		}
	return es_err_new(ES_E_INVALID, "seccomp flag \"%s\" is not known", name);
}

static long load(const void *program, size_t len, unsigned flags)
{
	struct sock_fprog prog = {
		.len = (unsigned short)(len / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)(uintptr_t)program,
	};

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

es_err *seccomp_load(const void *program, size_t len, unsigned flags)
{
	/* with TSYNC the result may also be the thread that could not follow */
	return load(program, len, flags & ~(unsigned)FLAG_WAIT_KILLABLE_RECV) == 0 ? NULL : es_err_sys(errno, "load seccomp filter");
}

es_err *seccomp_load_notify(const void *program, size_t len, unsigned flags, int *ret_listener)
{
	long fd;

	if (flags & SECCOMP_FILTER_FLAG_TSYNC) /* one result cannot be a descriptor and a thread */
		flags |= FLAG_TSYNC_ESRCH;
	fd = load(program, len, flags | SECCOMP_FILTER_FLAG_NEW_LISTENER);
	if (fd < 0)
		return es_err_sys(errno, "load seccomp filter with a listener");
	*ret_listener = (int)fd;
	return NULL;
}

/* The kernel looks at the flags first, and then finds no program. */
bool seccomp_flag_works(unsigned bit)
{
	if (bit == FLAG_WAIT_KILLABLE_RECV)
		bit |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, bit, NULL) < 0 && errno == EFAULT;
}

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)
/* When the accumulator is K: go on, else skip N instructions. */
#define UNLESS_SKIP(k, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), 0, (n))

es_err *seccomp_allow_only(const int *allowed, size_t n, const struct sock_filter *extra, size_t n_extra)
{
	static const struct sock_filter head[] = {
		LOAD(arch),
		UNLESS_SKIP(OUR_ARCH, 1),
		BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
		/* clone(2) only for a thread of our own */
		UNLESS_SKIP(SYS_clone, 4),
		LOAD(args[0]),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_ERRNO | ENOSYS),
	};
	struct sock_filter program[ES_N(head) + SECCOMP_EXTRA_MAX + 2 * SECCOMP_ALLOW_MAX + 1];
	size_t at = ES_N(head);

	if (n > SECCOMP_ALLOW_MAX || n_extra > SECCOMP_EXTRA_MAX)
		return es_err_new(ES_E_LIMIT, "seccomp list of %zu calls and %zu instructions", n, n_extra);
	memcpy(program, head, sizeof head);
	for (size_t i = 0; i < n_extra; i++)
		program[at++] = extra[i];
	for (size_t i = 0; i < n; i++) {
		program[at++] = (struct sock_filter)UNLESS_SKIP((uint32_t)allowed[i], 1);
		program[at++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	}
	program[at++] = (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | ENOSYS);
	return ES_SANITIZED ? NULL : seccomp_load(program, at * sizeof program[0], SECCOMP_FILTER_FLAG_TSYNC);
}
