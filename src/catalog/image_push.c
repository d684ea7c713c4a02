/* SPDX-License-Identifier: Apache-2.0 */
/* image_push.c: an image to a registry: layers compressed where the registry does not have them, config, manifest; and login. */
#include <fcntl.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/str.h"
#include "catalog/image_priv.h"
#include "catalog/net_priv.h"
#include "store/blob.h"
#include "store/layerprog.h"
#include "store/layers.h"

#define SHORT_ID 12
#define MANIFEST_INDENT "   " /* docker's: an image that dockers push has one digest */

struct job {
	const char *diff_id;
	char id[SHORT_ID + 1];
	struct net_blob blob; /* what it is called there, once it is */
};

struct push {
	const struct image_net *net;
	struct arena *a; /* the main thread's, or with the lock */
	struct fetch_place place;
	struct net_talk talk;
	struct fetch_session *first;
	struct job *jobs; /* bottom first; worked on from the top, as docker lists them */
	size_t n_jobs, left;
	pthread_mutex_t lock; /* a, first, left */
};

/* --- one layer --- */

struct upload {
	struct push *p;
	const struct job *job;
};

static void on_progress(void *self, uint64_t current, uint64_t total)
{
	const struct upload *u = self;

	net_progress(&u->p->talk, u->job->id, "Pushing", current, total);
}

/* Keep what is known in the arena that outlives this thread. */
static void settle(struct push *p, struct job *job, const struct net_blob *blob)
{
	(void)pthread_mutex_lock(&p->lock);
	job->blob = (struct net_blob){ arena_strdup(p->a, blob->digest), DOCKER_MT_LAYER_GZIP, blob->size, p->place.path };
	(void)pthread_mutex_unlock(&p->lock);
	net_blob_put(p->net->im->store, job->diff_id, p->place.domain, &job->blob);
}

/* Does the registry have it already, here or in a repository that we know of? */
static es_err *try_known(struct push *p, struct fetch_session *s, struct arena *a, struct job *job, bool *ret_done)
{
	const struct fetch_ops *ops = p->net->fetch.ops;
	const struct fetch_progress quiet = { 0 };
	struct net_blob blob;

	*ret_done = false;
	if (!net_blob_get(p->net->im->store, a, job->diff_id, p->place.domain, &blob) || !blob_is_digest(blob.digest))
		return NULL;
	if (!str_eq(blob.media_type, DOCKER_MT_LAYER_GZIP) && !str_eq(blob.media_type, OCI_MT_LAYER_GZIP))
		return NULL; /* docker's manifests know gzip only */
	ES_TRY(ops->has(s, blob.digest, ret_done));
	if (*ret_done) {
		net_step(&p->talk, job->id, "Layer already exists");
	} else if (!str_eq(blob.path, p->place.path)) {
		ES_TRY(ops->upload(s, blob.digest, (uint64_t)blob.size, blob.path, -1, &quiet, ret_done));
		if (*ret_done)
			net_say(&p->talk, job->id, "Mounted from %s", blob.path);
	}
	if (*ret_done)
		settle(p, job, &blob);
	return NULL;
}

