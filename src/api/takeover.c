/* SPDX-License-Identifier: Apache-2.0 */
/* takeover.c: handing a client's connection on. */
#include "api/takeover.h"

#include "base/str.h"
#include "wire/websocket.h"

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

es_err *takeover_websocket(struct req *r, struct takeover *ret)
{
	const struct http_head *head = http_call_head(r->call);
	const char *protocol = http_field_get(head, "Sec-WebSocket-Protocol");
	char *accept = arena_alloc(r->a, WEBSOCKET_ACCEPT_MAX);

	ES_TRY(websocket_accept(head, accept));
	http_call_status(r->call, 101);
	http_call_field(r->call, "Connection", "Upgrade");
	http_call_field(r->call, "Upgrade", "websocket");
	http_call_field(r->call, "Sec-WebSocket-Accept", accept);
	if (protocol && !strchr(protocol, ',')) /* of several we would have to choose */
		http_call_field(r->call, "Sec-WebSocket-Protocol", protocol);
	return http_call_hijack(r->call, &ret->fd, &ret->early, &ret->early_len);
}
