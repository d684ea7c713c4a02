/* SPDX-License-Identifier: Apache-2.0 */
/* remote.c: finding the endpoint, requests with authorization, manifests, tags, login. */
#include "registry/remote_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/str.h"
#include "codec/sha256.h"
#include "registry/regerr.h"
#include "spec/ref.h"

#define PAUSE_FIRST_MS 250
#define PAGE_MAX 100 /* pages of a tag list */

es_err *remote_open(struct arena *a, const struct remote_config *cfg, struct remote **ret)
{
	struct remote *r = ARENA_NEW(a, struct remote);

	r->a = a;
	r->cfg = *cfg;
	ES_TRY(transfer_open(&cfg->transfer, &r->transfer));
	r->auth = (struct regauth){ .a = a, .transfer = r->transfer, .auth = cfg->auth };
	if (cfg->path)
		r->scope = arena_printf(a, "repository:%s:%s", cfg->path, cfg->push ? "pull,push" : "pull");
	*ret = r;
	return NULL;
}

void remote_close(struct remote *r)
{
	if (r)
		transfer_close(r->transfer);
}

bool remote_pause(struct remote *r, int n)
{
	int64_t until = clock_mono_ns() + (PAUSE_FIRST_MS << (n - 1)) * CLOCK_NS_PER_MS;
	const struct timespec nap = { .tv_nsec = 50 * CLOCK_NS_PER_MS };

	if (n >= REMOTE_ATTEMPTS)
		return false;
	while (clock_mono_ns() < until) {
		if (r->cfg.transfer.gone && r->cfg.transfer.gone(r->cfg.transfer.self))
			return false;
		(void)nanosleep(&nap, NULL);
	}
	return true;
}

/* --- the endpoint --- */

/* GET /v2/: does it answer, and what does it ask for? */
static es_err *ping(struct remote *r, const struct endpoint *e)
{
	struct transfer_request q = { .method = "GET", .unverified = e->unverified };
	struct transfer_reply reply;

	q.url = arena_printf(r->a, "%s/v2/", e->base);
	ES_TRY(transfer_do(r->transfer, r->a, &q, &reply));
	if (reply.status >= 500)
		return es_err_in(regerr_reply(reply.status, reply.body, reply.body_len, NULL, 0), "%s", q.url);
	r->auth.challenge = (struct challenge){ 0 };
	r->auth.token = NULL;
	r->auth.unverified = e->unverified;
	if (reply.status == 401)
		regauth_learn(&r->auth, reply.challenges, reply.n_challenges);
	return NULL;
}

es_err *remote_find(struct remote *r)
{
	es_err *err = NULL;

	if (r->found)
		return NULL;
	if (!r->n_endpoints)
		r->n_endpoints = endpoint_list(r->a, r->cfg.domain, r->cfg.push ? NULL : r->cfg.mirrors, r->cfg.insecure, r->endpoints);
	for (; r->at < r->n_endpoints; r->at++) {
		es_err_drop(err); /* the last one is told */
		err = ping(r, &r->endpoints[r->at]);
		if (!err) {
			r->found = true;
			return NULL;
		}
		if (es_err_class(err) == ES_E_CANCELLED)
			break;
	}
	r->at = 0;
	return err;
}

/* --- requests --- */

static bool is_ok(long status, const long *ok)
{
	for (; ok && *ok; ok++)
		if (status == *ok)
			return true;
	return status < 400;
}

static es_err *authorized(struct remote *r, struct arena *a, const struct transfer_request *q, struct transfer_reply *ret)
{
	struct transfer_request now = *q;
	es_err *err;

	for (int i = 0; i < 2; i++) {
		/* Once and for all: an upload's address may lead elsewhere; credentials are the registry's. */
		if (transfer_same_origin(now.url, r->endpoints[r->at].base)) {
			err = regauth_value(&r->auth, r->scope, &now.authorization);
			if (err && !r->cfg.push) /* docker's first request after /v2/ is a HEAD */
				err = regerr_at(err, "HEAD", q->url);
			ES_TRY(err);
		}
		ES_TRY(transfer_do(r->transfer, a, &now, ret));
		if (ret->status != 401 || !ret->n_challenges || !str_eq(ret->challenges[0].scheme, "bearer"))
			return NULL;
		regauth_learn(&r->auth, ret->challenges, ret->n_challenges);
		regauth_forget(&r->auth);
	}
	return NULL;
}

