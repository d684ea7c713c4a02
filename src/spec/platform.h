/* SPDX-License-Identifier: Apache-2.0 */
/* platform.h: "os/arch[/variant]" as text, and the entry of an index that fits it. */
#pragma once

#include "spec/oci_image.h"

/* NULL or "": this machine's. "amd64" and "linux" alone are completed. ES_E_INVALID in docker's words. */
es_err *platform_parse(struct arena *a, const char *text, struct oci_platform *ret) ES_CHECKED;
char *platform_text(struct arena *a, const struct oci_platform *p); /* "linux/arm64/v8" */
/* Does IS run where WANT is asked for? */
bool platform_fits(const struct oci_platform *want, const struct oci_platform *is);
/* The entry of IDX for WANT: its variant, else the nearest older one (arm), else one without. An entry without a platform fits only if
 * nothing else does. NULL: none. */
const struct oci_descriptor *platform_choose(const struct oci_index *idx, const struct oci_platform *want);
