/* SPDX-License-Identifier: Apache-2.0 */
/* valuespec.h: the small grammars of single option values: KEY=VALUE, ulimits, devices, addresses, CPU counts. */
#pragma once

#include "base/str.h"
#include "spec/docker_ctr.h"

/* Checks for option rows: docker's own texts. */
es_err *value_check_env(const char *text) ES_CHECKED;
es_err *value_check_label(const char *text) ES_CHECKED;
es_err *value_check_add_host(const char *text) ES_CHECKED;
es_err *value_check_ip(const char *text) ES_CHECKED;
es_err *value_check_dns_search(const char *text) ES_CHECKED;
es_err *value_check_sysctl(const char *text) ES_CHECKED;
es_err *value_check_link(const char *text) ES_CHECKED;
es_err *value_check_attach(const char *text) ES_CHECKED;
es_err *value_check_filter(const char *text) ES_CHECKED; /* "name=value", or nothing */
/* ERR of reading the file PATH, in docker's words. Takes ERR. */
es_err *value_file_error(es_err *err, const char *path) ES_CHECKED;
es_err *value_check_device_rule(const char *text) ES_CHECKED; /* "c 42:* rwm" */
es_err *value_check_ulimit(const char *text) ES_CHECKED;
es_err *value_check_weight_device(const char *text) ES_CHECKED;
es_err *value_check_bps_device(const char *text) ES_CHECKED;
es_err *value_check_iops_device(const char *text) ES_CHECKED;

/* --disable-content-trust: only "true"; there is no content trust to switch on. */
es_err *value_check_no_trust(const char *text) ES_CHECKED;

/* Setters for option rows. */
es_err *value_set_opt_i64(const char *text, void *field_opt_i64) ES_CHECKED;
es_err *value_set_cpus(const char *text, void *int64_nano) ES_CHECKED;     /* "1.5" → 1500000000 */
es_err *value_set_swap(const char *text, void *int64_bytes) ES_CHECKED;    /* bytes, or -1 */

es_err *value_ulimit(const char *text, struct docker_ulimit *ret, struct arena *a) ES_CHECKED;
es_err *value_weight_device(const char *text, struct docker_weight_device *ret, struct arena *a) ES_CHECKED;
/* BYTES: the rate is a size ("1mb"), else a plain number. */
es_err *value_throttle_device(const char *text, bool bytes, struct docker_throttle_device *ret, struct arena *a) ES_CHECKED;
/* "HOST[:CONTAINER[:rwm]]" */
es_err *value_device(const char *text, struct docker_device *ret, struct arena *a) ES_CHECKED;
/* "no", "on-failure:3" */
es_err *value_restart(const char *text, struct docker_restart_policy *ret, struct arena *a) ES_CHECKED;
/* "all", "2", "device=0,capabilities=utility": one request. */
es_err *value_gpus(const char *text, struct docker_device_request *ret, struct arena *a) ES_CHECKED;
es_err *value_check_gpus(const char *text) ES_CHECKED;
/* "os[/arch[/variant]]" */
es_err *value_check_platform(const char *text) ES_CHECKED;
bool value_is_mac(const char *text);

/* K=V items to a map; "K" alone has the value "". */
struct field_map *value_map(struct arena *a, char *const *items);
/* Append the lines of an --env-file ("K" alone takes the caller's variable and is dropped when there is none) or, without
 * ENVIRON_FILE, a --label-file to *V. Errors: docker's. */
es_err *value_read_file(struct arena *a, const char *path, bool environ_file, char ***v) ES_CHECKED;
/* Append an -e item: "K" alone takes the caller's variable; without one it goes to the daemon as it is. */
void value_add_env(struct arena *a, const char *item, char ***v);