es_err *remote_request(struct remote *r, struct arena *a, const struct transfer_request *q, const long *ok, struct transfer_reply *ret)
{
	struct transfer_request now = *q;

	ES_TRY(remote_find(r));
	now.unverified = r->endpoints[r->at].unverified;
	if (!str_starts(q->url, "http"))
		now.url = arena_printf(a, "%s/v2/%s%s%s", r->endpoints[r->at].base, r->cfg.path ? r->cfg.path : "", r->cfg.path ? "/" : "", q->url);
	for (int n = 1;; n++) {
		es_err *err = authorized(r, a, &now, ret);

		if (!err && is_ok(ret->status, ok))
			return NULL;
		if (!err)
			err = regerr_reply(ret->status, ret->body, ret->body_len, ret->challenges, ret->n_challenges);
		if (q->sink || es_err_class(err) != ES_E_UNAVAILABLE || !remote_pause(r, n))
			return err;
		es_err_drop(err);
	}
}

/* --- manifests --- */

static char *digest_of(const char *text, size_t n, char ret[72])
{
	struct sha256 sum;

	memcpy(ret, "sha256:", 7);
	sha256_init(&sum);
	sha256_add(&sum, text, n);
	sha256_end_hex(&sum, ret + 7);
	return ret;
}

static void strip(struct field_list *list)
{
	FIELD_LIST_EACH(struct oci_descriptor, d, list) {
		d->annotations = NULL;
		d->urls = NULL;
		d->artifact_type = NULL;
	}
}

static es_err *encode(struct arena *a, const struct field *rows, const void *in, struct remote_doc *ret)
{
	es_autobuf b = ES_BUF(OCI_MANIFEST_MAX);
	char *text;

	field_encode_text(&b, rows, in);
	ret->plain_len = b.len;
	ES_TRY(es_buf_finish(&b, &text));
	arena_own(a, text);
	ret->plain = text;
	return NULL;
}

static es_err *read_index(struct arena *a, struct remote_doc *doc)
{
	struct oci_index idx;

	ES_TRY(oci_index_decode(a, doc->text, doc->len, &idx));
	strip(&idx.manifests);
	idx.subject = NULL;
	idx.annotations = NULL;
	idx.media_type = doc->media_type;
	return encode(a, oci_index_fields, &idx, doc);
}

static es_err *read_manifest(struct arena *a, struct remote_doc *doc)
{
	struct oci_manifest m;

	ES_TRY(oci_manifest_decode(a, doc->text, doc->len, &m));
	FIELD_LIST_EACH(struct oci_descriptor, d, &m.layers)
		if (!oci_is_layer(d->media_type))
			return es_err_new(ES_E_UNSUPPORTED, "unsupported media type %s of a layer", d->media_type ? d->media_type : "");
	strip(&m.layers);
	m.subject = NULL;
	m.annotations = NULL;
	m.config.annotations = NULL;
	m.media_type = doc->media_type;
	return encode(a, oci_manifest_fields, &m, doc);
}

/* "application/json; charset=utf-8" → the type alone; NULL when it says nothing. */
static const char *type_of(struct arena *a, const char *content_type, const char *text, size_t n)
{
	char *type = content_type ? str_trim(arena_strndup(a, content_type, strcspn(content_type, ";"))) : NULL;
	struct json *doc;
	es_err *err;

	if (type && !str_eq(type, "application/json") && !str_eq(type, "text/plain") && !str_eq(type, "application/octet-stream"))
		return type;
	err = json_parse(a, text, n, &doc);
	if (err) {
		es_err_free(err);
		return NULL;
	}
	if (json_str(json_get(doc, "mediaType")))
		return json_str(json_get(doc, "mediaType"));
	return json_get(doc, "manifests") ? OCI_MT_INDEX : OCI_MT_MANIFEST;
}

es_err *remote_doc_read(struct arena *a, const char *text, size_t n, const char *media_type, const char *want, struct remote_doc *ret)
{
	struct remote_doc doc = { .text = text, .len = n, .media_type = type_of(a, media_type, text, n) };

	digest_of(text, n, doc.digest);
	if (want && !str_eq(want, doc.digest))
		return es_err_new(ES_E_PROTOCOL, "manifest verification failed for digest %s", want);
	if (oci_is_index(doc.media_type))
		ES_TRY(es_err_as(read_index(a, &doc), ES_E_PROTOCOL));
	else if (oci_is_manifest(doc.media_type))
		ES_TRY(es_err_as(read_manifest(a, &doc), ES_E_PROTOCOL));
	else
		return es_err_new(ES_E_PROTOCOL, "unsupported manifest media type and no default available: %s",
				  doc.media_type ? doc.media_type : "");
	*ret = doc;
	return NULL;
}

/* docker's explanations of a refused manifest. */
static es_err *explain(struct remote *r, struct arena *a, const char *ref, es_err *err)
{
	bool digest = ref_is_digest(ref);
	const struct ref full = { r->cfg.domain, r->cfg.path, digest ? NULL : ref, digest ? ref : NULL };
	const char *text = err ? es_err_text(err) : "";

	if (str_starts(text, "denied: "))
		return es_err_as(es_err_in(err, "pull access denied for %s, repository does not exist or may require 'docker login'",
					   ref_familiar_name(a, &full)), ES_E_NOT_FOUND);
	if (str_starts(text, "manifest unknown: "))
		return es_err_in(err, "manifest for %s not found", ref_familiar(a, &full));
	if (str_starts(text, "name unknown: "))
		return es_err_in(err, "repository %s not found", ref_familiar_name(a, &full));
	/* docker answers 500 where we know more. */
	return err && es_err_class(err) == ES_E_UNAUTHORIZED ? es_err_as(err, ES_E_SYSTEM) : err;
}

