/* SPDX-License-Identifier: Apache-2.0 */
/* thread.c: a thread inherits its maker's mask, so the maker blocks all signals for a moment. */
#include "base/thread.h"

#include <signal.h>

es_err *thread_start(pthread_t *ret, size_t stack_bytes, void *(*fn)(void *arg), void *arg)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int rc;

	(void)pthread_attr_init(&attr);
	if (stack_bytes)
		(void)pthread_attr_setstacksize(&attr, stack_bytes);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(ret, &attr, fn, arg);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
	return rc ? es_err_sys(rc, "start a thread") : NULL;
}
