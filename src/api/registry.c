/* SPDX-License-Identifier: Apache-2.0 */
/* registry.c: routes that speak to a registry: pull, push, auth, distribution, search. */
#include "api/registry.h"

#include "api/reply.h"
#include "api/route.h"
#include "base/str.h"
#include "codec/base64.h"
#include "engine/engine.h"
#include "catalog/image_net.h"

#define AUTH_HEADER "X-Registry-Auth"
#define AUTH_MAX (64u << 10) /* bytes of a header with a token */

/* Header NAME, base64url of JSON; NULL: none. docker goes on without one that cannot be read, and so do we: the registry decides. */
static struct json *read_header(struct req *r, const char *name)
{
	const char *header = req_header(r, name);
	size_t n = header ? strlen(header) : 0, len;
	struct json *doc;
	unsigned char *text;
	es_err *err;

	if (!n || n > AUTH_MAX)
		return NULL;
	text = arena_alloc(r->a, base64_decoded_max(n));
	if (!base64_decode(header, n, BASE64_URL, text, &len) && !base64_decode(header, n, BASE64_URL_RAW, text, &len) &&
	    !base64_decode(header, n, BASE64_STD, text, &len))
		return NULL;
	err = json_parse(r->a, (const char *)text, len, &doc);
	es_err_free(err);
	return err || doc->type != JSON_OBJECT ? NULL : doc;
}

static void read_auth(struct req *r, struct fetch_auth *ret)
{
	const struct json *doc = read_header(r, AUTH_HEADER);
	struct fetch_auth auth = { 0 };
	es_err *err = doc ? field_decode(r->a, fetch_auth_fields, doc, &auth) : NULL;

	*ret = err ? (struct fetch_auth){ 0 } : auth;
	es_err_free(err);
}

/* {"registry":AuthConfig}: a map at the top, which field tables know only as a member. */
const struct field_map *registry_auths(struct req *r)
{
	struct json *doc = json_new_object(r->a);
	struct auths {
		struct field_map *map;
	} auths = { 0 };
	const struct field rows[] = {
		F_MAP(struct auths, map, "auths", 0, struct fetch_auth, fetch_auth_fields),
		F_END,
	};
	struct json *given = read_header(r, "X-Registry-Config");
	es_err *err;

	if (!given)
		return NULL;
	json_set(r->a, doc, "auths", given);
	err = field_decode(r->a, rows, doc, &auths);
	es_err_free(err);
	return err ? NULL : auths.map;
}

static es_err *progress_line(void *self, const char *json)
{
	return reply_progress(self, json);
}

/* NAME with TAG, which may be a digest, as the query has them. */
static es_err *read_ref(struct req *r, const char *name, const char *tag, struct ref *ret)
{
	ES_TRY(ref_parse(r->a, name, ret));
	if (str_empty(tag))
		return NULL;
	if (ref_is_digest(tag)) {
		ret->digest = tag;
		ret->tag = NULL;
	} else if (ref_is_tag(tag)) {
		ret->tag = tag;
	} else {
		return es_err_new(ES_E_INVALID, "invalid tag format");
	}
	return NULL;
}

es_err *registry_pull(struct req *r)
{
	const struct image_sink sink = { progress_line, r };
	struct image_pull p = { .platform = req_query(r, "platform"), .cancel_fd = http_call_gone_fd(r->call) };
	struct ref ref;

	ES_TRY(read_ref(r, req_query(r, "fromImage"), req_query(r, "tag"), &ref));
	read_auth(r, &p.auth);
	p.ref = &ref;
	return reply_progress_end(r, image_pull(engine_net(r->engine), NULL, &p, &sink, NULL));
}

/* Old clients send the AuthConfig as the body. */
static es_err *push_auth(struct req *r, struct fetch_auth *ret)
{
	static const char why[] = "bad parameters and missing X-Registry-Auth: invalid X-Registry-Auth header";
	char *text;
	size_t n;

	if (req_header(r, AUTH_HEADER)) {
		read_auth(r, ret);
		return NULL;
	}
	ES_TRY(http_call_read_all(r->call, AUTH_MAX, &text, &n));
	if (!n)
		return es_err_new(ES_E_INVALID, "%s: EOF", why);
	*ret = (struct fetch_auth){ 0 };
	return es_err_in(field_decode_text(r->a, fetch_auth_fields, text, n, ret), "%s", why);
}

