/* SPDX-License-Identifier: Apache-2.0 */
/* ctr_mounts.c: everything that asks for a mount (-v, --mount, --tmpfs, VOLUME, --volumes-from) becomes one list, in docker's words. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/str.h"
#include "engine/ctr_priv.h"
#include "catalog/volume.h"

struct resolve {
	struct engine *e;
	struct arena *a;
	const char *id; /* the container's */
	struct ctr_mount *items;
	size_t n, cap;
};

/* Lexically: "/a//b/../c" → "/a/c"; always absolute. */
static char *clean_path(struct arena *a, const char *path)
{
	es_autostrv parts = strv_split(path, '/');
	char **kept = ARENA_ARRAY(a, char *, strv_len(parts) + 1);
	char *out;
	size_t n = 0;

	for (size_t i = 0; parts[i]; i++) {
		if (!*parts[i] || strcmp(parts[i], ".") == 0)
			continue;
		if (strcmp(parts[i], "..") == 0)
			n = n ? n - 1 : 0;
		else
			kept[n++] = parts[i];
	}
	out = arena_alloc(a, strlen(path) + 3);
	if (n == 0)
		return strcpy(out, "/");
	for (size_t i = 0; i < n; i++)
		strcat(strcat(out, "/"), kept[i]);
	return out;
}

static struct ctr_mount *at_destination(struct resolve *r, const char *destination)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->items[i].destination, destination) == 0)
			return &r->items[i];
	return NULL;
}

static es_err *add(struct resolve *r, const struct ctr_mount *m)
{
	if (strcmp(m->destination, "/") == 0)
		return es_err_new(ES_E_INVALID, "invalid mount config for type \"%s\": invalid specification: destination can't be '/'",
				  m->type);
	if (at_destination(r, m->destination))
		return es_err_new(ES_E_INVALID, "Duplicate mount point: %s", m->destination);
	if (r->n == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 8;
		struct ctr_mount *more = ARENA_ARRAY(r->a, struct ctr_mount, cap);

		if (r->n)
			memcpy(more, r->items, r->n * sizeof *more);
		r->items = more;
		r->cap = cap;
	}
	r->items[r->n++] = *m;
	return NULL;
}

/* ---- modes of the short form ---- */

enum mode_class { MODE_RW, MODE_LABEL, MODE_PROPAGATION, MODE_COPY, MODE_CONSISTENCY, MODE_N };

static const struct {
	const char *name;
	enum mode_class class;
} modes[] = {
	{ "rw", MODE_RW },		  { "ro", MODE_RW },		{ "z", MODE_LABEL },
	{ "Z", MODE_LABEL },		  { "private", MODE_PROPAGATION }, { "rprivate", MODE_PROPAGATION },
	{ "shared", MODE_PROPAGATION },	  { "rshared", MODE_PROPAGATION }, { "slave", MODE_PROPAGATION },
	{ "rslave", MODE_PROPAGATION },	  { "nocopy", MODE_COPY },	   { "consistent", MODE_CONSISTENCY },
	{ "cached", MODE_CONSISTENCY }, { "delegated", MODE_CONSISTENCY }, { "default", MODE_CONSISTENCY },
};

/* Each class at most once; ES_E_INVALID "invalid mode: x". */
static es_err *parse_mode(struct arena *a, const char *mode, bool is_volume, struct ctr_mount *m)
{
	es_autostrv words = str_empty(mode) ? NULL : strv_split(mode, ',');
	bool seen[MODE_N] = { false };

	m->rw = true;
	m->mode = mode ? mode : "";
	for (size_t i = 0; words && words[i]; i++) {
		size_t k = 0;

		while (k < ES_N(modes) && strcmp(modes[k].name, words[i]) != 0)
			k++;
		if (k == ES_N(modes) || seen[modes[k].class] || (is_volume && modes[k].class == MODE_PROPAGATION) ||
		    (!is_volume && modes[k].class == MODE_COPY))
			return es_err_new(ES_E_INVALID, "invalid mode: %s", mode);
		seen[modes[k].class] = true;
		if (modes[k].class == MODE_PROPAGATION)
			m->propagation = arena_strdup(a, words[i]);
		m->rw &= strcmp(words[i], "ro") != 0;
		m->no_copy |= modes[k].class == MODE_COPY;
	}
	return NULL;
}

