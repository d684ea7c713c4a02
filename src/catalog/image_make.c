/* SPDX-License-Identifier: Apache-2.0 */
/* image_make.c: images that are made here: import of a tar, commit of a snapshot, and the instructions that may change their config. */
#include <ctype.h>

#include "base/clock.h"
#include "base/str.h"
#include "builder/buildconf.h"
#include "builder/dockerfile.h"
#include "catalog/image_io.h"
#include "catalog/image_priv.h"
#include "spec/platform.h"

/* --- changes --- */

static bool is_change_word(const char *word, size_t n)
{
	static const char *const words[] = { "CMD",  "ENTRYPOINT", "ENV",  "EXPOSE", "HEALTHCHECK", "LABEL",
					     "ONBUILD", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR" };

	for (size_t i = 0; i < ES_N(words); i++)
		if (strlen(words[i]) == n && strncasecmp(words[i], word, n) == 0)
			return true;
	return false;
}

static es_err *apply(struct arena *a, struct buildconf *conf, struct buildargs *args, const char *text)
{
	size_t n = strcspn(text, " \t\r\n");
	struct df_instr instr;
	const char *comment;

	if (!is_change_word(text, n))
		return es_err_new(ES_E_INVALID, "%.*s is not a valid change command", (int)n, text);
	ES_TRY(dockerfile_parse_trigger(a, text, &instr));
	return buildconf_apply(a, conf, args, &instr, '\\', &comment);
}

es_err *image_apply_changes(struct arena *a, struct docker_config *config, char *const *changes)
{
	struct buildconf conf = { .config = *config };
	struct buildargs args;

	buildargs_init(&args, a, NULL, arena_printf(a, "linux/%s", oci_machine_arch()));
	for (; changes && *changes; changes++) {
		const char *text = *changes + strspn(*changes, " \t\r\n");

		if (*text)
			ES_TRY(apply(a, &conf, &args, text));
	}
	*config = conf.config;
	return NULL;
}

/* The platform of an image that is made here. */
static es_err *set_platform(struct arena *a, const char *text, struct oci_image *ret)
{
	struct oci_platform p;

	ES_TRY(platform_parse(a, text, &p));
	ret->os = p.os;
	ret->architecture = p.architecture;
	ret->variant = p.variant;
	return NULL;
}

/* --- writing one --- */

static void add_history(struct arena *a, struct oci_image *img, const struct oci_history *entry)
{
	struct oci_history *items = ARENA_ARRAY(a, struct oci_history, img->history.n + 1);

	if (img->history.n)
		memcpy(items, img->history.items, img->history.n * sizeof *items);
	items[img->history.n] = *entry;
	img->history = (struct field_list){ items, img->history.n + 1, true };
}

static es_err *write_image(const struct images *im, struct arena *a, const struct oci_image *img, const char *parent, const struct ref *ref,
			   const char **ret_id)
{
	es_autobuf json = ES_BUF(OCI_CONFIG_MAX);
	struct image_new new = { .parent = parent };
	char *names[] = { ref ? ref_full(a, ref) : NULL, NULL };
	struct json *doc = field_encode(a, oci_image_fields, img);

	/* The table writes {} for no labels, as containers show them; an image that was given none has null. */
	if (!img->config.labels)
		json_set(a, json_get(doc, "config"), "Labels", json_new_null(a));
	json_write(&json, doc, 0);
	ES_TRY(es_buf_check(&json));
	new.config_text = es_buf_str(&json);
	new.config_len = json.len;
	new.names = names;
	return image_add(im, a, &new, ret_id);
}

es_err *image_import(const struct images *im, struct arena *a, int fd, const struct image_import *opts, const char **ret_id)
{
	es_autolease *lease = lease_new(im->store);
	struct oci_image img = { .created = clock_now_ns(), .comment = opts->message ? opts->message : "Imported from -" };
	struct layers_info info;

	ES_TRY(set_platform(a, opts->platform, &img));
	ES_TRY(image_apply_changes(a, &img.config, opts->changes));
	ES_TRY(image_archive_err(layers_import(im->store, lease, fd, NULL, &info)));
	img.rootfs = (struct oci_rootfs){ "layers", strv_arena_add(a, NULL, info.diff_id) };
	add_history(a, &img, &(struct oci_history){ .created = img.created, .comment = img.comment });
	ES_TRY(write_image(im, a, &img, NULL, opts->ref, ret_id));
	image_event(im, "import", *ret_id, *ret_id);
	return NULL;
}

static es_err *read_base(const struct images *im, struct arena *a, const char *id, struct oci_image *ret)
{
	struct image base;

	ES_TRY(set_platform(a, NULL, ret));
	if (!id)
		return NULL;
	ES_TRY(image_get(im, a, id, &base));
	*ret = base.config;
	return NULL;
}

es_err *image_commit(const struct images *im, struct arena *a, const struct image_commit *c, const char **ret_id)
{
	es_autolease *lease = lease_new(im->store);
	struct oci_image img = { 0 };
	struct layers_info info;
	bool changed;

	ES_TRY(read_base(im, a, c->base_id, &img));
	ES_TRY(snapshot_to_layer(im->store, lease, c->kind, c->snapshot_id, &info, &changed));
	img.created = clock_now_ns();
	img.config = *c->config;
	img.author = c->author;
	img.comment = c->comment;
	img.rootfs.type = "layers";
	if (changed)
		img.rootfs.diff_ids = strv_arena_add(a, img.rootfs.diff_ids, info.diff_id);
	/* A history that never was complete (other tools' images) would not fit the layers. */
	if (img.history.n || strv_len(img.rootfs.diff_ids) <= 1)
		add_history(a, &img,
			    &(struct oci_history){ .created = img.created, .created_by = c->created_by, .author = c->author, .comment = c->comment,
						   .empty_layer = !changed });
	ES_TRY(write_image(im, a, &img, c->base_id, c->ref, ret_id));
	return NULL;
}
