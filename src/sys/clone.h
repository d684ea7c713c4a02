/* SPDX-License-Identifier: Apache-2.0 */
/* clone.h: clone3(2) with a function for the child, which the C libraries do not offer. */
#pragma once

#include <linux/sched.h>
#include <sys/types.h>

#include "base/err.h"

/* Stack for a child that shares our memory: SIZE usable bytes above a guard page. */
struct clone_stack {
	void *base;
	size_t size; /* bytes, guard page included */
};
es_err *clone_stack_new(size_t size, struct clone_stack *ret) ES_CHECKED;
void clone_stack_done(struct clone_stack *s); /* zeroed struct is fine */

/* Start FN(ARG) in a child; its return value is the exit status. With CLONE_VM in ARGS->flags, STACK must be given and
 * the child shares memory, errno and allocator with the calling thread: the two must take turns (CLONE_VFORK, or the
 * parent waits on a descriptor). Without CLONE_VM, STACK is NULL and the child has a copy. -errno on failure. */
pid_t clone_call(struct clone_args *args, const struct clone_stack *stack, int (*fn)(void *arg), void *arg);
/* As clone_call() with a stack, by way of a process between: that one calls ENTER(ARG) first, to go where its caller could not come
 * back from (a user namespace), and makes the child there. The child is the caller's own all the same; ARGS->exit_signal must be
 * SIGCHLD. ENTER shares our memory and descriptors, and has the caller wait. *RET_PID is the child. */
es_err *clone_through(es_err *(*enter)(void *arg), struct clone_args *args, const struct clone_stack *stack, int (*fn)(void *arg),
		      void *arg, pid_t *ret_pid) ES_CHECKED;
/* In a child, before exec: every signal has its default action and none is blocked. CLONE_CLEAR_SIGHAND takes care of
 * handlers only; a signal that our caller ignored (nohup, a daemon) would stay ignored in the program. */
void clone_default_signals(void);
