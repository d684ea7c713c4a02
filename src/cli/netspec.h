/* SPDX-License-Identifier: Apache-2.0 */
/* netspec.h: --network NAME or name=…,alias=…,ip=…, and the single options that speak about the first network. */
#pragma once

#include "spec/docker_network.h"

/* The network options of run and create. */
struct netspec_opts {
	char **networks, **aliases, **links, **link_local_ips;
	const char *ip, *ip6, *mac_address;
};

es_err *netspec_check(const char *text) ES_CHECKED;
/* *RET_MODE is HostConfig.NetworkMode ("default" when no network was named). */
es_err *netspec_config(struct arena *a, const struct netspec_opts *o, const char **ret_mode, struct docker_networking_config *ret) ES_CHECKED;
