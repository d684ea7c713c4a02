/* SPDX-License-Identifier: Apache-2.0 */
/* secprofile.h: which system calls a container may make: docker's default profile or the user's, compiled once and kept. */
#pragma once

#include "engine/engine_priv.h"
#include "spec/docker_ctr.h"

/* The compiled filter (struct sock_filter[]) for a container with capabilities CAPS: *RET_FD is the caller's, or -1 for
 * none (privileged, seccomp=unconfined). Compiled by estiba-seccomp when the exec root does not have it yet. ES_E_INVALID: a
 * profile that cannot be read. */
es_err *secprofile_filter(struct engine *e, struct arena *a, const struct docker_host_config *hc, char **caps, int *ret_fd) ES_CHECKED;
/* What it is compiled from: the OCI `linux.seccomp` document for a container; NULL: none. */
es_err *secprofile_of(struct engine *e, struct arena *a, const struct docker_host_config *hc, char **caps, struct json **ret) ES_CHECKED;
/* The OCI `linux.seccomp` document of a profile in docker's form; NULL text: the built-in one. */
es_err *secprofile_document(struct arena *a, const char *profile, char **caps, struct json **ret) ES_CHECKED;
