/* SPDX-License-Identifier: Apache-2.0 */
/* clone.c: the few lines of assembly that clone3(2) with an own stack needs. */
#include "sys/clone.h"

#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

es_err *clone_stack_new(size_t size, struct clone_stack *ret)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t total = ((size + page - 1) / page + 1) * page;
	void *base = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (base == MAP_FAILED)
		return es_err_sys(errno, "stack of %zu bytes", total);
	if (mprotect(base, page, PROT_NONE) < 0) {
		munmap(base, total);
		return es_err_sys(errno, "stack guard");
	}
	*ret = (struct clone_stack){ .base = base, .size = total };
	return NULL;
}

void clone_stack_done(struct clone_stack *s)
{
#if defined(__SANITIZE_ADDRESS__)
	/* A child that left by exec never unwound: its frames' red zones would poison whatever is mapped here next. */
	if (s->base)
		__asan_unpoison_memory_region(s->base, s->size);
#endif
	if (s->base)
		munmap(s->base, s->size);
	*s = (struct clone_stack){ 0 };
}

/* The child returns from the system call on the new stack with every other register as it was, so what it needs is in
 * registers that calls keep. It never comes back from FN: it exits with its value. */
#if defined(__x86_64__)
static long clone3_on_stack(struct clone_args *args, int (*fn)(void *), void *arg)
{
	register int (*r12)(void *) __asm__("r12") = fn;
	register void *r13 __asm__("r13") = arg;
	long ret;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %%r13, %%rdi\n\t"
			 "call *%%r12\n\t"
			 "mov %%eax, %%edi\n\t"
			 "mov %[nr_exit], %%eax\n\t"
			 "syscall\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(ret)
			 : "a"((long)SYS_clone3), "D"(args), "S"(sizeof *args), "r"(r12), "r"(r13), [nr_exit] "i"(SYS_exit_group)
			 : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
static long clone3_on_stack(struct clone_args *args, int (*fn)(void *), void *arg)
{
	register long x8 __asm__("x8") = SYS_clone3;
	register long x0 __asm__("x0") = (long)args;
	register long x1 __asm__("x1") = sizeof *args;
	register int (*x19)(void *) __asm__("x19") = fn;
	register void *x20 __asm__("x20") = arg;

	__asm__ volatile("svc 0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, 0\n\t"
			 "mov x0, x20\n\t"
			 "blr x19\n\t"
			 "mov x8, %[nr_exit]\n\t"
			 "svc 0\n\t"
			 "brk 0\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x19), "r"(x20), [nr_exit] "i"(SYS_exit_group)
			 : "x30", "memory");
	return x0;
}
#else
#error "estiba runs on amd64 and arm64"
#endif

pid_t clone_call(struct clone_args *args, const struct clone_stack *stack, int (*fn)(void *arg), void *arg)
{
	long pid;

	if (stack) {
		args->stack = (uint64_t)(uintptr_t)stack->base;
		args->stack_size = stack->size;
		return (pid_t)clone3_on_stack(args, fn, arg);
	}
	pid = syscall(SYS_clone3, args, sizeof *args);
	if (pid < 0)
		return (pid_t)-errno;
	if (pid == 0)
		_exit(fn(arg));
	return (pid_t)pid;
}

#define CLONE_BETWEEN_STACK (64u << 10)

struct between {
	es_err *(*enter)(void *arg);
	struct clone_args *args;
	const struct clone_stack *stack;
	int (*fn)(void *arg);
	void *arg;
	es_err *err;
	pid_t pid;
};

static int between(void *arg)
{
	struct between *b = arg;

	b->err = b->enter(b->arg);
	if (!b->err)
		b->pid = clone_call(b->args, b->stack, b->fn, b->arg);
	return 0;
}

es_err *clone_through(es_err *(*enter)(void *arg), struct clone_args *args, const struct clone_stack *stack, int (*fn)(void *arg),
		      void *arg, pid_t *ret_pid)
{
	struct between b = { .enter = enter, .args = args, .stack = stack, .fn = fn, .arg = arg };
	struct clone_args own = { .flags = CLONE_VM | CLONE_VFORK | CLONE_FILES, .exit_signal = SIGCHLD };
	struct clone_stack room = { 0 };
	es_err *err;
	pid_t pid;

	ES_TRY(clone_stack_new(CLONE_BETWEEN_STACK, &room));
	args->flags |= CLONE_PARENT; /* and it inherits the exit signal of the one between */
	args->exit_signal = 0;
	pid = clone_call(&own, &room, between, &b);
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	clone_stack_done(&room);
	if (pid < 0)
		return es_err_sys(-pid, "clone");
	err = b.err;
	if (!err && b.pid < 0)
		err = es_err_sys(-b.pid, "clone into new namespaces");
	if (!err)
		*ret_pid = b.pid;
	return err;
}

/* Raw calls: the C library keeps its own signals (32 and 33) from us, which children of glibc's posix_spawn may ignore, and it
 * may take a lock that we share with our parent. The kernel's struct sigaction differs between machines in the order of its
 * members, but all zero is SIG_DFL on every one. */
void clone_default_signals(void)
{
	const uint64_t dfl[8] = { 0 }, none = 0;

	for (int sig = 1; sig <= 64; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			syscall(SYS_rt_sigaction, sig, dfl, NULL, sizeof none);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
}
