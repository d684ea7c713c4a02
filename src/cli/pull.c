/* SPDX-License-Identifier: Apache-2.0 */
/* pull.c: have the daemon fetch an image; used by pull, run and create. */
#include "cli/pull.h"

#include "cli/config.h"
#include "cli/progress.h"
#include "cli/tty.h"
#include "spec/ref.h"

const char *pull_familiar(struct cli *c, const char *image)
{
	struct ref r;
	es_err *err = ref_parse(c->arena, image, &r);

	if (err) {
		es_err_free(err);
		return image;
	}
	ref_default_tag(&r);
	return ref_familiar(c->arena, &r);
}

es_err *pull_send(struct cli *c, const char *name, const char *tag, const char *domain, const char *platform, bool quiet, int fd)
{
	es_autobuf query = QUERY;
	struct client_request r = { .method = "POST", .path = "/images/create" };
	const struct progress p = { .fd = quiet ? -1 : fd, .is_tty = tty_is(fd) };
	struct http_head head;

	query_add(&query, "fromImage", name);
	query_add(&query, "tag", tag);
	query_add(&query, "platform", platform);
	r.query = es_buf_str(&query);
	ES_TRY(config_auth_header(c, domain, &r.auth));
	ES_TRY(client_send(c, &r, &head));
	return progress_show(client_http(c), &p, NULL);
}

es_err *pull_image(struct cli *c, const char *image, const char *platform, bool quiet, int fd)
{
	struct ref r;

	ES_TRY(ref_parse(c->arena, image, &r));
	ref_default_tag(&r);
	return pull_send(c, ref_familiar_name(c->arena, &r), r.digest ? r.digest : r.tag, r.domain, platform, quiet, fd);
}
