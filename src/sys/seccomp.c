/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp.c: read a BPF program and hand it to the kernel. */
#include "sys/seccomp.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include "base/str.h"

static const struct {
	const char *name;
	unsigned bit;
} flags_by_name[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
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

es_err *seccomp_load(const void *program, size_t len, unsigned flags)
{
	struct sock_fprog prog = {
		.len = (unsigned short)(len / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)(uintptr_t)program,
	};

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog) != 0)
		return es_err_sys(errno, "load seccomp filter");
	return NULL;
}
