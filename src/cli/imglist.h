/* SPDX-License-Identifier: Apache-2.0 */
/* imglist.h: the columns of an image list (images, system df -v). */
#pragma once

#include "cli/format.h"

extern const struct format imglist_format, imglist_digest_format;
/* One image has a row for each of its tags (and, with DIGESTS, for each of its digests). *RET is an array of copies with
 * Repository, Tag, Digest set. */
struct json *imglist_expand(struct cli *c, const struct json *images, bool digests);
/* One row an image, with its first tag: what system df -v shows. */
struct json *imglist_expand_first(struct cli *c, const struct json *images);
