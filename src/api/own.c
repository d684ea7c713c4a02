/* SPDX-License-Identifier: Apache-2.0 */
/* own.c: routes below /estiba, which no other daemon has (doc/api.md). */
#include "api/reply.h"
#include "api/route.h"
#include "base/file.h"
#include "base/str.h"
#include "catalog/image_view.h"
#include "catalog/upkeep.h"
#include "engine/engine.h"

static bool client_left(void *self)
{
	return http_call_is_gone(((struct req *)self)->call);
}

static es_err *check(struct req *r)
{
	const struct fsck_options opts = { .repair = req_bool(r, "repair", false), .is_over = client_left, .self = r };
	struct json *report;

	ES_TRY(upkeep_check(engine_images(r->engine)->store, r->a, &opts, &report));
	return reply_json(r, 200, report);
}

/* --- images without a container --- */

static es_err *files(struct req *r)
{
	struct field_list list;

	ES_TRY(image_files(engine_images(r->engine), r->a, r->args[0], req_query(r, "path"), req_bool(r, "recursive", false), &list));
	return reply_list(r, 200, image_file_fields, sizeof(struct image_file), &list);
}

static es_err *cat(struct req *r)
{
	const char *path = req_query(r, "path");
	struct reply_pipe *pipe;
	es_err *err;
	int fd, file = -1;

	if (!path)
		return es_err_new(ES_E_INVALID, "path is required");
	ES_TRY(image_file_open(engine_images(r->engine), r->a, r->args[0], path, &file));
	err = reply_fd(r, "application/octet-stream", &pipe, &fd);
	if (!err)
		err = reply_fd_done(pipe, &fd, file_pump(file, fd, NULL));
	es_close(file);
	return err;
}

static es_err *diff(struct req *r)
{
	struct field_list list;

	ES_TRY(image_diff(engine_images(r->engine), r->a, r->args[0], req_query(r, "base"), &list));
	return reply_list(r, 200, image_change_fields, sizeof(struct image_change), &list);
}

static es_err *mount(struct req *r)
{
	const char *image = req_query(r, "image");
	struct image_mounted m;

	if (!image)
		return es_err_new(ES_E_INVALID, "image is required");
	ES_TRY(image_mount(engine_images(r->engine), r->a, image, req_query(r, "target"), engine_config(r->engine)->exec_root, &m));
	return reply_fields(r, 201, image_mounted_fields, &m);
}

static es_err *mounts(struct req *r)
{
	struct field_list list;

	ES_TRY(image_mounts(engine_images(r->engine), r->a, &list));
	return reply_list(r, 200, image_mounted_fields, sizeof(struct image_mounted), &list);
}

static es_err *unmount(struct req *r)
{
	const char *what = req_query(r, "what");
	struct json *list = json_new_array(r->a);
	char **targets;

	if (str_empty(what))
		return es_err_new(ES_E_INVALID, "what is required: an image or a directory");
	ES_TRY(image_unmount(engine_images(r->engine), r->a, what, &targets));
	for (; *targets; targets++)
		json_append(list, json_new_str(r->a, *targets));
	return reply_json(r, 200, list);
}

const struct route routes_own[] = {
	{ "POST", "/estiba/check", 0, check },
	{ "GET", "/estiba/images/{*}/files", 0, files },
	{ "GET", "/estiba/images/{*}/cat", 0, cat },
	{ "GET", "/estiba/images/{*}/diff", 0, diff },
	{ "GET", "/estiba/mounts", 0, mounts },
	{ "POST", "/estiba/mounts", 0, mount },
	{ "DELETE", "/estiba/mounts", 0, unmount },
	{ 0 },
};
