/* SPDX-License-Identifier: Apache-2.0 */
/* steprun.h: run one step of a build: a container without a record, under the runtime directly. Implements runner_ops.run. */
#pragma once

#include "engine/engine_priv.h"
#include "spec/runner.h"

/* As struct runner_ops says; SELF is the struct engine. */
es_err *steprun_run(void *self, const struct runner_step *step, const struct runner_sink *sink, int cancel_fd,
		    int *ret_status) ES_CHECKED;
/* After a restart of estibad: end what it left of steps. */
void steprun_sweep(struct engine *e);
