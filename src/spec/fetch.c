/* SPDX-License-Identifier: Apache-2.0 */
/* fetch.c: field tables of the messages between estibad and estiba-fetch. */
#include "spec/fetch.h"

#include "base/str.h"

#define OMIT FIELD_OMIT_EMPTY

#define T struct fetch_auth
const struct field fetch_auth_fields[] = {
	F_STR(T, username, "username", OMIT),
	F_STR(T, password, "password", OMIT),
	F_STR(T, auth, "auth", OMIT),
	F_STR(T, email, "email", OMIT),
	F_STR(T, server_address, "serveraddress", OMIT),
	F_STR(T, identity_token, "identitytoken", OMIT),
	F_STR(T, registry_token, "registrytoken", OMIT),
	F_END,
};
#undef T

#define T struct fetch_request
const struct field fetch_request_fields[] = {
	F_I64(T, version, "version", FIELD_REQUIRED),
	F_STR(T, op, "op", FIELD_REQUIRED),
	F_STR(T, domain, "domain", OMIT),
	F_STR(T, path, "path", OMIT),
	F_STRV(T, mirrors, "mirrors", OMIT),
	F_STRV(T, insecure, "insecure", OMIT),
	F_STRUCT(T, auth, "auth", 0, struct fetch_auth, fetch_auth_fields),
	F_BOOL(T, push, "push", OMIT),
	F_STR(T, ref, "ref", OMIT),
	F_STR(T, digest, "digest", OMIT),
	F_STR(T, from, "from", OMIT),
	F_I64(T, size, "size", OMIT),
	F_STR(T, media_type, "media_type", OMIT),
	F_STR(T, url, "url", OMIT),
	F_STR(T, term, "term", OMIT),
	F_END,
};
#undef T

#define T struct fetch_hit
const struct field fetch_hit_fields[] = {
	F_STR(T, name, "name", 0),
	F_STR(T, description, "description", 0),
	F_I64(T, stars, "star_count", 0),
	F_BOOL(T, official, "is_official", 0),
	F_BOOL(T, automated, "is_automated", 0),
	F_END,
};
#undef T

const struct field fetch_hits_fields[] = {
	F_LIST(struct fetch_hits, list, "results", 0, struct fetch_hit, fetch_hit_fields),
	F_END,
};

#define T struct fetch_reply
const struct field fetch_reply_fields[] = {
	F_BOOL(T, ok, "ok", OMIT),
	F_I64(T, current, "current", OMIT),
	F_I64(T, total, "total", OMIT),
	F_STR(T, digest, "digest", OMIT),
	F_STR(T, media_type, "media_type", OMIT),
	F_BOOL(T, there, "there", OMIT),
	F_BOOL(T, mounted, "mounted", OMIT),
	F_STR(T, token, "token", OMIT),
	F_STR(T, name, "name", OMIT),
	F_STR(T, modified, "modified", OMIT),
	F_STR(T, error, "error", OMIT),
	F_STR(T, class, "class", OMIT),
	F_END,
};
#undef T

const struct fetch_op_row fetch_op_rows[FETCH_OP_N] = {
	[FETCH_OPEN] = { "open", 0, 1, .first = true },
	[FETCH_LOGIN] = { "login", 0, 0 },
	[FETCH_RESOLVE] = { "resolve", 2, 2, .with_path = true },
	[FETCH_TAGS] = { "tags", 1, 1, .with_path = true },
	[FETCH_BLOB] = { "blob", 1, 1, .with_path = true },
	[FETCH_HAS] = { "has", 0, 0, .with_path = true },
	[FETCH_UPLOAD] = { "upload", 0, 1, .with_path = true },
	[FETCH_PUT] = { "put", 1, 1, .with_path = true },
	[FETCH_GET] = { "get", 1, 1, .first = true },
	[FETCH_SEARCH] = { "search", 1, 2, .first = true },
};

int fetch_op_of(const char *name)
{
	for (int i = 0; i < FETCH_OP_N; i++)
		if (str_eq(name, fetch_op_rows[i].name))
			return i;
	return -1;
}
