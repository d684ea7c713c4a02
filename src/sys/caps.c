/* SPDX-License-Identifier: Apache-2.0 */
/* caps.c: the table of names, and the three system calls. */
#include "sys/caps.h"

#include <linux/capability.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/str.h"

static const char *const names[] = {
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
	"CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
	"CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
	"CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
	"CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
};
_Static_assert(ES_N(names) == CAPS_LAST + 1, "a capability without a name");

int caps_number(const char *name)
{
	for (size_t i = 0; i < ES_N(names); i++)
		if (str_eq_nocase(name, names[i]) || str_eq_nocase(name, names[i] + 4))
			return (int)i;
	return -1;
}

const char *caps_name(unsigned number)
{
	return number <= CAPS_LAST ? names[number] : NULL;
}

uint64_t caps_set(char *const *list, const char **ret_unknown)
{
	uint64_t set = 0;

	for (; list && *list; list++) {
		int n = caps_number(*list);

		if (n >= 0)
			set |= UINT64_C(1) << n;
		else if (ret_unknown && !*ret_unknown)
			*ret_unknown = *list;
	}
	return set;
}

bool caps_in_bounds(unsigned number)
{
	return prctl(PR_CAPBSET_READ, (unsigned long)number, 0ul, 0ul, 0ul) == 1;
}

es_err *caps_keep(void)
{
	return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ? es_err_sys(errno, "keep capabilities") : NULL;
}

es_err *caps_limit(const struct caps *c)
{
	for (unsigned i = 0; i <= CAPS_LAST; i++) {
		if (c->bounding & (UINT64_C(1) << i))
			continue;
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0 && errno != EINVAL)
			return es_err_sys(errno, "drop %s from the bounding set", names[i]);
	}
	return NULL;
}

static es_err *get(struct __user_cap_data_struct *data)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return syscall(SYS_capget, &h, data) < 0 ? es_err_sys(errno, "capget") : NULL;
}

es_err *caps_wear(uint64_t want)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	ES_TRY(get(d));
	d[0].effective = (uint32_t)want & d[0].permitted;
	d[1].effective = (uint32_t)(want >> 32) & d[1].permitted;
	return syscall(SYS_capset, &h, d) < 0 ? es_err_sys(errno, "capset") : NULL;
}

bool caps_have(unsigned number)
{
	struct __user_cap_data_struct d[2];
	es_autoerr es_err *err = get(d);

	return !err && d[number / 32].effective & (1u << number % 32);
}

es_err *caps_apply(const struct caps *c)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];
	uint64_t have, permitted, effective, inheritable;

	ES_TRY(get(d));
	have = (uint64_t)d[1].permitted << 32 | d[0].permitted;
	permitted = c->permitted & have;
	effective = c->effective & permitted;
	inheritable = c->inheritable & (have | ((uint64_t)d[1].inheritable << 32 | d[0].inheritable));
	for (unsigned i = 0; i < 2; i++) {
		d[i].permitted = (uint32_t)(permitted >> (32 * i));
		d[i].effective = (uint32_t)(effective >> (32 * i));
		d[i].inheritable = (uint32_t)(inheritable >> (32 * i));
	}
	if (syscall(SYS_capset, &h, d) < 0)
		return es_err_sys(errno, "capset");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return es_err_sys(errno, "clear ambient capabilities");
	for (unsigned i = 0; i <= CAPS_LAST; i++)
		if (c->ambient & permitted & inheritable & (UINT64_C(1) << i) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
			return es_err_sys(errno, "raise ambient %s", names[i]);
	return NULL;
}