/* ---- volumes and binds ---- */

static es_err *use_volume(struct resolve *r, struct ctr_mount *m, const struct docker_mount_volume *opts)
{
	const char *driver = opts && opts->driver_config ? opts->driver_config->name : NULL;
	struct volume_use use = {
		.name = m->name, .driver = driver, .owner = r->id,
		.options = opts && opts->driver_config ? opts->driver_config->options : NULL,
		.labels = opts ? opts->labels : NULL,
	};
	char id[65];

	if (str_empty(m->name)) {
		rand_hex(id, 64);
		m->name = use.name = arena_strdup(r->a, id);
		use.anonymous = m->anonymous = true;
	}
	m->type = "volume";
	m->driver = "local";
	return volume_ensure(r->e->volumes, r->a, &use, &m->source);
}

static es_err *bind_source(const struct resolve *r, const char *source, bool make)
{
	struct stat st;

	(void)r;
	if (stat(source, &st) == 0)
		return NULL;
	if (errno != ENOENT)
		return es_err_new(ES_E_INVALID, "invalid mount config for type \"bind\": stat %s: %s", source, strerror(errno));
	if (!make)
		return es_err_new(ES_E_INVALID, "invalid mount config for type \"bind\": bind source path does not exist: %s", source);
	return es_err_in(file_mkdir_p(AT_FDCWD, source, 0755), "error while creating mount source path '%s'", source);
}

static es_err *add_bind(struct resolve *r, const char *spec)
{
	es_autostrv parts = strv_split(spec, ':');
	size_t n = strv_len(parts);
	struct ctr_mount m = { 0 };
	bool is_volume;

	if (n > 3 || !*parts[0] || (n > 1 && !*parts[1]))
		return es_err_new(ES_E_INVALID, "invalid volume specification: '%s'", spec);
	is_volume = n > 1 && parts[0][0] != '/';
	if (parts[n > 1 ? 1 : 0][0] != '/')
		return es_err_new(ES_E_INVALID,
				  "invalid volume specification: '%s': invalid mount config for type \"%s\": invalid mount path: '%s' mount path "
				  "must be absolute", spec, is_volume || n == 1 ? "volume" : "bind", parts[n > 1 ? 1 : 0]);
	ES_TRY(parse_mode(r->a, n > 2 ? arena_strdup(r->a, parts[2]) : NULL, is_volume || n == 1, &m));
	m.destination = clean_path(r->a, parts[n > 1 ? 1 : 0]);
	if (n == 1 || is_volume) {
		m.name = n > 1 ? arena_strdup(r->a, parts[0]) : NULL;
		if (str_empty(m.mode))
			m.mode = "z";
		m.propagation = "";
		m.type = "volume";
		ES_TRY(es_err_in(add(r, &m), "invalid volume specification: '%s'", spec));
		return use_volume(r, &r->items[r->n - 1], NULL);
	}
	m.type = "bind";
	m.source = clean_path(r->a, parts[0]);
	if (!m.propagation)
		m.propagation = "rprivate";
	ES_TRY(bind_source(r, m.source, true));
	if (at_destination(r, m.destination))
		return add(r, &m);
	return es_err_in(add(r, &m), "invalid volume specification: '%s'", spec);
}

/* ---- the long form ---- */

static es_err *bad(const struct docker_mount *in, const char *why)
{
	return es_err_new(ES_E_INVALID, "invalid mount config for type \"%s\": %s", in->type, why);
}

static es_err *check_propagation(const struct docker_mount *in)
{
	const char *mode = in->bind ? in->bind->propagation : NULL;

	if (str_empty(mode))
		return NULL;
	for (size_t i = 0; i < ES_N(modes); i++)
		if (modes[i].class == MODE_PROPAGATION && strcmp(modes[i].name, mode) == 0)
			return NULL;
	return es_err_new(ES_E_INVALID, "invalid mount config for type \"%s\": invalid propagation mode: %s", in->type, mode);
}

