/* SPDX-License-Identifier: Apache-2.0 */
/* table.h: text with tabs to columns, as Go's tabwriter does it. */
#pragma once

#include "base/buf.h"

/* Lines of TEXT hold cells that end in a tab, and a last one that does not. A cell is as wide as the widest of the unbroken
 * run of lines that have this column, plus PADDING, at least MIN_WIDTH. */
void table_align(const char *text, size_t min_width, size_t padding, struct es_buf *out);
