/* SPDX-License-Identifier: Apache-2.0 */
/* estiba-seccomp.c: linux.seccomp of an OCI config on standard input, the BPF program for it on standard output. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/str.h"
#include "spec/ocicheck.h"

#define PROGRAM_MAX (BPF_MAXINSNS * sizeof(struct sock_filter))
#define X32_BIT 0x40000000u

struct number {
	const char *name;
	uint32_t value;
};

static const struct number actions[] = {
	{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
	{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
	{ "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0) },
	{ "SCMP_ACT_TRACE", SCMP_ACT_TRACE(0) },
	{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
	{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
	{ "SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY },
};

static const struct number operators[] = {
	{ "SCMP_CMP_NE", SCMP_CMP_NE }, { "SCMP_CMP_LT", SCMP_CMP_LT }, { "SCMP_CMP_LE", SCMP_CMP_LE },
	{ "SCMP_CMP_EQ", SCMP_CMP_EQ }, { "SCMP_CMP_GE", SCMP_CMP_GE }, { "SCMP_CMP_GT", SCMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
};

/* What the kernels of this machine can run; a filter for others would never be asked. */
static const struct number architectures[] = {
#if defined(__x86_64__)
	{ "SCMP_ARCH_X86_64", SCMP_ARCH_X86_64 },
	{ "SCMP_ARCH_X86", SCMP_ARCH_X86 },
	{ "SCMP_ARCH_X32", SCMP_ARCH_X32 },
#else
	{ "SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64 },
	{ "SCMP_ARCH_ARM", SCMP_ARCH_ARM },
#endif
};

static es_err *number_of(const struct number *rows, size_t n, const char *kind, const char *name, uint32_t *ret)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(rows[i].name, name)) {
			*ret = rows[i].value;
			return NULL;
		}
	return es_err_new(ES_E_INVALID, "string %s is not a valid %s for seccomp", name ? name : "", kind);
}

/* ERRNO and TRACE carry a number; EPERM when none is given. */
static es_err *action_of(const char *name, struct field_opt_i64 errno_ret, uint32_t *ret)
{
	uint32_t data = errno_ret.set ? (uint32_t)errno_ret.v & 0xffff : EPERM;

	ES_TRY(number_of(actions, ES_N(actions), "action", name, ret));
	if (*ret == SCMP_ACT_ERRNO(0) || *ret == SCMP_ACT_TRACE(0))
		*ret |= data;
	return NULL;
}

static es_err *lib_error(int rc, const char *what, const char *name)
{
	return rc < 0 ? es_err_sys(-rc, "%s %s", what, name) : NULL;
}

static es_err *add_architectures(scmp_filter_ctx ctx, char *const *names)
{
	for (; names && *names; names++) {
		size_t i = 0;
		int rc;

		while (i < ES_N(architectures) && !str_eq(architectures[i].name, *names))
			i++;
		if (i == ES_N(architectures))
			continue;
		rc = seccomp_arch_add(ctx, architectures[i].value);
		if (rc != -EEXIST)
			ES_TRY(lib_error(rc, "add architecture", *names));
	}
	return NULL;
}

static es_err *add_call(scmp_filter_ctx ctx, uint32_t action, int nr, const char *name, const struct scmp_arg_cmp *args,
			unsigned n, bool alternatives)
{
	if (!alternatives)
		return lib_error(seccomp_rule_add_array(ctx, action, nr, n, args), "add rule for", name);
	for (unsigned i = 0; i < n; i++)
		ES_TRY(lib_error(seccomp_rule_add_array(ctx, action, nr, 1, args + i), "add rule for", name));
	return NULL;
}

/* Conditions on different arguments hold together; two on one argument are alternatives. */
static es_err *add_rule(scmp_filter_ctx ctx, const struct oci_seccomp_rule *r, uint32_t default_action)
{
	struct scmp_arg_cmp args[6];
	unsigned n = 0, seen = 0;
	bool alternatives = false;
	uint32_t action;

	ES_TRY(action_of(r->action, r->errno_ret, &action));
	if (action == default_action)
		return NULL;
	FIELD_LIST_EACH(const struct oci_seccomp_arg, a, &r->args) {
		uint32_t op = 0;

		ES_TRY(number_of(operators, ES_N(operators), "operator", a->op, &op));
		if (n == ES_N(args))
			return es_err_new(ES_E_INVALID, "syscalls: a rule has more than six conditions");
		alternatives = alternatives || (seen & 1u << a->index);
		seen |= 1u << a->index;
		args[n++] = (struct scmp_arg_cmp){ a->index, (enum scmp_compare)op, a->value, a->value_two };
	}
	for (char **name = r->names; name && *name; name++) {
		int nr = seccomp_syscall_resolve_name(*name);

		if (nr != __NR_SCMP_ERROR) /* a call that this library does not know cannot be allowed, nor need it be refused */
			ES_TRY(add_call(ctx, action, nr, *name, args, n, alternatives));
	}
	return NULL;
}

/* ---- calls that are newer than the profile ---- */

