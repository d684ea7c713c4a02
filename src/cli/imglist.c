/* SPDX-License-Identifier: Apache-2.0 */
/* imglist.c: the columns of an image list. */
#include "cli/imglist.h"

#include "cli/human.h"

#define NONE "<none>"

static const char *str(const struct format_row *row, const char *key)
{
	const char *s = json_str(json_get(row->doc, key));

	return s ? s : "";
}

static const char *get_id(const struct format_row *row)
{
	return row->full ? str(row, "Id") : human_short_id(row->cli->arena, str(row, "Id"));
}

static const char *get_repository(const struct format_row *row)
{
	return str(row, "Repository");
}

static const char *get_tag(const struct format_row *row)
{
	return str(row, "Tag");
}

static const char *get_digest(const struct format_row *row)
{
	return str(row, "Digest");
}

static const char *get_created_since(const struct format_row *row)
{
	return human_ago(row->cli->arena, json_i64(json_get(row->doc, "Created"), 0));
}

static const char *get_created_at(const struct format_row *row)
{
	return human_time(row->cli->arena, json_i64(json_get(row->doc, "Created"), 0));
}

static const char *get_size(const struct format_row *row)
{
	return human_size(row->cli->arena, (double)json_i64(json_get(row->doc, "Size"), 0));
}

static const char *get_virtual_size(const struct format_row *row)
{
	return human_size_digits(row->cli->arena, (double)json_i64(json_get(row->doc, "Size"), 0), 4);
}

static const char *get_containers(const struct format_row *row)
{
	int64_t n = json_i64(json_get(row->doc, "Containers"), -1);

	return n < 0 ? "N/A" : arena_printf(row->cli->arena, "%lld", (long long)n);
}

static const char *get_shared_size(const struct format_row *row)
{
	int64_t n = json_i64(json_get(row->doc, "SharedSize"), -1);

	return n < 0 ? "N/A" : human_size_digits(row->cli->arena, (double)n, 4);
}

static const char *get_unique_size(const struct format_row *row)
{
	int64_t all = json_i64(json_get(row->doc, "Size"), -1), shared = json_i64(json_get(row->doc, "SharedSize"), -1);

	return all < 0 || shared < 0 ? "N/A" : human_size_digits(row->cli->arena, (double)(all - shared), 4);
}

static const struct format_column columns[] = {
	{ "Containers", "CONTAINERS", get_containers },
	{ "CreatedAt", "CREATED AT", get_created_at },
	{ "CreatedSince", "CREATED", get_created_since },
	{ "Digest", "DIGEST", get_digest },
	{ "ID", "IMAGE ID", get_id },
	{ "Repository", "REPOSITORY", get_repository },
	{ "SharedSize", "SHARED SIZE", get_shared_size },
	{ "Size", "SIZE", get_size },
	{ "Tag", "TAG", get_tag },
	{ "UniqueSize", "UNIQUE SIZE", get_unique_size },
	{ "VirtualSize", "SIZE", get_virtual_size },
	{ 0 }
};

#define RAW "repository: {{.Repository}}\ntag: {{.Tag}}\nimage_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n"

const struct format imglist_format = {
	.type = "*formatter.imageContext",
	.columns = columns,
	.table = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{if .CreatedSince }}{{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}",
	.raw = RAW,
	.config_key = "imagesFormat",
};
const struct format imglist_digest_format = {
	.type = "*formatter.imageContext",
	.columns = columns,
	.table = "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{if .CreatedSince }}{{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}",
	.raw = RAW,
	.config_key = "imagesFormat",
};

/* Rows. */

static void add_row(struct cli *c, struct json *out, const struct json *image, const char *repo, const char *tag, const char *digest)
{
	static const char *const copied[] = { "Id", "Created", "Size", "SharedSize", "Containers", "Labels" };
	struct json *row = json_new_object(c->arena);

	for (size_t i = 0; i < ES_N(copied); i++) {
		const struct json *member = json_get(image, copied[i]);

		if (member) {
			struct json *copy = ARENA_NEW(c->arena, struct json);

			*copy = *member;
			copy->next = NULL;
			json_set(c->arena, row, copied[i], copy);
		}
	}
	json_set_str(c->arena, row, "Repository", repo);
	json_set_str(c->arena, row, "Tag", tag);
	json_set_str(c->arena, row, "Digest", digest);
	json_append(out, row);
}

/* "host:5000/a:tag" or "a@sha256:…" cut in two. */
static bool cut(struct cli *c, const char *reference, char separator, const char **ret_repo, const char **ret_rest)
{
	const char *at = strrchr(reference, separator);

	if (separator == '@')
		at = strchr(reference, '@');
	if (!at || (separator == ':' && strchr(at, '/')))
		return false;
	*ret_repo = arena_strndup(c->arena, reference, (size_t)(at - reference));
	*ret_rest = at + 1;
	return true;
}

/* Digests of the repository; NONE when there is none. */
static void add_tag(struct cli *c, struct json *out, const struct json *image, const char *repo, const char *tag, bool digests,
		    char ***shown)
{
	bool any = false;

	strv_add(shown, repo);
	JSON_EACH(d, digests ? json_get(image, "RepoDigests") : NULL)
	{
		const char *r, *digest;

		if (!json_str(d) || !cut(c, json_str(d), '@', &r, &digest) || !str_eq(r, repo))
			continue;
		add_row(c, out, image, repo, tag, digest);
		any = true;
	}
	if (!any)
		add_row(c, out, image, repo, tag, NONE);
}

struct json *imglist_expand(struct cli *c, const struct json *images, bool digests)
{
	struct json *out = json_new_array(c->arena);

	JSON_EACH(image, images)
	{
		es_autostrv shown = NULL;
		const char *repo, *rest;
		size_t before = out->n;

		JSON_EACH(t, json_get(image, "RepoTags"))
			if (json_str(t) && !str_eq(json_str(t), NONE ":" NONE) && cut(c, json_str(t), ':', &repo, &rest))
				add_tag(c, out, image, repo, rest, digests, &shown);
		JSON_EACH(d, json_get(image, "RepoDigests"))
		{
			if (!json_str(d) || str_eq(json_str(d), NONE "@" NONE) || !cut(c, json_str(d), '@', &repo, &rest) || strv_has(shown, repo))
				continue;
			if (!digests)
				strv_add(&shown, repo); /* one row, whatever the number of digests */
			add_row(c, out, image, repo, NONE, digests ? rest : NONE);
		}
		if (out->n == before)
			add_row(c, out, image, NONE, NONE, NONE);
	}
	return out;
}

struct json *imglist_expand_first(struct cli *c, const struct json *images)
{
	struct json *out = json_new_array(c->arena);

	JSON_EACH(image, images)
	{
		const char *first = json_str(json_at(json_get(image, "RepoTags"), 0)), *repo = NONE, *tag = NONE;

		if (first)
			(void)cut(c, first, ':', &repo, &tag);
		add_row(c, out, image, repo, tag, ""); /* df shows no digests */
	}
	return out;
}
