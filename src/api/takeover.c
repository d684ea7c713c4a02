/* SPDX-License-Identifier: Apache-2.0 */
/* takeover.c: handing a client's connection on. */
#include "api/takeover.h"

#define MULTIPLEXED_SINCE 142

const char *takeover_type(const struct req *r, bool raw)
{
	return raw || r->version < MULTIPLEXED_SINCE ? TAKEOVER_RAW : TAKEOVER_MULTIPLEXED;
}

es_err *takeover(struct req *r, bool raw, struct takeover *ret)
{
	const char *upgrade = http_call_head(r->call)->upgrade;

	/* Without an upgrade docker says raw-stream even when it sends frames. */
	http_call_status(r->call, upgrade ? 101 : 200);
	http_call_field(r->call, "Content-Type", upgrade ? takeover_type(r, raw) : TAKEOVER_RAW);
	if (upgrade) {
		http_call_field(r->call, "Connection", "Upgrade");
		http_call_field(r->call, "Upgrade", upgrade);
	}
	return http_call_hijack(r->call, &ret->fd, &ret->early, &ret->early_len);
}
