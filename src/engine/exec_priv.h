/* SPDX-License-Identifier: Apache-2.0 */
/* exec_priv.h: what the container files need to know about exec sessions. */
#pragma once

#include "engine/ctr_priv.h"

struct execs *execs_new(void);
void execs_free(struct execs *t);
/* Ids of a container's sessions that run, in A; NULL: none. The container's lock is held. */
char **exec_ids(const struct ctr *c, struct arena *a);
/* The container ended: what the sessions have on the machine goes. How they ended can be asked for until it is removed. */
void exec_clean_all(struct ctr *c);
/* The container is removed: nobody asks any more. */
void exec_forget_all(struct ctr *c);
/* After a restart of estibad: sessions whose monitors live are found again. */
void exec_recover_all(struct engine *e, bool new_boot);
