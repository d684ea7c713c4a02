/* SPDX-License-Identifier: Apache-2.0 */
/* regsearch.c: GET /v1/search. */
#include "registry/regsearch.h"

#include <inttypes.h>

#include "base/str.h"
#include "codec/base64.h"
#include "registry/endpoint.h"
#include "registry/regerr.h"

#define HUB "docker.io"
#define HUB_INDEX "https://index.docker.io"

struct asking {
	struct arena *a;
	const struct remote_config *cfg;
	struct transfer *transfer;
};

/* Does anybody answer there? Whatever the answer is. */
static es_err *ping(struct asking *s, const struct endpoint *e)
{
	struct transfer_request q = { .method = "GET", .unverified = e->unverified };
	struct transfer_reply reply;

	q.url = arena_printf(s->a, "%s/v1/_ping", e->base);
	return transfer_do(s->transfer, s->a, &q, &reply);
}

/* Docker's words when nobody does. */
static es_err *find(struct asking *s, struct endpoint *ret)
{
	struct endpoint list[ENDPOINTS_MAX];
	size_t n = endpoint_list(s->a, s->cfg->domain, NULL, s->cfg->insecure, list);
	const char *domain = s->cfg->domain;
	es_autoerr es_err *first = NULL, *second = NULL;

	if (str_eq(domain, HUB)) {
		*ret = (struct endpoint){ .base = HUB_INDEX };
		return NULL;
	}
	first = ping(s, &list[0]);
	if (first && n > 1)
		second = ping(s, &list[1]);
	*ret = list[first ? n - 1 : 0];
	if (!first || (n > 1 && !second))
		return NULL;
	if (n > 1)
		return es_err_new(ES_E_SYSTEM, "invalid registry endpoint \"http://%s/v1/\". HTTPS attempt: %s. HTTP attempt: %s", domain,
				  es_err_text(first), es_err_text(second));
	return es_err_new(ES_E_SYSTEM,
			  "invalid registry endpoint https://%s/v1/: %s. If this private registry supports only HTTP or HTTPS with an unknown CA "
			  "certificate, please add `--insecure-registry %s` to the daemon's arguments. In the case of HTTPS, if you have access to "
			  "the registry's CA certificate, no need for the flag; simply place the CA certificate at /etc/docker/certs.d/%s/ca.crt",
			  domain, es_err_text(first), domain, domain);
}

static const char *basic(struct arena *a, const struct fetch_auth *auth)
{
	const char *pair;
	char *text;

	if (str_empty(auth->username))
		return NULL;
	pair = arena_printf(a, "%s:%s", auth->username, auth->password ? auth->password : "");
	text = arena_alloc(a, base64_encoded_len(strlen(pair)) + 1);
	(void)base64_encode(pair, strlen(pair), BASE64_STD, text);
	return arena_printf(a, "Basic %s", text);
}

static es_err *ask(struct asking *s, const char *term, int64_t limit, struct fetch_hits *ret)
{
	static const char *const headers[] = { "X-Docker-Token: true", NULL };
	struct transfer_request q = { .method = "GET", .headers = headers, .max = FETCH_LIST_MAX };
	struct transfer_reply reply;
	struct endpoint e;

	ES_TRY(find(s, &e));
	q.url = arena_printf(s->a, "%s/v1/search?n=%" PRIi64 "&q=%s", e.base, limit, transfer_escape(s->transfer, s->a, term));
	q.unverified = e.unverified;
	if (str_starts(e.base, "https://"))
		q.authorization = basic(s->a, &s->cfg->auth);
	ES_TRY(transfer_do(s->transfer, s->a, &q, &reply));
	if (reply.status != 200)
		return es_err_new(ES_E_SYSTEM, "Unexpected status code %ld", reply.status);
	*ret = (struct fetch_hits){ 0 };
	return es_err_as(es_err_in(field_decode_text(s->a, fetch_hits_fields, reply.body, reply.body_len, ret), "answer of %s", q.url), ES_E_PROTOCOL);
}

es_err *regsearch(struct arena *a, const struct remote_config *cfg, const char *term, int64_t limit, struct fetch_hits *ret)
{
	struct asking s = { .a = a, .cfg = cfg };
	es_err *err;

	ES_TRY(transfer_open(&cfg->transfer, &s.transfer));
	err = ask(&s, term, limit, ret);
	transfer_close(s.transfer);
	return err;
}