static es_err *check_long(const struct docker_mount *in)
{
	bool is_bind = str_eq(in->type, "bind"), is_tmpfs = str_eq(in->type, "tmpfs");

	if (!is_bind && !is_tmpfs && !str_eq(in->type, "volume"))
		return es_err_new(ES_E_INVALID, "invalid mount config for type \"%s\": mount type unknown", in->type ? in->type : "");
	if (str_empty(in->target))
		return bad(in, "field Target must not be empty");
	if (in->target[0] != '/') {
		es_autofree char *why = es_xasprintf("invalid mount path: '%s' mount path must be absolute", in->target);

		return bad(in, why);
	}
	if (is_bind && str_empty(in->source))
		return bad(in, "field Source must not be empty");
	if (is_bind && in->source[0] != '/') {
		es_autofree char *why = es_xasprintf("invalid mount path: '%s' mount path must be absolute", in->source);

		return bad(in, why);
	}
	if (is_tmpfs && !str_empty(in->source))
		return bad(in, "field Source must not be specified");
	if (in->bind && !is_bind)
		return bad(in, "field BindOptions must not be specified");
	if (in->volume && (is_bind || is_tmpfs))
		return bad(in, "field VolumeOptions must not be specified");
	if (in->tmpfs && !is_tmpfs)
		return bad(in, "field TmpfsOptions must not be specified");
	return check_propagation(in);
}

static const char *tmpfs_options(struct arena *a, const struct docker_mount_tmpfs *t)
{
	const char *size = t && t->size_bytes ? arena_printf(a, "size=%lld", (long long)t->size_bytes) : NULL;
	const char *mode = t && t->mode ? arena_printf(a, "mode=%llo", (unsigned long long)t->mode) : NULL;

	return arena_printf(a, "%s%s%s", size ? size : "", size && mode ? "," : "", mode ? mode : "");
}

static es_err *add_long(struct resolve *r, const struct docker_mount *in)
{
	struct ctr_mount m = { .from_mounts = true, .rw = !in->read_only, .mode = "", .propagation = "" };

	ES_TRY(check_long(in));
	m.type = in->type;
	m.destination = clean_path(r->a, in->target);
	if (str_eq(in->type, "tmpfs")) {
		m.options = tmpfs_options(r->a, in->tmpfs);
		return add(r, &m);
	}
	if (str_eq(in->type, "bind")) {
		m.source = clean_path(r->a, in->source);
		m.propagation = in->bind && !str_empty(in->bind->propagation) ? in->bind->propagation : "rprivate";
		m.non_recursive = in->bind && in->bind->non_recursive;
		m.ro_shallow = in->bind && in->bind->read_only_non_recursive;
		ES_TRY(bind_source(r, m.source, in->bind && in->bind->create_mountpoint));
		return add(r, &m);
	}
	m.name = in->source;
	m.mode = "z";
	m.no_copy = in->volume && in->volume->no_copy;
	m.subpath = in->volume && !str_empty(in->volume->subpath) ? in->volume->subpath : NULL;
	ES_TRY(add(r, &m));
	return use_volume(r, &r->items[r->n - 1], in->volume);
}

/* ---- the rest ---- */

static es_err *add_tmpfs(struct resolve *r, const char *path, const char *options)
{
	static const char *const known[] = { "rw", "ro", "noexec", "exec", "nosuid", "suid", "nodev", "dev", "sync", "async", "dirsync",
					     "noatime", "atime", "nodiratime", "diratime", "relatime", "norelatime", "strictatime",
					     "nostrictatime", "remount", "mand", "nomand", "private", "rprivate", "shared", "rshared",
					     "slave", "rslave", "unbindable", "runbindable", "bind", "rbind" };
	static const char *const valued[] = { "size=", "mode=", "uid=", "gid=", "nr_inodes=", "nr_blocks=", "mpol=" };
	es_autostrv words = str_empty(options) ? NULL : strv_split(options, ',');
	struct ctr_mount m = { .type = "tmpfs", .rw = true, .mode = "", .propagation = "" };

	if (*path != '/')
		return es_err_new(ES_E_INVALID, "invalid mount path: '%s' mount path must be absolute", path);
	for (size_t i = 0; words && words[i]; i++) {
		bool ok = false;

		for (size_t k = 0; k < ES_N(known); k++)
			ok |= strcmp(words[i], known[k]) == 0;
		for (size_t k = 0; k < ES_N(valued); k++)
			ok |= str_starts(words[i], valued[k]);
		if (!ok)
			return es_err_new(ES_E_INVALID, "invalid tmpfs option \"%s\"", words[i]);
		m.rw &= strcmp(words[i], "ro") != 0;
	}
	m.destination = clean_path(r->a, path);
	m.options = options ? options : "";
	return add(r, &m);
}