/* The highest number that the profile names for an architecture; -1: none. */
static int64_t highest(const struct oci_seccomp *p, uint32_t arch)
{
	int64_t max = -1;

	FIELD_LIST_EACH(const struct oci_seccomp_rule, r, &p->syscalls)
		for (char **name = r->names; name && *name; name++) {
			int nr = seccomp_syscall_resolve_name_arch(arch, *name);

			if (nr >= 0 && nr > max)
				max = nr;
		}
	return max;
}

#define STUB_MAX 64
#define RET_ENOSYS BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS)

static void put(struct sock_filter *out, size_t *n, struct sock_filter insn)
{
	out[(*n)++] = insn;
}

/* "Higher than MAX: no such call." Two instructions. */
static void refuse_above(struct sock_filter *out, size_t *n, int64_t max)
{
	put(out, n, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)max, 0, 1));
	put(out, n, (struct sock_filter)RET_ENOSYS);
}

/* A profile older than the kernel would answer EPERM to calls it has never heard of, and programs would not fall back as
 * they do on ENOSYS. So numbers above all that it names are answered before it is asked. x32 shares its architecture with
 * amd64 and is told apart by a bit. */
static size_t newer_calls(scmp_filter_ctx ctx, const struct oci_seccomp *p, struct sock_filter *out)
{
	size_t n = 0;

	for (size_t i = 0; i < ES_N(architectures); i++) {
		uint32_t arch = architectures[i].value;
		int64_t max, x32 = -1;
		size_t section;

		if (arch == SCMP_ARCH_X32 || seccomp_arch_exist(ctx, arch) != 0)
			continue;
		max = highest(p, arch);
		if (max < 0)
			continue;
		put(out, &n, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)));
		section = n;
		put(out, &n, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arch, 0, 0));
		put(out, &n, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
		if (arch == SCMP_ARCH_X86_64) {
			put(out, &n, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 2, 0));
			if (seccomp_arch_exist(ctx, SCMP_ARCH_X32) == 0)
				x32 = highest(p, SCMP_ARCH_X32);
		}
		refuse_above(out, &n, max);
		if (x32 >= 0) /* an amd64 number comes here too, and is below the bit */
			refuse_above(out, &n, x32 | X32_BIT);
		out[section].jf = (uint8_t)(n - section - 1);
	}
	return n;
}

/* ---- */

static es_err *write_program(scmp_filter_ctx ctx, const struct oci_seccomp *p, uint32_t default_action)
{
	struct sock_filter stub[STUB_MAX];
	es_autoclose int fd = memfd_create("program", MFD_CLOEXEC);
	es_autofree char *program = NULL;
	size_t len, n = 0;

	if (fd < 0)
		return es_err_sys(errno, "memfd");
	ES_TRY(lib_error(seccomp_export_bpf(ctx, fd), "compile", "filter"));
	if (lseek(fd, 0, SEEK_SET) < 0)
		return es_err_sys(errno, "memfd");
	ES_TRY(file_read_all(fd, PROGRAM_MAX, &program, &len));
	if (default_action != SCMP_ACT_ALLOW && default_action != SCMP_ACT_LOG)
		n = newer_calls(ctx, p, stub);
	if (len + n * sizeof *stub > PROGRAM_MAX)
		return es_err_new(ES_E_LIMIT, "the filter has more than %d instructions", BPF_MAXINSNS);
	ES_TRY(file_write_all(1, stub, n * sizeof *stub));
	return file_write_all(1, program, len);
}

static es_err *compile(scmp_filter_ctx ctx, const struct oci_seccomp *p, uint32_t default_action)
{
	if (!ctx)
		return es_err_new(ES_E_SYSTEM, "libseccomp could not start a filter");
	ES_TRY(lib_error(seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2), "optimize", "filter"));
	ES_TRY(add_architectures(ctx, p->architectures));
	FIELD_LIST_EACH(const struct oci_seccomp_rule, r, &p->syscalls)
		ES_TRY(add_rule(ctx, r, default_action));
	return write_program(ctx, p, default_action);
}

static es_err *run(void)
{
	es_autoarena *a = arena_new();
	es_autofree char *text = NULL;
	struct oci_seccomp p = { 0 };
	scmp_filter_ctx ctx;
	uint32_t default_action;
	es_err *err;
	size_t len;

	ES_TRY(file_read_all(0, OCI_RUNTIME_CONFIG_MAX, &text, &len));
	ES_TRY(field_decode_text(a, oci_seccomp_fields, text, len, &p));
	ES_TRY(ocicheck_seccomp(&p));
	ES_TRY(action_of(p.default_action, p.default_errno_ret, &default_action));
	ctx = seccomp_init(default_action);
	err = compile(ctx, &p, default_action);
	seccomp_release(ctx);
	return err;
}

int main(int argc, char **argv)
{
	const struct scmp_version *v = seccomp_version();
	es_err *err;

	if (argc == 2 && str_eq(argv[1], "--version")) { /* what decides about the program besides the profile */
		printf("estiba-seccomp %s libseccomp %u.%u.%u api %u\n", ESTIBA_VERSION, v->major, v->minor, v->micro, seccomp_api_get());
		return 0;
	}
	err = run();

	if (!err)
		return 0;
	fprintf(stderr, "%s\n", es_err_text(err));
	es_err_free(err);
	return 1;
}
