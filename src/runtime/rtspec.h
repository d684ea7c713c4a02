/* SPDX-License-Identifier: Apache-2.0 */
/* rtspec.h: JSON that the runtime offers (spec, features) and takes on the command line (update). */
#pragma once

#include "runtime/rtargs.h"
#include "spec/oci_runtime.h"

/* Write config.json into DIR, which must not have one. */
es_err *rtspec_write(const char *dir, bool rootless) ES_CHECKED;
/* The features structure of the specification. */
struct json *rtspec_features(struct arena *a);
/* linux.resources from update's options or its file. */
es_err *rtspec_resources(struct arena *a, const struct rtargs *args, struct oci_resources **ret) ES_CHECKED;