static es_err *get_doc(struct remote *r, struct arena *a, const char *ref, struct remote_doc *ret)
{
	static const char *const headers[] = {
		"Accept: " OCI_MT_INDEX, "Accept: " OCI_MT_MANIFEST, "Accept: " DOCKER_MT_LIST, "Accept: " DOCKER_MT_MANIFEST, NULL,
	};
	struct transfer_request q = { .method = "GET", .headers = headers, .max = OCI_MANIFEST_MAX };
	struct transfer_reply reply;
	bool by_digest = ref_is_digest(ref);

	q.url = arena_printf(a, "manifests/%s", ref);
	ES_TRY(remote_request(r, a, &q, NULL, &reply));
	return remote_doc_read(a, reply.body, reply.body_len, reply.content_type,
			       by_digest ? ref : reply.digest && str_starts(reply.digest, "sha256:") ? reply.digest : NULL, ret);
}

es_err *remote_resolve(struct remote *r, struct arena *a, const char *ref, struct remote_doc *ret)
{
	for (;;) {
		es_err *err = get_doc(r, a, ref, ret);

		if (!err || !r->found || !r->endpoints[r->at].mirror || es_err_class(err) == ES_E_CANCELLED)
			return explain(r, a, ref, err);
		es_err_drop(err);
		r->at++; /* a mirror is never the last */
		r->found = false;
	}
}

es_err *remote_put(struct remote *r, const char *ref, const char *media_type, const char *text, size_t n)
{
	es_autoarena *a = arena_new();
	const char *const headers[] = { arena_printf(a, "Content-Type: %s", media_type), NULL };
	struct transfer_request q = { .method = "PUT", .headers = headers, .body = text, .body_len = n };
	struct transfer_reply reply;

	q.url = arena_printf(a, "manifests/%s", ref);
	return remote_request(r, a, &q, NULL, &reply);
}

/* --- tags --- */

/* Link: </v2/x/tags/list?last=y&n=z>; rel="next" */
static const char *next_page(struct remote *r, struct arena *a, const char *link)
{
	const char *end = link && link[0] == '<' ? strchr(link, '>') : NULL;
	char *url;

	if (!end || !strstr(end, "next"))
		return NULL;
	url = transfer_resolve_url(a, r->endpoints[r->at].base, arena_strndup(a, link + 1, (size_t)(end - link - 1)));
	return url && transfer_same_origin(url, r->endpoints[r->at].base) ? url : NULL;
}

es_err *remote_tags(struct remote *r, struct arena *a, char ***ret)
{
	struct transfer_request q = { .method = "GET", .url = "tags/list?n=1000", .max = FETCH_LIST_MAX };
	struct transfer_reply reply;
	char **tags = NULL;
	size_t n = 0;

	for (int page = 0; q.url && page < PAGE_MAX; page++) {
		struct json *doc;

		ES_TRY(remote_request(r, a, &q, NULL, &reply));
		ES_TRY(es_err_as(es_err_in(json_parse(a, reply.body, reply.body_len, &doc), "tag list"), ES_E_PROTOCOL));
		JSON_EACH(tag, json_get(doc, "tags")) {
			if (!json_str(tag) || !ref_is_tag(tag->text))
				continue;
			if (n++ == FETCH_TAGS_MAX)
				return es_err_new(ES_E_LIMIT, "more than %u tags", FETCH_TAGS_MAX);
			tags = strv_arena_add(a, tags, tag->text);
		}
		q.url = next_page(r, a, reply.link);
	}
	*ret = tags;
	return NULL;
}

/* --- login --- */

es_err *remote_login(struct remote *r, const char **ret_token)
{
	struct transfer_request q = { .method = "GET" };
	struct transfer_reply reply;
	es_err *err;

	ES_TRY(remote_find(r));
	q.url = arena_printf(r->a, "%s/v2/", r->endpoints[r->at].base);
	q.unverified = r->endpoints[r->at].unverified;
	err = regauth_value(&r->auth, NULL, &q.authorization);
	if (err)
		return regerr_at(err, q.method, q.url);
	ES_TRY(transfer_do(r->transfer, r->a, &q, &reply));
	if (reply.status != 200)
		return es_err_new(ES_E_SYSTEM, "login attempt to %s failed with status: %ld %s", q.url, reply.status, regerr_status_text(reply.status));
	*ret_token = r->auth.refresh_token ? r->auth.refresh_token : "";
	return NULL;
}
