/* SPDX-License-Identifier: Apache-2.0 */
/* ocicheck.h: what the OCI runtime specification demands of the values of config.json beyond their types. */
#pragma once

#include "spec/oci_runtime.h"

/* Only what the document alone can tell; what depends on the machine is the runtime's to check. ES_E_INVALID with the JSON
 * path: "linux.devices[1].path: "x" is not an absolute path". Names of capabilities that nobody knows are not an error. */
es_err *ocicheck_spec(const struct oci_spec *s) ES_CHECKED;
/* process.json: the same for one process, paths without "process.". */
es_err *ocicheck_process(const struct oci_process *p) ES_CHECKED;
/* linux.resources alone, as `update -r` takes it; paths without "linux.resources.". */
es_err *ocicheck_resources(const struct oci_resources *r) ES_CHECKED;
/* linux.seccomp alone; paths without "linux.seccomp.". */
es_err *ocicheck_seccomp(const struct oci_seccomp *s) ES_CHECKED;

/* Names that config.json may use, NULL at the end. */
extern const char *const ocicheck_seccomp_actions[], *const ocicheck_seccomp_arches[], *const ocicheck_seccomp_operators[],
	*const ocicheck_seccomp_flags[], *const ocicheck_memory_modes[], *const ocicheck_memory_flags[];
/* "0-3,7", for processors and memory nodes: FN is called for each range; false when TEXT is no such list. FN may be NULL. */
bool ocicheck_ranges(const char *text, void (*fn)(void *arg, unsigned first, unsigned last), void *arg);