static es_err *add_volumes_from(struct resolve *r, const char *spec)
{
	es_autofree char *ref = es_xstrdup(spec);
	char *mode = strchr(ref, ':');
	bool rw = true;
	es_autoctr *c = NULL;
	es_err *err = NULL;

	if (mode) {
		*mode++ = '\0';
		if (strcmp(mode, "ro") != 0 && strcmp(mode, "rw") != 0 && strcmp(mode, "z") != 0 && strcmp(mode, "Z") != 0)
			return es_err_new(ES_E_INVALID, "invalid mode for volumes-from: %s", mode);
		rw = strcmp(mode, "ro") != 0;
	}
	ES_TRY(ctr_find(r->e, ref, &c));
	(void)pthread_mutex_lock(&c->lock);
	FIELD_LIST_EACH(struct ctr_mount, theirs, &c->rec->mounts) {
		struct ctr_mount m = {
			.type = theirs->type, .rw = theirs->rw && rw, .no_copy = true,
			.name = theirs->name ? arena_strdup(r->a, theirs->name) : NULL,
			.source = theirs->source ? arena_strdup(r->a, theirs->source) : NULL,
			.destination = arena_strdup(r->a, theirs->destination),
			.driver = theirs->driver ? arena_strdup(r->a, theirs->driver) : NULL,
			.mode = arena_strdup(r->a, mode ? mode : ""),
			.propagation = theirs->propagation ? arena_strdup(r->a, theirs->propagation) : NULL,
		};

		if (str_eq(m.type, "tmpfs") || at_destination(r, m.destination))
			continue;
		err = add(r, &m);
		if (err)
			break;
	}
	(void)pthread_mutex_unlock(&c->lock);
	return err;
}

static es_err *resolve(struct resolve *r, const struct docker_config *cfg, const struct docker_host_config *hc)
{
	for (size_t i = 0; hc->binds && hc->binds[i]; i++)
		ES_TRY(add_bind(r, hc->binds[i]));
	FIELD_LIST_EACH(struct docker_mount, m, &hc->mounts)
		ES_TRY(add_long(r, m));
	FIELD_MAP_EACH(t, hc->tmpfs)
		ES_TRY(add_tmpfs(r, t->key, t->value));
	for (size_t i = 0; hc->volumes_from && hc->volumes_from[i]; i++)
		ES_TRY(add_volumes_from(r, hc->volumes_from[i]));
	FIELD_MAP_EACH(v, cfg->volumes) {
		struct ctr_mount m = { .type = "volume", .rw = true, .mode = "", .propagation = "",
				       .destination = clean_path(r->a, v->key) };

		if (at_destination(r, m.destination))
			continue;
		ES_TRY(add(r, &m));
		ES_TRY(use_volume(r, &r->items[r->n - 1], NULL));
	}
	return NULL;
}

void ctr_mounts_undo(struct engine *e, const char *id, const struct field_list *mounts)
{
	FIELD_LIST_EACH(struct ctr_mount, m, mounts)
		if (str_eq(m->type, "volume") && m->source) /* those that it came to */
			log_err(volume_leave(e->volumes, m->name, m->anonymous ? NULL : id), "volume %s", m->name);
}

es_err *ctr_mounts_resolve(struct engine *e, struct arena *a, const char *id, const struct docker_config *cfg,
			   const struct docker_host_config *hc, struct field_list *ret)
{
	struct resolve r = { .e = e, .a = a, .id = id };
	es_err *err = resolve(&r, cfg, hc);

	*ret = (struct field_list){ .items = r.items, .n = r.n, .set = true };
	return err;
}
