/* SPDX-License-Identifier: Apache-2.0 */
/* pull.h: have the daemon fetch an image; used by pull, run and create. */
#pragma once

#include "cli/cmd.h"

/* IMAGE as the user wrote it, "latest" added when it has no tag and no digest. Progress goes to FD unless QUIET. */
es_err *pull_image(struct cli *c, const char *image, const char *platform, bool quiet, int fd) ES_CHECKED;
/* The familiar form with its tag: "busybox:latest". The text itself when it is no reference. In the arena. */
const char *pull_familiar(struct cli *c, const char *image);
/* POST /images/create for NAME and TAG (a tag, a digest, or NULL for all tags). */
es_err *pull_send(struct cli *c, const char *name, const char *tag, const char *domain, const char *platform, bool quiet, int fd) ES_CHECKED;