static es_err *push(struct req *r)
{
	const struct image_sink sink = { progress_line, r };
	struct image_push p = { .cancel_fd = http_call_gone_fd(r->call) };
	struct ref ref;

	ES_TRY(push_auth(r, &p.auth));
	ES_TRY(read_ref(r, r->args[0], req_query(r, "tag"), &ref));
	if (ref.digest)
		return es_err_new(ES_E_INVALID, "cannot push a digest reference");
	p.ref = &ref;
	return reply_progress_end(r, image_push(engine_net(r->engine), &p, &sink));
}

static es_err *auth(struct req *r)
{
	struct json *reply = json_new_object(r->a);
	struct fetch_auth given = { 0 };
	const char *token;

	ES_TRY(req_fields(r, fetch_auth_fields, &given));
	ES_TRY(image_login(engine_net(r->engine), r->a, &given, http_call_gone_fd(r->call), &token));
	json_set_str(r->a, reply, "IdentityToken", token);
	json_set_str(r->a, reply, "Status", "Login Succeeded");
	return reply_json(r, 200, reply);
}

static es_err *distribution(struct req *r)
{
	struct image_remote remote;
	struct fetch_auth given;
	struct ref ref;

	ES_TRY(ref_parse(r->a, r->args[0], &ref));
	ref_default_tag(&ref);
	read_auth(r, &given);
	ES_TRY(image_remote_inspect(engine_net(r->engine), r->a, &ref, &given, http_call_gone_fd(r->call), &remote));
	return reply_fields(r, 200, image_remote_fields, &remote);
}

/* The largest of the "stars" filters. */
static es_err *stars_wanted(const struct filters *f, int64_t *ret)
{
	*ret = 0;
	for (char **v = filters_get(f, "stars"); v && *v; v++) {
		int64_t n;
		es_err *err = str_to_i64(*v, 10, &n);

		if (err) {
			es_err_free(err);
			return es_err_new(ES_E_INVALID, "invalid filter 'stars=%s': strconv.Atoi: parsing \"%s\": invalid syntax", *v, *v);
		}
		*ret = n > *ret ? n : *ret;
	}
	return NULL;
}

static es_err *search_limit(struct req *r, int64_t *ret)
{
	es_err *err = req_i64(r, "limit", 0, ret);

	if (err || *ret < 0) {
		es_err_free(err);
		return es_err_new(ES_E_INVALID, "invalid limit specified");
	}
	return NULL;
}

static es_err *search(struct req *r)
{
	static const char *const allowed[] = { "is-automated", "is-official", "stars", NULL };
	const char *term = req_query(r, "term");
	bool official, automated;
	struct filters filters;
	struct fetch_auth given;
	struct fetch_hits hits;
	struct fetch_hit *kept;
	int64_t limit, stars;
	size_t n = 0;

	ES_TRY(req_filters(r, allowed, &filters));
	ES_TRY(filters_bool(&filters, "is-automated", false, &automated));
	ES_TRY(filters_bool(&filters, "is-official", false, &official));
	ES_TRY(stars_wanted(&filters, &stars));
	ES_TRY(search_limit(r, &limit));
	read_auth(r, &given);
	ES_TRY(image_search(engine_net(r->engine), r->a, term ? term : "", limit, &given, http_call_gone_fd(r->call), &hits));
	kept = ARENA_ARRAY(r->a, struct fetch_hit, hits.list.n + 1);
	FIELD_LIST_EACH(struct fetch_hit, h, &hits.list)
		if ((!filters_has(&filters, "is-automated") || h->automated == automated) &&
		    (!filters_has(&filters, "is-official") || h->official == official) && h->stars >= stars)
			kept[n++] = *h;
	return reply_list(r, 200, fetch_hit_fields, sizeof *kept, &(struct field_list){ .items = kept, .n = n, .set = true });
}

const struct route routes_registry[] = {
	{ "POST", "/auth", 0, auth },
	{ "GET", "/distribution/{*}/json", 130, distribution },
	{ "GET", "/images/search", 0, search },
	{ "POST", "/images/{*}/push", 0, push },
	{ 0 },
};
