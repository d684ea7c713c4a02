/* SPDX-License-Identifier: Apache-2.0 */
/* runopt.h: the options that run and create share, and the request they make. */
#pragma once

#include "cli/cmd.h"
#include "cli/netspec.h"
#include "spec/docker_ctr.h"

/* What maps one to one is stored where the request wants it; the rest waits for runopt_request. */
struct runopt {
	struct docker_config config;
	struct docker_host_config host;
	struct docker_health_config health;
	struct netspec_opts net;
	const char *name, *cidfile, *platform, *pull, *entrypoint, *health_cmd, *restart, *gpus;
	char **attach, **env, **env_files, **expose, **labels, **label_files, **log_opts, **mounts, **publish, **volumes;
	char **tmpfs, **ulimits, **devices, **weight_devices, **annotations, **sysctls, **storage_opts, **security_opts;
	char **read_bps, **write_bps, **read_iops, **write_iops;
	int64_t swappiness, stop_timeout, kernel_memory;
	bool quiet, init, oom_kill_disable, no_healthcheck, trust, api_socket;
};
extern const struct opt runopt_rows[];

/* The body of POST /containers/create for image ARGS[0] and command ARGS[1…]. Errors in docker's words. */
es_err *runopt_request(struct cli *c, struct runopt *o, struct json **ret) ES_CHECKED;
/* Create the container: pulls the image when it is missing (or as --pull says), prints warnings, writes --cidfile. */
es_err *runopt_create(struct cli *c, struct runopt *o, const struct json *body, const char **ret_id) ES_CHECKED;
/* Did the command line name the stream ("stdin")? */
bool runopt_attaches(const struct runopt *o, const char *stream);
