/* SPDX-License-Identifier: Apache-2.0 */
/* image_pull.c: an image from a registry: manifest, config, layers unpacked while they come, the record last. */
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "catalog/image_priv.h"
#include "catalog/net_priv.h"
#include "spec/platform.h"
#include "store/blob.h"
#include "store/crashpoint.h"
#include "store/gc.h"
#include "store/layers.h"

#define SHORT_ID 12

/* --- layers under way --- */

/* One fetches a layer, the others who want it wait and then find it (or try themselves). */
struct image_flights {
	pthread_mutex_t lock;
	pthread_cond_t landed;
	char **diff_ids;
};

struct image_flights *image_flights_new(void)
{
	struct image_flights *f = ES_NEW(struct image_flights);

	(void)pthread_mutex_init(&f->lock, NULL);
	(void)pthread_cond_init(&f->landed, NULL);
	return f;
}

void image_flights_free(struct image_flights *f)
{
	if (!f)
		return;
	(void)pthread_cond_destroy(&f->landed);
	(void)pthread_mutex_destroy(&f->lock);
	strv_free(f->diff_ids);
	free(f);
}

/* False: T is over. */
static bool take_off(struct image_flights *f, struct net_talk *t, const char *diff_id)
{
	bool over = false;

	(void)pthread_mutex_lock(&f->lock);
	while (strv_has(f->diff_ids, diff_id) && !(over = net_is_over(t))) {
		struct timespec until; /* a client that leaves wakes nobody here */

		(void)clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		(void)pthread_cond_timedwait(&f->landed, &f->lock, &until);
	}
	if (!over)
		strv_add(&f->diff_ids, diff_id);
	(void)pthread_mutex_unlock(&f->lock);
	return !over;
}

static void land(struct image_flights *f, const char *diff_id)
{
	(void)pthread_mutex_lock(&f->lock);
	for (char **at = f->diff_ids; at && *at; at++)
		if (str_eq(*at, diff_id)) {
			free(*at);
			do
				at[0] = at[1];
			while (*at++);
			break;
		}
	(void)pthread_cond_broadcast(&f->landed);
	(void)pthread_mutex_unlock(&f->lock);
}

/* --- a pull --- */

struct job {
	const char *diff_id, *digest, *media_type;
	char id[SHORT_ID + 1];
	uint64_t size; /* bytes, compressed */
};

struct pull {
	const struct image_net *net;
	struct arena *a; /* the main thread's */
	const struct image_pull *p;
	struct fetch_place place;
	struct net_talk talk;
	struct lease *lease;
	struct fetch_session *first; /* of whoever comes first */
	struct job *jobs;
	size_t n_jobs, next;
	bool downloaded; /* some layer came over the network */
	bool kept;       /* something is in the store that only the lease holds */
	pthread_mutex_t lock; /* first, next, downloaded */
};

/* --- one layer --- */

struct download {
	struct pull *p;
	const struct job *job;
	struct fetch_session *session;
	int fd;
	es_err *err;
};

static void on_progress(void *self, uint64_t current, uint64_t total)
{
	const struct download *d = self;

	net_progress(&d->p->talk, d->job->id, "Downloading", current, total);
}

static void *download_main(void *arg)
{
	struct download *d = arg;
	const struct fetch_progress progress = { on_progress, d };

	d->err = d->p->net->fetch.ops->blob(d->session, d->job->digest, d->job->size, d->fd, &progress);
	es_close(d->fd); /* the other end sees the end */
	if (!d->err) {
		net_step(&d->p->talk, d->job->id, "Verifying Checksum");
		net_step(&d->p->talk, d->job->id, "Download complete");
		net_progress(&d->p->talk, d->job->id, "Extracting", d->job->size, d->job->size);
	}
	return NULL;
}

/* When both fail, one because the other did, the cause is told: the fetching side calls a reader that went away "cancelled". */
static es_err *cause(es_err *fetching, es_err *unpacking)
{
	if (fetching && (!unpacking || es_err_class(fetching) != ES_E_CANCELLED)) {
		es_err_drop(unpacking);
		return fetching;
	}
	es_err_drop(fetching);
	return unpacking;
}

