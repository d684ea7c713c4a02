/* SPDX-License-Identifier: Apache-2.0 */
/* rtconfig.h: a bundle's config.json, and what of it this runtime refuses by name. */
#pragma once

#include "spec/oci_runtime.h"

/* Read and decode config.json below the directory BUNDLE. */
es_err *rtconfig_load(struct arena *a, int bundle, struct oci_spec *ret) ES_CHECKED;
/* Fields that cannot be honoured, or contradict each other, are errors that name them. */
es_err *rtconfig_check(const struct oci_spec *spec) ES_CHECKED;
/* The name of a sysctl with dots between its parts: "net/ipv4/conf/eth0.1/arp" and "net.ipv4.conf.eth0/1.arp" are the same, as
 * sysctl(8) has it. Heap. */
char *rtconfig_sysctl_name(const char *key);
/* The seccomp program for SPEC: from the annotation's descriptor, or compiled by estiba-seccomp. *RET is NULL when the
 * configuration has none; in A otherwise. */
es_err *rtconfig_seccomp(struct arena *a, const struct oci_spec *spec, const void **ret, size_t *ret_len) ES_CHECKED;
/* The value of an annotation that is a descriptor number; -1 when absent. */
es_err *rtconfig_fd(const struct oci_spec *spec, const char *annotation, int *ret_fd) ES_CHECKED;
/* Path of a program that is installed beside this one. Heap. ES_E_NOT_FOUND. */
es_err *rtconfig_companion(const char *name, char **ret_path) ES_CHECKED;
