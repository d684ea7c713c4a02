/* SPDX-License-Identifier: Apache-2.0 */
/* regerr.h: what a registry's refusals and a connection's failures are called: docker's texts, which are Go's. */
#pragma once

#include "registry/challenge.h"

#define REGERR_BODY_MAX (64u << 10) /* bytes of an error's body */

/* A refusal: STATUS and BODY (distribution-spec: {"errors":[{"code","message"}]}) or the challenge that explains it. CLASS
 * follows the code: UNAUTHORIZED, DENIED (forbidden), …_UNKNOWN (not found); 5xx and 429 ES_E_UNAVAILABLE. */
es_err *regerr_reply(long status, const char *body, size_t n, const struct challenge *c, size_t n_c) ES_CHECKED;
/* "404 Not Found"'s second part, "" when unknown. */
const char *regerr_status_text(long status);
/* Verb "URL": … before the text of ERR, as Go's client has it: 'Get "http://x/v2/": …'. */
es_err *regerr_at(es_err *err, const char *method, const char *url) ES_CHECKED;
