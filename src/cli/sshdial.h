/* SPDX-License-Identifier: Apache-2.0 */
/* sshdial.h: a daemon behind ssh: "ssh://[user@]host[:port][/path/of/its/socket]". */
#pragma once

#include "base/err.h"

/* An http_dial whose SELF is the URL: `ssh HOST docker system dial-stdio` on one end of a socket, of which the other is returned
 * twice. ES_E_INVALID with docker's texts for a URL that names no host or carries a password. */
es_err *sshdial(void *self, int *ret_in, int *ret_out) ES_CHECKED;
