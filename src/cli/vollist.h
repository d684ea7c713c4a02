/* SPDX-License-Identifier: Apache-2.0 */
/* vollist.h: the columns of a volume list (volume ls, system df -v). */
#pragma once

#include "cli/format.h"

extern const struct format vollist_format;
/* Sorted by name. */
es_err *vollist_print(struct cli *c, const struct format_list *list, const struct json *volumes) ES_CHECKED;