/* The helper writes into a pipe, estiba-layer reads from it. */
static es_err *stream_layer(struct pull *p, struct fetch_session *session, const struct job *job)
{
	const struct layers_want want = { job->diff_id, job->digest };
	struct download d = { .p = p, .job = job, .session = session };
	pthread_t thread;
	es_err *err;
	int fds[2], rc;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return es_err_sys(errno, "pipe");
	d.fd = fds[1];
	rc = pthread_create(&thread, NULL, download_main, &d);
	if (rc) {
		es_close(fds[0]);
		es_close(fds[1]);
		return es_err_sys(rc, "start thread");
	}
	err = layers_import(p->net->im->store, p->lease, fds[0], &want, NULL);
	es_close(fds[0]);
	(void)pthread_join(thread, NULL);
	return cause(d.err, err);
}

static es_err *get_layer(struct pull *p, struct fetch_session *session, const struct job *job)
{
	struct store *st = p->net->im->store;
	const struct net_blob blob = { job->digest, job->media_type, (int64_t)job->size, p->place.path };
	es_err *err;

	lease_hold(p->lease, job->diff_id);
	if (layers_has(st, job->diff_id)) {
		net_step(&p->talk, job->id, "Already exists");
		return NULL;
	}
	if (!take_off(p->net->flights, &p->talk, job->diff_id))
		return NULL;
	err = layers_has(st, job->diff_id) ? NULL : stream_layer(p, session, job);
	land(p->net->flights, job->diff_id);
	ES_TRY(err);
	crash_point(st, CRASH_PULL_LAYER);
	net_blob_put(st, job->diff_id, p->place.domain, &blob);
	net_step(&p->talk, job->id, "Pull complete");
	(void)pthread_mutex_lock(&p->lock);
	p->downloaded = true;
	(void)pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* --- the crowd --- */

static const struct job *take_job(struct pull *p)
{
	const struct job *job = NULL;

	(void)pthread_mutex_lock(&p->lock);
	if (p->next < p->n_jobs && !net_is_over(&p->talk))
		job = &p->jobs[p->next++];
	(void)pthread_mutex_unlock(&p->lock);
	return job;
}

/* The session that read the manifest is used on; further ones are opened as they are needed. */
static es_err *take_session(struct pull *p, struct fetch_session **ret)
{
	(void)pthread_mutex_lock(&p->lock);
	*ret = ES_TAKE(p->first);
	(void)pthread_mutex_unlock(&p->lock);
	return *ret ? NULL : p->net->fetch.ops->open(p->net->fetch.self, &p->place, p->talk.cancel_fd, ret);
}

static void *worker_main(void *self)
{
	struct pull *p = self;
	const struct job *job = take_job(p);
	struct fetch_session *session = NULL;
	es_err *err = job ? take_session(p, &session) : NULL;

	for (; job && !err; job = err ? NULL : take_job(p))
		err = get_layer(p, session, job);
	net_fail(&p->talk, err);
	(void)pthread_mutex_lock(&p->lock);
	if (session && !p->first)
		p->first = ES_TAKE(session); /* the next tag goes on with it */
	(void)pthread_mutex_unlock(&p->lock);
	p->net->fetch.ops->close(session);
	return NULL;
}

static es_err *get_layers(struct pull *p, const struct oci_manifest *m, char *const *diff_ids)
{
	size_t n = 0;

	if (m->layers.n != strv_len((char **)diff_ids))
		return es_err_new(ES_E_PROTOCOL, "manifest has %zu layers, its config %zu", m->layers.n, strv_len((char **)diff_ids));
	p->jobs = ARENA_ARRAY(p->a, struct job, m->layers.n + 1);
	FIELD_LIST_EACH(struct oci_descriptor, d, &m->layers) {
		struct job *job = &p->jobs[n];

		if (!blob_is_digest(d->digest))
			return es_err_new(ES_E_UNSUPPORTED, "digest %s of a layer is not supported", d->digest);
		*job = (struct job){ .diff_id = diff_ids[n], .digest = d->digest, .media_type = d->media_type, .size = (uint64_t)d->size };
		memcpy(job->id, d->digest + strlen("sha256:"), SHORT_ID);
		net_step(&p->talk, job->id, "Pulling fs layer");
		n++;
	}
	p->n_jobs = n;
	p->next = 0;
	net_crowd(n < IMAGE_DOWNLOADS ? n : IMAGE_DOWNLOADS, worker_main, p);
	return net_result(&p->talk);
}

/* --- one image --- */

struct found {
	struct oci_image config;
	const char *config_text;
	size_t config_len;
	char **blobs; /* index and manifest */
};

/* The config byte for byte: its digest is the image's id. */
static es_err *get_config(struct pull *p, const struct oci_descriptor *d, struct found *f)
{
	es_autoclose int fd = memfd_create("config", MFD_CLOEXEC);
	const struct fetch_progress quiet = { 0 };
	char digest[BLOB_DIGEST_MAX], *text;

	if (fd < 0)
		return es_err_sys(errno, "memory file");
	if (d->size > OCI_CONFIG_MAX)
		return es_err_new(ES_E_LIMIT, "image config of %lld bytes is larger than %u", (long long)d->size, OCI_CONFIG_MAX);
	ES_TRY(p->net->fetch.ops->blob(p->first, d->digest, (uint64_t)d->size, fd, &quiet));
	if (lseek(fd, 0, SEEK_SET) < 0)
		return es_err_sys(errno, "memory file");
	ES_TRY(file_read_all(fd, OCI_CONFIG_MAX, &text, &f->config_len));
	arena_own(p->a, text);
	if (!str_eq(blob_digest(text, f->config_len, digest), d->digest))
		return es_err_new(ES_E_PROTOCOL, "image config verification failed for digest %s", d->digest);
	f->config_text = text;
	return NULL;
}

static es_err *keep(struct pull *p, const struct fetch_doc *doc, struct found *f)
{
	f->blobs = strv_arena_add(p->a, f->blobs, doc->digest);
	p->kept = true;
	return blob_put(p->net->im->store, p->lease, doc->text, doc->len, doc->digest, NULL);
}

/* From an index to the manifest for the wanted platform; a manifest stays what it is. */
static es_err *choose(struct pull *p, struct fetch_doc *doc, struct found *f)
{
	const struct oci_descriptor *child;
	struct oci_platform want;
	struct oci_index idx;

	ES_TRY(keep(p, doc, f));
	if (!oci_is_index(doc->media_type))
		return NULL;
	ES_TRY(platform_parse(p->a, p->p->platform, &want));
	ES_TRY(oci_index_decode(p->a, doc->plain, doc->plain_len, &idx));
	child = platform_choose(&idx, &want);
	if (!child)
		return es_err_new(ES_E_NOT_FOUND, "no matching manifest for %s in the manifest list entries", platform_text(p->a, &want));
	ES_TRY(p->net->fetch.ops->resolve(p->first, p->a, child->digest, doc));
	if (oci_is_index(doc->media_type))
		return es_err_new(ES_E_UNSUPPORTED, "an index inside an index is not supported");
	return keep(p, doc, f);
}

static es_err *get_image(struct pull *p, const struct oci_manifest *m, struct found *f)
{
	struct image there;
	es_err *err = image_get(p->net->im, p->a, m->config.digest, &there);

	if (!err) { /* with all its layers */
		f->config = there.config;
		f->config_text = there.config_text;
		f->config_len = there.config_len;
		return NULL;
	}
	es_err_drop(err);
	ES_TRY(get_config(p, &m->config, f));
	crash_point(p->net->im->store, CRASH_PULL_CONFIG);
	ES_TRY(oci_image_decode(p->a, f->config_text, f->config_len, &f->config));
	if (!str_empty(f->config.os) && !str_eq(f->config.os, "linux"))
		return es_err_new(ES_E_UNSUPPORTED, "image operating system \"%s\" cannot be used on this platform", f->config.os);
	return get_layers(p, m, f->config.rootfs.diff_ids);
}

/* The image that has the name now, or NULL. */
static const char *holder_of(struct pull *p, const struct ref *ref)
{
	struct record r;
	es_err *err = record_get(p->net->im->store, p->a, IMAGE_TAG_KIND, ref_full(p->a, ref), &r);

	es_err_free(err);
	return err ? NULL : r.ref;
}

static es_err *add(struct pull *p, const struct ref *ref, const char *digest, const struct found *f, const char **ret_id)
{
	const char *familiar = ref_familiar(p->a, ref), *before = holder_of(p, ref);
	struct ref by_digest = { ref->domain, ref->path, NULL, digest };
	char **names = strv_arena_add(p->a, NULL, ref_full(p->a, &by_digest));
	struct image_new new = { .config_text = f->config_text, .config_len = f->config_len, .blobs = f->blobs };

	if (!ref->digest)
		names = strv_arena_add(p->a, names, ref_full(p->a, ref));
	new.names = names;
	ES_TRY(image_add(p->net->im, p->a, &new, ret_id));
	net_say(&p->talk, NULL, "Digest: %s", digest);
	net_say(&p->talk, NULL, p->downloaded || !str_eq(before, *ret_id) ? "Status: Downloaded newer image for %s" : "Status: Image is up to date for %s",
		familiar);
	image_event(p->net->im, "pull", familiar, ref_familiar_name(p->a, ref));
	return NULL;
}

/* An image of one platform, without an index, is taken whatever it is for; docker says so, too. */
static es_err *warn_platform(struct pull *p, const struct ref *ref, const struct oci_image *is)
{
	const struct oci_platform actual = { .os = is->os, .architecture = is->architecture, .variant = is->variant };
	struct oci_platform want;

	if (str_empty(p->p->platform))
		return NULL;
	ES_TRY(platform_parse(p->a, p->p->platform, &want));
	if (!platform_fits(&want, &actual))
		net_say(&p->talk, NULL, "WARNING: image with reference %s was found but does not match the specified platform: wanted %s, actual: %s",
			ref_full(p->a, ref), platform_text(p->a, &want), platform_text(p->a, &actual));
	return NULL;
}

static es_err *pull_one(struct pull *p, const struct ref *ref, const char **ret_id)
{
	struct found f = { 0 };
	struct oci_manifest m;
	struct fetch_doc doc;
	const char *digest;

	p->downloaded = false;
	ES_TRY(p->net->fetch.ops->resolve(p->first, p->a, ref->digest ? ref->digest : ref->tag, &doc));
	digest = doc.digest;
	net_say(&p->talk, ref->digest ? ref_full(p->a, ref) : ref->tag, "Pulling from %s", ref->path);
	ES_TRY(choose(p, &doc, &f));
	crash_point(p->net->im->store, CRASH_PULL_MANIFEST);
	ES_TRY(oci_manifest_decode(p->a, doc.plain, doc.plain_len, &m));
	if (!blob_is_digest(m.config.digest))
		return es_err_new(ES_E_UNSUPPORTED, "digest %s of an image is not supported", m.config.digest);
	ES_TRY(get_image(p, &m, &f));
	ES_TRY(add(p, ref, digest, &f, ret_id));
	crash_point(p->net->im->store, CRASH_PULL_IMAGE);
	return warn_platform(p, ref, &f.config);
}

static es_err *pull_all(struct pull *p, const char **ret_id)
{
	struct oci_platform checked;
	char **tags;

	ES_TRY(platform_parse(p->a, p->p->platform, &checked)); /* before anybody is asked */
	ES_TRY(p->net->fetch.ops->open(p->net->fetch.self, &p->place, p->talk.cancel_fd, &p->first));
	if (p->p->ref->tag || p->p->ref->digest)
		return pull_one(p, p->p->ref, ret_id);
	ES_TRY(p->net->fetch.ops->tags(p->first, p->a, &tags));
	for (; tags && *tags; tags++) {
		const struct ref ref = { p->p->ref->domain, p->p->ref->path, *tags, NULL };

		ES_TRY(pull_one(p, &ref, ret_id));
	}
	return NULL;
}

es_err *image_pull(const struct image_net *net, struct arena *a, const struct image_pull *opts, const struct image_sink *sink, const char **ret_id)
{
	es_autoarena *own = arena_new();
	struct pull p = { .net = net, .a = own, .p = opts, .lease = lease_new(net->im->store) };
	const char *id = NULL;
	es_err *err;

	p.place = (struct fetch_place){ .domain = opts->ref->domain, .path = opts->ref->path, .auth = opts->auth };
	(void)pthread_mutex_init(&p.lock, NULL);
	err = net_talk_init(&p.talk, sink, opts->cancel_fd);
	if (!err)
		err = pull_all(&p, &id);
	if (!err) /* a line that could not be sent */
		err = ES_TAKE(p.talk.err);
	net->fetch.ops->close(p.first);
	net_talk_done(&p.talk);
	(void)pthread_mutex_destroy(&p.lock);
	lease_end(p.lease);
	if (err && p.kept)
		log_err(gc_run(net->im->store, NULL), "collect garbage");
	if (!err && ret_id)
		*ret_id = id ? arena_strdup(a, id) : NULL;
	return err;
}
