/* SPDX-License-Identifier: Apache-2.0 */
/* webfile.c: a GET whose bytes go straight on. */
#include "registry/webfile.h"

#include "base/file.h"
#include "base/str.h"
#include "registry/regerr.h"

struct download {
	int fd;
	uint64_t at;
	const struct transfer_reply *reply;
	const struct remote_progress *progress;
};

static es_err *take(void *self, uint64_t start, const char *bytes, size_t n)
{
	struct download *d = self;
	es_err *err = file_write_all(d->fd, bytes, n);

	(void)start;
	if (err && es_err_errno(err) == EPIPE)
		return es_err_as(err, ES_E_CANCELLED);
	ES_TRY(err);
	d->at += n;
	d->progress->at(d->progress->self, d->at, d->reply->length > d->at ? d->reply->length : d->at);
	return NULL;
}

static es_err *refusal(const char *url, const struct transfer_reply *r)
{
	static const struct {
		long status;
		enum es_err_class class;
	} rows[] = { { 400, ES_E_INVALID }, { 401, ES_E_UNAUTHORIZED }, { 403, ES_E_FORBIDDEN }, { 404, ES_E_NOT_FOUND } };
	enum es_err_class class = ES_E_SYSTEM;
	es_autofree char *body = es_xstrdup(r->body);

	for (size_t i = 0; i < ES_N(rows); i++)
		if (rows[i].status == r->status)
			class = rows[i].class;
	return es_err_new(class, "failed to GET %s with status %ld %s: %s", url, r->status, r->reason, str_trim(body));
}

char *webfile_name(struct arena *a, const char *disposition)
{
	const char *at = disposition ? strstr(disposition, "filename=") : NULL, *slash;
	char *name;

	if (!at || (at != disposition && !strchr("; \t", at[-1])))
		return NULL;
	at += strlen("filename=");
	name = *at == '"' ? arena_strndup(a, at + 1, strcspn(at + 1, "\"")) : arena_strndup(a, at, strcspn(at, "; \t"));
	slash = strrchr(name, '/');
	name = slash ? arena_strdup(a, slash + 1) : name;
	return *name && !str_eq(name, ".") && !str_eq(name, "..") ? name : NULL;
}

es_err *webfile_get(struct arena *a, const struct transfer_config *cfg, const char *url, int fd, const struct remote_progress *p,
		    struct webfile *ret)
{
	struct transfer_reply reply = { 0 };
	struct download d = { .fd = fd, .reply = &reply, .progress = p };
	const struct transfer_request q = { .method = "GET", .url = url, .sink = take, .self = &d, .max = REGERR_BODY_MAX };
	struct transfer *t;
	es_err *err;

	if (!str_starts(url, "http://") && !str_starts(url, "https://"))
		return es_err_new(ES_E_INVALID, "%s: neither http nor https", url);
	ES_TRY(transfer_open(cfg, &t));
	err = transfer_do(t, a, &q, &reply);
	transfer_close(t);
	ES_TRY(err);
	if (reply.status != 200)
		return refusal(url, &reply);
	*ret = (struct webfile){ .name = webfile_name(a, reply.disposition), .modified = reply.modified };
	return NULL;
}