/* The layer's tar through estiba-layer into a file without a name. */
static es_err *compress(struct store *st, struct arena *a, const char *diff_id, int *ret_fd, struct net_blob *ret)
{
	const char *argv[] = { "estiba-layer", "compress", NULL, NULL };
	es_autoclose int tar = -1, out = openat(store_root_fd(st), "tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	struct layers_info info;
	struct json *report;
	uint64_t size;

	if (out < 0)
		return es_err_sys(errno, "make a temporary file");
	ES_TRY(layers_open_tar(st, diff_id, &tar, &size));
	argv[2] = arena_printf(a, "--size=%llu", (unsigned long long)size);
	ES_TRY(layerprog_run(st, a, &(struct layerprog_call){ .argv = argv, .stream_fd = tar, .dir_fd = -1, .out_fd = out }, &report));
	ES_TRY(layerprog_info(report, &info));
	if (!str_eq(info.diff_id, diff_id))
		return es_err_new(ES_E_INTERNAL, "layer %s is damaged: its digest is %s", diff_id, info.diff_id);
	*ret = (struct net_blob){ .digest = arena_strdup(a, info.digest), .size = (int64_t)info.size };
	*ret_fd = ES_TAKE_FD(out);
	return NULL;
}

static es_err *put_layer(struct push *p, struct fetch_session *s, struct job *job)
{
	es_autoarena *a = arena_new();
	struct upload u = { p, job };
	const struct fetch_progress progress = { on_progress, &u };
	struct net_blob blob = { 0 };
	es_autoclose int fd = -1;
	bool done, mounted;

	ES_TRY(try_known(p, s, a, job, &done));
	if (done)
		return NULL;
	ES_TRY(compress(p->net->im->store, a, job->diff_id, &fd, &blob));
	ES_TRY(p->net->fetch.ops->has(s, blob.digest, &done));
	if (!done)
		ES_TRY(p->net->fetch.ops->upload(s, blob.digest, (uint64_t)blob.size, NULL, fd, &progress, &mounted));
	settle(p, job, &blob);
	net_step(&p->talk, job->id, done ? "Layer already exists" : "Pushed");
	return NULL;
}

/* --- the crowd --- */

static struct job *take_job(struct push *p)
{
	struct job *job = NULL;

	(void)pthread_mutex_lock(&p->lock);
	if (p->left && !net_is_over(&p->talk))
		job = &p->jobs[--p->left];
	(void)pthread_mutex_unlock(&p->lock);
	return job;
}

static es_err *take_session(struct push *p, struct fetch_session **ret)
{
	(void)pthread_mutex_lock(&p->lock);
	*ret = ES_TAKE(p->first);
	(void)pthread_mutex_unlock(&p->lock);
	return *ret ? NULL : p->net->fetch.ops->open(p->net->fetch.self, &p->place, p->talk.cancel_fd, ret);
}

static void *worker_main(void *self)
{
	struct push *p = self;
	struct job *job = take_job(p);
	struct fetch_session *session = NULL;
	es_err *err = job ? take_session(p, &session) : NULL;

	for (; job && !err; job = err ? NULL : take_job(p))
		err = put_layer(p, session, job);
	net_fail(&p->talk, err);
	(void)pthread_mutex_lock(&p->lock);
	if (session && !p->first)
		p->first = ES_TAKE(session);
	(void)pthread_mutex_unlock(&p->lock);
	p->net->fetch.ops->close(session);
	return NULL;
}

static es_err *put_layers(struct push *p, const struct image *img)
{
	p->n_jobs = p->left = strv_len(img->layers);
	p->jobs = ARENA_ARRAY(p->a, struct job, p->n_jobs + 1);
	for (size_t i = p->n_jobs; i-- > 0;) {
		p->jobs[i].diff_id = img->layers[i];
		memcpy(p->jobs[i].id, img->layers[i] + strlen("sha256:"), SHORT_ID);
		net_step(&p->talk, p->jobs[i].id, "Preparing");
	}
	net_crowd(p->n_jobs < IMAGE_UPLOADS ? p->n_jobs : IMAGE_UPLOADS, worker_main, p);
	return net_result(&p->talk);
}

/* --- config and manifest --- */

static es_err *put_config(struct push *p, const struct image *img)
{
	es_autoclose int fd = memfd_create("config", MFD_CLOEXEC);
	const struct fetch_progress quiet = { 0 };
	bool there;

	if (fd < 0)
		return es_err_sys(errno, "memory file");
	ES_TRY(p->net->fetch.ops->has(p->first, img->id, &there));
	if (there)
		return NULL;
	ES_TRY(file_write_all(fd, img->config_text, img->config_len));
	return p->net->fetch.ops->upload(p->first, img->id, img->config_len, NULL, fd, &quiet, &there);
}

static es_err *make_manifest(struct push *p, const struct image *img, struct es_buf *out)
{
	struct oci_descriptor *layers = ARENA_ARRAY(p->a, struct oci_descriptor, p->n_jobs + 1);
	struct oci_manifest m = {
		.schema_version = 2,
		.media_type = DOCKER_MT_MANIFEST,
		.config = { .media_type = DOCKER_MT_CONFIG, .digest = img->id, .size = (int64_t)img->config_len },
		.layers = { layers, p->n_jobs, true },
	};

	for (size_t i = 0; i < p->n_jobs; i++)
		layers[i] = (struct oci_descriptor){ .media_type = DOCKER_MT_LAYER_GZIP, .digest = p->jobs[i].blob.digest, .size = p->jobs[i].blob.size };
	json_write_indent(out, field_encode(p->a, oci_manifest_fields, &m), "", MANIFEST_INDENT, 0);
	return es_buf_check(out);
}

/* The image now has this digest, too. */
static es_err *remember(struct push *p, const struct image *img, const struct ref *ref, const struct es_buf *manifest, const char *digest)
{
	es_autolease *lease = lease_new(p->net->im->store);
	const struct ref by_digest = { ref->domain, ref->path, NULL, digest };
	struct image_new new = { .config_text = img->config_text, .config_len = img->config_len };
	const char *id;

	ES_TRY(blob_put(p->net->im->store, lease, manifest->p, manifest->len, digest, NULL));
	new.names = strv_arena_add(p->a, NULL, ref_full(p->a, &by_digest));
	new.blobs = strv_arena_add(p->a, NULL, digest);
	return image_add(p->net->im, p->a, &new, &id);
}

static es_err *say_done(struct push *p, const char *tag, const char *digest, size_t size)
{
	struct json *line = json_new_object(p->a), *aux = json_new_object(p->a);
	es_autobuf b = ES_BUF(NET_LINE_MAX);

	net_say(&p->talk, NULL, "%s: digest: %s size: %zu", tag, digest, size);
	json_set_str(p->a, aux, "Tag", tag);
	json_set_str(p->a, aux, "Digest", digest);
	json_set_i64(p->a, aux, "Size", (int64_t)size);
	json_set(p->a, line, "progressDetail", json_new_object(p->a));
	json_set(p->a, line, "aux", aux);
	json_write(&b, line, 0);
	return p->talk.sink->line(p->talk.sink->self, es_buf_str(&b));
}

static es_err *push_one(struct push *p, const struct ref *ref)
{
	es_autobuf manifest = ES_BUF(OCI_MANIFEST_MAX);
	const char *familiar = ref_familiar(p->a, ref);
	char digest[BLOB_DIGEST_MAX];
	struct record tag;
	struct image img;
	es_err *err = record_get(p->net->im->store, p->a, IMAGE_TAG_KIND, ref_full(p->a, ref), &tag);

	if (err && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_drop(err);
		return es_err_new(ES_E_NOT_FOUND, "tag does not exist: %s", familiar);
	}
	ES_TRY(err);
	ES_TRY(image_get(p->net->im, p->a, tag.ref, &img));
	ES_TRY(put_layers(p, &img));
	ES_TRY(put_config(p, &img));
	ES_TRY(make_manifest(p, &img, &manifest));
	ES_TRY(p->net->fetch.ops->put(p->first, ref->tag, DOCKER_MT_MANIFEST, manifest.p, manifest.len));
	blob_digest(manifest.p, manifest.len, digest);
	ES_TRY(remember(p, &img, ref, &manifest, digest));
	image_event(p->net->im, "push", familiar, ref_familiar_name(p->a, ref));
	return say_done(p, ref->tag, digest, manifest.len);
}

/* --- the whole --- */

static es_err *tags_of(struct push *p, const struct ref *ref, struct ref **ret, size_t *ret_n)
{
	struct record_list all;
	const char *name = ref_name(p->a, ref);

	*ret_n = 0;
	ES_TRY(record_list(p->net->im->store, p->a, IMAGE_TAG_KIND, NULL, &all));
	*ret = ARENA_ARRAY(p->a, struct ref, all.n + 1);
	for (size_t i = 0; i < all.n; i++) {
		struct ref *tag = &(*ret)[*ret_n];

		ES_TRY(ref_parse(p->a, all.items[i].id, tag));
		if (str_eq(ref_name(p->a, tag), name))
			++*ret_n;
	}
	return NULL;
}

static es_err *push_all(struct push *p, const struct ref *ref)
{
	struct ref *tags;
	size_t n;

	net_say(&p->talk, NULL, "The push refers to repository [%s]", ref_name(p->a, ref));
	ES_TRY(tags_of(p, ref, &tags, &n));
	if (!n)
		return es_err_new(ES_E_NOT_FOUND, "An image does not exist locally with the tag: %s", ref_familiar_name(p->a, ref));
	ES_TRY(p->net->fetch.ops->open(p->net->fetch.self, &p->place, p->talk.cancel_fd, &p->first));
	if (ref->tag)
		return push_one(p, ref);
	for (size_t i = 0; i < n; i++)
		if (tags[i].tag)
			ES_TRY(push_one(p, &tags[i]));
	return NULL;
}

es_err *image_push(const struct image_net *net, const struct image_push *opts, const struct image_sink *sink)
{
	es_autoarena *a = arena_new();
	struct push p = { .net = net, .a = a };
	es_err *err;

	p.place = (struct fetch_place){ .domain = opts->ref->domain, .path = opts->ref->path, .auth = opts->auth, .push = true };
	(void)pthread_mutex_init(&p.lock, NULL);
	err = net_talk_init(&p.talk, sink, opts->cancel_fd);
	if (!err)
		err = push_all(&p, opts->ref);
	if (!err)
		err = ES_TAKE(p.talk.err);
	net->fetch.ops->close(p.first);
	net_talk_done(&p.talk);
	(void)pthread_mutex_destroy(&p.lock);
	return err;
}

/* --- login --- */

/* "https://index.docker.io/v1/" and "host:port" alike. */
static const char *domain_of(struct arena *a, const char *address)
{
	const char *rest = str_after(address, "https://");

	if (!rest)
		rest = str_after(address, "http://");
	if (!rest)
		rest = address;
	rest = arena_strndup(a, rest, strcspn(rest, "/"));
	return str_empty(rest) || str_eq(rest, "index.docker.io") || str_eq(rest, "registry-1.docker.io") ? "docker.io" : rest;
}

es_err *image_login(const struct image_net *net, struct arena *a, const struct fetch_auth *auth, int cancel_fd, const char **ret_token)
{
	struct fetch_place place = { .domain = domain_of(a, auth->server_address ? auth->server_address : ""), .auth = *auth, .push = true };
	struct fetch_session *s;
	struct ref ref;
	es_err *err;

	/* It becomes part of a path and of an address. */
	ES_TRY(ref_parse(a, arena_printf(a, "%s/x", place.domain), &ref));
	if (!str_eq(ref.domain, place.domain))
		return es_err_new(ES_E_INVALID, "invalid registry address \"%s\"", place.domain);
	ES_TRY(net->fetch.ops->open(net->fetch.self, &place, cancel_fd, &s));
	err = net->fetch.ops->login(s, a, ret_token);
	net->fetch.ops->close(s);
	return err;
}
