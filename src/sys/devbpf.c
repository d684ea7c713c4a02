/* SPDX-License-Identifier: Apache-2.0 */
/* devbpf.c: assemble, load and attach a program of type BPF_PROG_TYPE_CGROUP_DEVICE. */
#include "sys/devbpf.h"

#include <linux/bpf.h>
#include <sys/syscall.h>

/* Registers: R1 context, R2 type, R3 access, R4 major, R5 minor (struct bpf_cgroup_dev_ctx). */
#define LOAD(reg, at) { .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = (reg), .src_reg = BPF_REG_1, .off = (at) }
#define AND(reg, k) { .code = BPF_ALU | BPF_AND | BPF_K, .dst_reg = (reg), .imm = (k) }
#define SHR(reg, k) { .code = BPF_ALU | BPF_RSH | BPF_K, .dst_reg = (reg), .imm = (k) }
#define COPY(to, from) { .code = BPF_ALU | BPF_MOV | BPF_X, .dst_reg = (to), .src_reg = (from) }
#define RETURN(v) { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = (v) }, { .code = BPF_JMP | BPF_EXIT }
#define DEVBPF_PER_RULE 9

static const struct bpf_insn prologue[] = {
	LOAD(BPF_REG_2, 0), COPY(BPF_REG_3, BPF_REG_2), AND(BPF_REG_2, 0xffff), SHR(BPF_REG_3, 16), LOAD(BPF_REG_4, 4), LOAD(BPF_REG_5, 8),
};

/* "Not equal: skip the rest of this rule." */
static void expect(struct bpf_insn *out, size_t *n, unsigned reg, int32_t value)
{
	out[(*n)++] = (struct bpf_insn){ .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = (uint8_t)(reg & 15), .imm = value };
}

/* An allowing rule holds when it grants every access asked for; a denying one when it forbids any of them. */
static void rule(struct bpf_insn *out, size_t *n, const struct devbpf_rule *r)
{
	size_t start = *n, end;

	if (r->type != 'a') {
		expect(out, n, BPF_REG_2, r->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
		if (r->access != DEVBPF_ALL) {
			out[(*n)++] = (struct bpf_insn)COPY(BPF_REG_1, BPF_REG_3);
			out[(*n)++] = (struct bpf_insn)AND(BPF_REG_1, r->allow ? (int32_t)(~r->access & DEVBPF_ALL) : (int32_t)r->access);
			out[(*n)++] = (struct bpf_insn){
				.code = BPF_JMP | (r->allow ? BPF_JNE : BPF_JEQ) | BPF_K, .dst_reg = BPF_REG_1, .imm = 0,
			};
		}
		if (r->major >= 0)
			expect(out, n, BPF_REG_4, (int32_t)r->major);
		if (r->minor >= 0)
			expect(out, n, BPF_REG_5, (int32_t)r->minor);
	}
	end = *n;
	out[(*n)++] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = r->allow };
	out[(*n)++] = (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT };
	for (size_t i = start; i < end; i++)
		if (BPF_CLASS(out[i].code) == BPF_JMP)
			out[i].off = (int16_t)(*n - i - 1);
}

es_err *devbpf_attach(int cgroup_fd, const struct devbpf_rule *rules, size_t n)
{
	es_autofree struct bpf_insn *code = es_xcalloc(ES_N(prologue) + n * DEVBPF_PER_RULE + 2, sizeof *code);
	const struct bpf_insn deny[] = { RETURN(0) };
	union bpf_attr load = { 0 }, attach = { 0 };
	es_autoclose int prog = -1;
	size_t len = ES_N(prologue);
	bool decided = false;

	memcpy(code, prologue, sizeof prologue);
	while (!decided && n-- > 0) { /* the first match of this program is the last in the list */
		rule(code, &len, &rules[n]);
		decided = rules[n].type == 'a'; /* the verifier refuses what cannot be reached */
	}
	if (!decided) {
		memcpy(code + len, deny, sizeof deny);
		len += ES_N(deny);
	}
	load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	load.insns = (uint64_t)(uintptr_t)code;
	load.insn_cnt = (uint32_t)len;
	load.license = (uint64_t)(uintptr_t) "Apache-2.0";
	prog = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
	if (prog < 0)
		return es_err_sys(errno, "load device program");
	attach.target_fd = (uint32_t)cgroup_fd;
	attach.attach_bpf_fd = (uint32_t)prog;
	attach.attach_type = BPF_CGROUP_DEVICE;
	attach.attach_flags = BPF_F_ALLOW_MULTI;
	if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach) < 0)
		return es_err_sys(errno, "attach device program");
	return NULL;
}
