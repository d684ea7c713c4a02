/* SPDX-License-Identifier: Apache-2.0 */
/* rtcgroup.h: linux.resources of config.json as writes into a cgroup of either version. */
#pragma once

#include "spec/oci_runtime.h"
#include "sys/cgroup.h"

/* Who makes a container's group. */
enum rtcgroup_driver { RTCGROUP_FS, RTCGROUP_SYSTEMD, RTCGROUP_DISABLED };

/* Set what R asks for. Device rules only with DEVICES (on creation; the defaults every container has come first). */
es_err *rtcgroup_apply(const struct cgroup *cg, const struct oci_resources *r, bool devices) ES_CHECKED;
/* Without a group nothing can be limited: ES_E_UNSUPPORTED names the field of R that asks for it. Device rules are let pass. */
es_err *rtcgroup_refuse(const struct oci_resources *r) ES_CHECKED;
/* Conversions of the OCI documentation between v1 and v2 scales. */
uint64_t rtcgroup_cpu_weight(uint64_t shares);      /* 2..262144 to 1..10000 */
uint64_t rtcgroup_io_weight(uint64_t blkio_weight); /* 10..1000 to 1..10000 */
