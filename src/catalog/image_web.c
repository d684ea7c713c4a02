/* SPDX-License-Identifier: Apache-2.0 */
/* image_web.c: what comes from the web and is no registry's: archives to import, an index to search. */
#include <fcntl.h>
#include <inttypes.h>

#include "base/str.h"
#include "catalog/image_net.h"
#include "catalog/net_priv.h"

#define SEARCH_DEFAULT 25
#define SEARCH_MAX 100

/* ---- import ---- */

static void tell(void *self, uint64_t current, uint64_t total)
{
	net_progress(self, NULL, "Importing", current, total);
}

static es_err *spool(const struct images *im, int *ret_fd)
{
	*ret_fd = openat(store_root_fd(im->store), "partial", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return *ret_fd < 0 ? es_err_sys(errno, "make a file for what is downloaded") : NULL;
}

es_err *image_import_url(const struct image_net *net, struct arena *a, const char *url, const struct image_import *opts, int cancel_fd,
			 const struct image_sink *sink, const char **ret_id)
{
	const char *full = strstr(url, "://") ? url : arena_printf(a, "http://%s", url);
	es_autoclose int fd = -1;
	struct fetch_file got;
	struct net_talk talk;
	es_err *err = net_talk_init(&talk, sink, cancel_fd);
	const struct fetch_progress progress = { tell, &talk };

	if (!err)
		err = spool(net->im, &fd);
	if (!err)
		err = net->fetch.ops->get(net->fetch.self, a, full, fd, talk.cancel_fd, &progress, &got);
	if (!err && lseek(fd, 0, SEEK_SET) < 0)
		err = es_err_sys(errno, "read what was downloaded");
	if (!err)
		err = image_import(net->im, a, fd, opts, ret_id);
	if (!err)
		net_say(&talk, NULL, "%s", *ret_id);
	net_fail(&talk, err);
	err = net_result(&talk);
	net_talk_done(&talk);
	return err;
}

/* ---- search ---- */

static es_err *place_of(struct arena *a, const char *term, struct fetch_place *place, const char **ret_words)
{
	const char *slash = strchr(term, '/'), *first = slash ? arena_strndup(a, term, (size_t)(slash - term)) : "", *words;

	if (strstr(term, "://"))
		return es_err_new(ES_E_INVALID, "invalid repository name: repository name (%s) should not have a scheme", term);
	if (!slash || (!strpbrk(first, ".:") && !str_eq(first, "localhost"))) {
		place->domain = "docker.io";
		*ret_words = term;
		return NULL;
	}
	place->domain = str_eq(first, "index.docker.io") ? "docker.io" : first;
	words = str_eq(place->domain, "docker.io") ? str_after(slash + 1, "library/") : NULL;
	*ret_words = words ? words : slash + 1;
	return NULL;
}

es_err *image_search(const struct image_net *net, struct arena *a, const char *term, int64_t limit, const struct fetch_auth *auth, int cancel_fd,
		     struct fetch_hits *ret)
{
	struct fetch_place place = { .auth = *auth };
	const char *words = NULL;

	if (limit == 0)
		limit = SEARCH_DEFAULT;
	if (limit < 1 || limit > SEARCH_MAX)
		return es_err_new(ES_E_INVALID, "limit %" PRIi64 " is outside the range of [1, %d]", limit, SEARCH_MAX);
	ES_TRY(place_of(a, term, &place, &words));
	return net->fetch.ops->search(net->fetch.self, a, &place, words, limit, cancel_fd, ret);
}
