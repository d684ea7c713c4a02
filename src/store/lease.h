/* SPDX-License-Identifier: Apache-2.0 */
/* lease.h: keeps content that no record leads to yet (a pull, a build, a load under way) from being collected. */
#pragma once

#include "base/err.h"
#include "store/store.h"

/* A lease lives in memory and dies with the program: after a crash nothing is under way, so what it held is garbage unless
 * a record leads to it. */
struct lease;

struct lease *lease_new(struct store *st);
/* From now on DIGEST ("sha256:…", of a layer or of a blob) stays. Call it before looking whether the content is there. */
void lease_hold(struct lease *l, const char *digest);
/* What goes under it loses its record first: until the lease ends, the rest of it is no find for a check of the store. */
void lease_removes(struct lease *l);
/* A lease for as long as the program runs: it keeps what it holds, and is nothing under way for a check of the store. */
void lease_rest(struct lease *l);
/* NULL is fine. */
void lease_end(struct lease *l);

static inline void lease_end_p(struct lease **l)
{
	lease_end(*l);
	*l = NULL;
}
#define es_autolease es_auto(lease_end_p) struct lease
