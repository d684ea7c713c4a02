/* SPDX-License-Identifier: Apache-2.0 */
/* netns.h: network namespaces as descriptors: make, pin to a path, enter for the length of a function. */
#pragma once

#include "base/err.h"

/* Run FN(ARG) on a thread of its own inside the namespace NS_FD (setns(2)); the caller's thread stays where it is. */
es_err *netns_run(int ns_fd, es_err *(*fn)(void *arg), void *arg) ES_CHECKED;
/* Make one on a thread of its own and run SETUP(ARG) inside before it is handed out (may be NULL). */
es_err *netns_new(es_err *(*setup)(void *arg), void *arg, int *ret_fd) ES_CHECKED;
/* The one this thread is in. */
es_err *netns_own(int *ret_fd) ES_CHECKED;

/* Bind it to NAME (made) in the directory DIRFD, so that it lives without a process. */
es_err *netns_pin(int ns_fd, int dirfd, const char *name) ES_CHECKED;
/* ES_E_NOT_FOUND when NAME is missing or not (any more) a namespace. */
es_err *netns_open(int dirfd, const char *name, int *ret_fd) ES_CHECKED;
/* Not there: success. */
es_err *netns_unpin(int dirfd, const char *name) ES_CHECKED;
