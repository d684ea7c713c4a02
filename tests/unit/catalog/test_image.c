/* SPDX-License-Identifier: Apache-2.0 */
/* test_image.c: images in a store of their own: names, list, rmi's rules, import, commit, save and load. Needs root. */
#include "catalog/image.h"

#include "base/clock.h"
#include "base/str.h"
#include "check.h"
#include "catalog/image_io.h"
#include "store/layers.h"
#include "store/record.h"
#include "store/tmproot.h"

#define ID1 "1111111111111111111111111111111111111111111111111111111111111111"

/* What the engine would know: containers by image. */
struct world {
	struct tmproot root;
	struct images im;
	struct image_user users[4];
	const char *user_image[4];
	size_t n_users;
	struct es_buf events;
};

static void users(void *self, struct arena *a, const char *id, struct image_user **ret, size_t *ret_n)
{
	struct world *w = self;

	*ret = ARENA_ARRAY(a, struct image_user, 4);
	*ret_n = 0;
	for (size_t i = 0; i < w->n_users; i++)
		if (str_eq(w->user_image[i], id))
			(*ret)[(*ret_n)++] = w->users[i];
}

static void event(void *self, const char *action, const char *id, const char *name)
{
	struct world *w = self;

	es_buf_printf(&w->events, "%s %s\n", action, str_starts(name, "sha256:") ? "ID" : name);
}

static const struct image_ops ops = { users, event };

static void world_open(struct world *w)
{
	*w = (struct world){ .im = { NULL, &ops, w }, .events = ES_BUF(1 << 16) };
	tmproot_init(&w->root);
	CHECK_OK(tmproot_open(&w->root, &w->im.store));
}

static void world_close(struct world *w)
{
	store_close(w->im.store);
	tmproot_done(&w->root);
	es_buf_done(&w->events);
}

static int run(const char *fmt, ...) ES_PRINTF(1, 2);
static int run(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	es_autofree char *cmd = es_xvasprintf(fmt, ap);
	va_end(ap);
	return system(cmd);
}

/* An image of one file that holds TEXT, called NAME ("": no name). Returns its id. */
static const char *import(struct world *w, struct arena *a, const char *text, const char *name)
{
	char *changes[] = { (char[]){ "CMD [\"sh\"]" }, (char[]){ "LABEL role=app" }, NULL };
	struct ref ref = { 0 };
	const char *id;

	CHECK(run("cd %s && echo %s > f && tar -cf f.tar f", w->root.dir, text) == 0);
	es_autofree char *path = es_xasprintf("%s/f.tar", w->root.dir);
	es_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*name) {
		CHECK_OK(ref_parse(a, name, &ref));
		ref_default_tag(&ref);
	}
	CHECK_OK(image_import(&w->im, a, fd, &(struct image_import){ .changes = changes, .ref = *name ? &ref : NULL }, &id));
	return id;
}

static void tag(struct world *w, struct arena *a, const char *word, const char *name)
{
	struct ref ref;

	CHECK_OK(ref_parse(a, name, &ref));
	ref_default_tag(&ref);
	CHECK_OK(image_tag(&w->im, word, &ref));
}

/* A child image of BASE whose snapshot has FILE. */
static const char *child(struct world *w, struct arena *a, const char *base, const char *name, const char *file)
{
	struct image img;
	struct ref ref;
	const char *id;

	CHECK_OK(image_get(&w->im, a, base, &img));
	CHECK_OK(snapshot_prepare(w->im.store, &(struct snapshot_spec){ .kind = SNAPSHOT_CONTAINER, .id = ID1, .stack = img.layers }));
	if (file)
		CHECK(run("echo x > %s/containers/" ID1 "/upper/%s", w->root.data, file) == 0);
	if (*name)
		CHECK_OK(ref_parse(a, name, &ref));
	CHECK_OK(image_commit(&w->im, a,
			      &(struct image_commit){ .kind = SNAPSHOT_CONTAINER, .snapshot_id = ID1, .base_id = img.id, .config = &img.config.config,
						      .created_by = "touch /x", .comment = "c", .ref = *name ? &ref : NULL },
			      &id));
	CHECK_OK(snapshot_remove(w->im.store, SNAPSHOT_CONTAINER, ID1));
	return id;
}

static void names_and_ids(void)
{
	struct world w;
	es_autoarena *a = arena_new();
	struct docker_image_inspect in;
	struct ref ref;
	const char *got;

	world_open(&w);
	const char *one = import(&w, a, "one", "alpine:3"), *two = import(&w, a, "two", "");
	tag(&w, a, one, "localhost:5000/x/y");
	const struct {
		const char *word, *id, *err;
	} rows[] = {
		{ "alpine:3", one, NULL },
		{ "docker.io/library/alpine:3", one, NULL },
		{ "localhost:5000/x/y", one, NULL },
		{ "localhost:5000/x/y:latest", one, NULL },
		{ one, one, NULL },
		{ one + 7, one, NULL },
		{ arena_strndup(a, one + 7, 12), one, NULL },
		{ arena_strndup(a, two, 20), two, NULL },
		{ "alpine", NULL, "No such image: alpine:latest" },
		{ "nosuch:1", NULL, "No such image: nosuch:1" },
		{ ID1, NULL, "No such image: " ID1 },
		{ "UPPER", NULL, "must be lowercase" },
		{ "", NULL, "invalid reference format" },
	};
	for (size_t i = 0; i < ES_N(rows); i++)
		if (rows[i].err) {
			CHECK_ERR(image_resolve(&w.im, a, rows[i].word, &got), rows[i].err);
		} else {
			CHECK_OK(image_resolve(&w.im, a, rows[i].word, &got));
			CHECK_STR(got, rows[i].id);
		}
	/* A name moves from one image to another. */
	tag(&w, a, two, "alpine:3");
	CHECK_OK(image_resolve(&w.im, a, "alpine:3", &got));
	CHECK_STR(got, two);
	CHECK_OK(image_inspect(&w.im, a, one, 145, &in));
	CHECK_INT(strv_len(in.repo_tags), 1);
	CHECK_STR(in.repo_tags[0], "localhost:5000/x/y:latest");
	CHECK_STR(in.comment, "Imported from -");
	CHECK_INT(in.size, 4);
	CHECK_STR(in.config.cmd[0], "sh");
	CHECK(!in.container_config && !in.virtual_size.set);
	CHECK_OK(image_inspect(&w.im, a, one, 143, &in));
	CHECK(in.container_config && in.virtual_size.set);

	static const struct {
		const char *repo, *tag, *err;
	} bad[] = {
		{ "BAD", "", "invalid reference format: repository name (library/BAD) must be lowercase" },
		{ "a", "b c", "invalid tag format" },
		{ "", "x", "invalid reference format" },
		{ "a@sha256:" ID1, "", "refusing to create a tag with a digest reference" },
	};
	for (size_t i = 0; i < ES_N(bad); i++)
		CHECK_ERR(image_tag_parse(a, bad[i].repo, bad[i].tag, &ref), bad[i].err);
	CHECK_ERR(image_tag(&w.im, "nosuch", &ref), "No such image: nosuch:latest");
	CHECK_STR(es_buf_str(&w.events), "import ID\nimport ID\ntag localhost:5000/x/y:latest\ntag alpine:3\n");
	world_close(&w);
}

static void list_rows(void)
{
	struct world w;
	es_autoarena *a = arena_new();

	world_open(&w);
	const char *base = import(&w, a, "base", "parity/base:1");
	tag(&w, a, base, "parity/base:two");
	tag(&w, a, base, "localhost:5000/team/base:v1");
	const char *mid = child(&w, a, base, "", "mid");
	child(&w, a, mid, "parity/app:1", "app");
	import(&w, a, "lost", "");
	static const struct {
		const char *filters, *names; /* familiar tags, "-" for an unnamed one, newest first */
		bool all;
	} rows[] = {
		{ "", "- parity/app:1 parity/base:1,parity/base:two,localhost:5000/team/base:v1", false },
		{ "", "- parity/app:1 - parity/base:1,parity/base:two,localhost:5000/team/base:v1", true },
		{ "{\"reference\":[\"parity/*:1\"]}", "parity/app:1 parity/base:1", false },
		{ "{\"reference\":[\"localhost:5000/*/*\"]}", "localhost:5000/team/base:v1", false },
		{ "{\"reference\":{\"parity/base\":true}}", "parity/base:1,parity/base:two", false },
		{ "{\"dangling\":[\"true\"]}", "-", false },
		{ "{\"dangling\":[\"false\"]}", "parity/app:1 parity/base:1,parity/base:two,localhost:5000/team/base:v1", false },
		{ "{\"label\":[\"role=app\"],\"reference\":[\"parity/app:*\"]}", "parity/app:1", false },
		{ "{\"label\":[\"role=no\"]}", "", false },
		{ "{\"label!\":[\"role\"]}", "", false },
		{ "{\"before\":[\"parity/app:1\"]}", "parity/base:1,parity/base:two,localhost:5000/team/base:v1", false },
		{ "{\"since\":[\"parity/base:1\"]}", "- parity/app:1", false },
		{ "{\"until\":[\"1h\"]}", "", false },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autobuf got = ES_BUF(4096);
		struct filters f;
		struct field_list list;

		CHECK_OK(filters_parse(a, rows[i].filters, &f));
		CHECK_OK(image_list(&w.im, a, &(struct image_list_options){ .filters = &f, .all = rows[i].all, .version = 145 }, &list));
		FIELD_LIST_EACH(struct docker_image_summary, s, &list) {
			es_autofree char *tags = strv_join(s->repo_tags, ",");

			es_buf_printf(&got, "%s%s", got.len ? " " : "", s->repo_tags ? tags : "-");
		}
		CHECK_STR(es_buf_str(&got), rows[i].names);
	}
	struct filters f;
	struct field_list list;
	CHECK_OK(filters_parse(a, "{\"nosuch\":[\"x\"]}", &f));
	CHECK_ERR(image_list(&w.im, a, &(struct image_list_options){ .filters = &f }, &list), "invalid filter 'nosuch'");
	CHECK_OK(filters_parse(a, "{\"dangling\":[\"maybe\"]}", &f));
	CHECK_ERR(image_list(&w.im, a, &(struct image_list_options){ .filters = &f }, &list), "invalid filter 'dangling=[maybe]'");
	CHECK_OK(filters_parse(a, "", &f));
	CHECK_OK(image_list(&w.im, a, &(struct image_list_options){ .filters = &f, .shared_size = true, .version = 142 }, &list));
	const struct docker_image_summary *s = list.items;
	CHECK_STR(s[0].repo_tags[0], "<none>:<none>");
	CHECK_INT(s[0].shared_size, 0);
	CHECK_INT(s[1].shared_size, 5 + 2);
	CHECK_INT(s[1].size, 5 + 2 + 2);

	CHECK_OK(image_history(&w.im, a, "parity/app:1", &list));
	CHECK_INT(list.n, 3);
	const struct docker_image_history *h = list.items;
	CHECK_STR(h[0].tags[0], "parity/app:1");
	CHECK_STR(h[1].id, mid);
	CHECK(!h[1].tags);
	CHECK_STR(h[2].comment, "Imported from -");
	CHECK_STR(h[2].tags[1], "parity/base:two");
	CHECK_INT(h[0].size, 2);
	world_close(&w);
}

/* One row: what there is, who uses it, what is asked, what happens. "I" is the image's id, "B" its base's. */
static void rmi_rows(void)
{
	static const struct {
		const char *what;
		const char *tags;   /* of the image, blank-separated */
		int container;      /* 0: none, 1: stopped, 2: running */
		bool child;         /* the image has a base without a name */
		const char *word;   /* "I": by id */
		bool force, noprune;
		const char *want;   /* lines "U name" / "D", or the error */
	} rows[] = {
		{ "last name", "a:1", 0, false, "a:1", false, false, "U a:1\nD\nD\n" },
		{ "one of two", "a:1 a:2", 0, false, "a:1", false, false, "U a:1\n" },
		{ "one of two, in use", "a:1 b:2", 1, false, "a:1", false, false, "U a:1\n" },
		{ "last name, stopped", "a:1", 1, false, "a:1", false, false,
		  "conflict: unable to remove repository reference \"a:1\" (must force) - container 111111111111 is using its referenced image " },
		{ "last name, stopped, force", "a:1", 1, false, "a:1", true, false, "U a:1\nD\nD\n" },
		{ "last name, running, force", "a:1", 2, false, "a:1", true, false, "U a:1\n" },
		{ "by id", "a:1", 0, false, "I", false, false, "U a:1\nD\nD\n" },
		{ "by id, no name", "", 0, false, "I", false, false, "D\nD\n" },
		{ "by id, two tags", "a:1 a:2", 0, false, "I", false, false, "(must be forced) - image is referenced in multiple repositories" },
		{ "by id, two tags, force", "a:1 a:2", 0, false, "I", true, false, "U a:1\nU a:2\nD\nD\n" },
		{ "by id, stopped", "a:1", 1, false, "I", false, false,
		  "(must be forced) - image is being used by stopped container 111111111111" },
		{ "by id, running, force", "a:1", 2, false, "I", true, false,
		  "(cannot be forced) - image is being used by running container 111111111111" },
		{ "digest goes with the tag", "a:1 a@sha256:" ID1, 0, false, "a:1", false, false, "U a:1\nU a@sha256:" ID1 "\nD\nD\n" },
		{ "by id, tag and digest", "a:1 a@sha256:" ID1, 0, false, "I", false, false, "U a:1\nU a@sha256:" ID1 "\nD\nD\n" },
		{ "nameless parent goes too", "a:1", 0, true, "a:1", false, false, "U a:1\nD\nD\nD\nD\n" },
		{ "noprune", "a:1", 0, true, "a:1", false, true, "U a:1\nD\nD\n" },
		{ "missing", "a:1", 0, false, "none", false, false, "No such image: none:latest" },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		struct world w;
		es_autoarena *a = arena_new();
		es_autobuf got = ES_BUF(4096);
		es_autostrv tags = strv_split(rows[i].tags, ' ');
		struct field_list list;

		world_open(&w);
		const char *id = import(&w, a, "x", "");
		if (rows[i].child)
			id = child(&w, a, id, "", "y");
		for (char **t = tags; *t && **t; t++)
			tag(&w, a, id, *t);
		if (rows[i].container) {
			w.users[0] = (struct image_user){ ID1, "a:1", rows[i].container == 2 };
			w.user_image[0] = id;
			w.n_users = 1;
		}
		es_err *err = image_remove(&w.im, a, str_eq(rows[i].word, "I") ? id : rows[i].word, rows[i].force, rows[i].noprune, &list);
		if (!strchr(rows[i].want, '\n')) {
			CHECK_ERR(es_err_in(err, "%s", rows[i].what), rows[i].want);
		} else {
			CHECK_OK(es_err_in(err, "%s", rows[i].what));
			FIELD_LIST_EACH(struct docker_image_deleted, d, &list)
				if (d->untagged)
					es_buf_printf(&got, "U %s\n", d->untagged);
				else
					es_buf_adds(&got, "D\n");
			if (!str_eq(es_buf_str(&got), rows[i].want))
				fail_msg("%s:\n   got: %s\n  want: %s", rows[i].what, es_buf_str(&got), rows[i].want);
			/* What is gone is gone from the disk as well. */
			if (strchr(rows[i].want, 'D') && !rows[i].noprune && !rows[i].container) {
				struct record_list left;

				CHECK_OK(record_list(w.im.store, a, "layer", NULL, &left));
				CHECK_INT(left.n, 0);
			}
		}
		world_close(&w);
	}
}

static void prune(void)
{
	struct world w;
	es_autoarena *a = arena_new();
	struct docker_image_pruned p;
	struct filters f;
	size_t left;

	world_open(&w);
	import(&w, a, "keep", "keep:1");
	import(&w, a, "lost", "");
	const char *used = import(&w, a, "used", "");
	w.users[0] = (struct image_user){ ID1, used, false };
	w.user_image[0] = used;
	w.n_users = 1;
	CHECK_OK(filters_parse(a, "{\"label\":[\"role=other\"]}", &f));
	CHECK_OK(image_prune(&w.im, a, &f, &p));
	CHECK_INT(p.deleted.n, 0);
	CHECK_OK(filters_parse(a, "", &f));
	CHECK_OK(image_prune(&w.im, a, &f, &p));
	CHECK_INT(p.deleted.n, 2);
	CHECK_INT(p.space_reclaimed, 5);
	CHECK_OK(filters_parse(a, "{\"dangling\":[\"false\"]}", &f));
	CHECK_OK(image_prune(&w.im, a, &f, &p));
	CHECK_STR(((struct docker_image_deleted *)p.deleted.items)[0].untagged, "keep:1");
	CHECK_OK(image_count(&w.im, &left));
	CHECK_INT(left, 1);
	CHECK_OK(filters_parse(a, "{\"reference\":[\"x\"]}", &f));
	CHECK_ERR(image_prune(&w.im, a, &f, &p), "invalid filter 'reference'");
	world_close(&w);
}

static es_err *line(void *self, const char *json)
{
	es_buf_printf(self, "%s\n", json);
	return NULL;
}

static es_err *load(struct world *w, const char *path, struct es_buf *said)
{
	es_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	return image_load(&w->im, fd, true, &(struct image_sink){ line, said });
}

static void save(struct world *w, const char *path, const char *word, const char *word2)
{
	char *words[] = { (char *)(uintptr_t)word, (char *)(uintptr_t)word2, NULL };
	es_autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK_OK(image_save(&w->im, words, fd));
}

static void save_and_load(void)
{
	struct world w, v;
	es_autoarena *a = arena_new();
	es_autobuf said = ES_BUF(1 << 16);
	char one[128], two[128];
	struct image img;

	world_open(&w);
	world_open(&v);
	snprintf(one, sizeof one, "%s/one.tar", w.root.dir);
	snprintf(two, sizeof two, "%s/two.tar", w.root.dir);
	const char *base = import(&w, a, "base", "x/base:1");
	tag(&w, a, base, "x/base:2");
	const char *app = child(&w, a, base, "x/app:1", "y");
	save(&w, one, "x/base", "x/app:1");
	save(&w, two, "x/base", "x/app:1");
	CHECK(run("cmp %s %s", one, two) == 0);
	CHECK_OK(load(&v, one, &said));
	CHECK_STR(es_buf_str(&said), "{\"stream\":\"Loaded image: x/base:1\\n\"}\n{\"stream\":\"Loaded image: x/base:2\\n\"}\n"
				     "{\"stream\":\"Loaded image: x/app:1\\n\"}\n");
	CHECK_OK(image_get(&v.im, a, "x/app:1", &img));
	CHECK_STR(img.id, app);
	CHECK_OK(image_get(&v.im, a, "x/base:2", &img));
	CHECK_STR(img.id, base);
	CHECK_OK(load(&v, one, &said)); /* again: nothing to do */
	CHECK(run("gzip -1 -c %s > %s", one, two) == 0);
	CHECK_OK(load(&v, two, &said));

	/* Without a name; and an older image loses its name. */
	es_buf_reset(&said);
	save(&w, two, base, NULL);
	CHECK_OK(load(&v, two, &said));
	CHECK(strstr(es_buf_str(&said), "Loaded image ID: sha256:"));
	const char *other = import(&v, a, "other", "");
	tag(&v, a, other, "x/app:1");
	es_buf_reset(&said);
	CHECK_OK(load(&v, one, &said));
	CHECK(strstr(es_buf_str(&said), "The image x/app:1 already exists, renaming the old one with ID sha256:"));

	CHECK(run("printf garbage > %s", two) == 0);
	CHECK_ERR(load(&v, two, &said), "unexpected EOF");
	CHECK_ERR(image_save(&w.im, (char *[]){ (char[]){ "nosuch" }, NULL }, -1), "No such image: nosuch");
	CHECK(run("cd %s && rm -rf e && mkdir e && tar -cf two.tar -C e .", w.root.dir) == 0);
	CHECK_ERR(load(&v, two, &said), "does not contain a manifest.json");
	world_close(&v);
	world_close(&w);
}

/* Archives that lie. SCRIPT changes the unpacked archive. */
static void load_refuses(void)
{
	static const struct {
		const char *script, *err;
	} rows[] = {
		{ "for f in $(grep -l base blobs/sha256/*); do printf X | dd of=$f bs=1 seek=600 conv=notrunc status=none; done", "want sha256:" },
		{ "rm manifest.json; echo '{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"sha256:" ID1 "\",\"size\":1}]}' > index.json",
		  "the archive has no blobs/sha256/" ID1 },
		{ "echo '[{\"Config\":\"../../../../etc/passwd\",\"Layers\":[]}]' > manifest.json", "the archive has no ../../../../etc/passwd" },
		{ "rm manifest.json index.json; ln -s /etc/passwd manifest.json", "does not contain a manifest.json" },
		{ "rm manifest.json; mkfifo manifest.json", "is not a regular file" },
		{ "echo '[{\"Config\":\"manifest.json\",\"Layers\":[]}]' > manifest.json", "image config" },
		{ "sed -i 's/\"Layers\":\\[[^]]*\\]/\"Layers\":[]/' manifest.json", "layers length mismatch: expected 1, got 0" },
		{ "sed -i 's/x:1/X:1/' manifest.json", "must be lowercase" },
		{ "echo '{}' > manifest.json", "expected a list" },
	};
	struct world w;
	es_autoarena *a = arena_new();
	es_autobuf said = ES_BUF(1 << 16);
	char tar[128], bad[128];

	world_open(&w);
	snprintf(tar, sizeof tar, "%s/good.tar", w.root.dir);
	snprintf(bad, sizeof bad, "%s/bad.tar", w.root.dir);
	import(&w, a, "base", "x:1");
	save(&w, tar, "x:1", NULL);
	for (size_t i = 0; i < ES_N(rows); i++) {
		struct world v;

		world_open(&v);
		CHECK(run("set -e; cd %s; rm -rf u; mkdir u; cd u; tar -xf ../good.tar; (%s); tar -cf ../bad.tar *", w.root.dir, rows[i].script) == 0);
		es_err *err = load(&v, bad, &said);
		if (!err)
			fail_msg("%s: loaded, want %s", rows[i].script, rows[i].err);
		CHECK_ERR(err, rows[i].err);
		store_settle(v.im.store);
		CHECK(run("test -z \"$(ls %s/partial)$(ls %s/layers)$(ls %s/blobs/sha256)\"", v.root.data, v.root.data, v.root.data) == 0);
		size_t n;
		CHECK_OK(image_count(&v.im, &n));
		CHECK_INT(n, 0);
		world_close(&v);
	}
	world_close(&w);
}

/* skopeo reads what we write, and we read what skopeo writes: the same image id. */
static void skopeo_agrees(void)
{
	struct world w, v;
	es_autoarena *a = arena_new();
	es_autobuf said = ES_BUF(1 << 16);
	char tar[128];
	struct image img;

	if (run("command -v skopeo >/dev/null") != 0)
		skip();
	world_open(&w);
	const char *id = import(&w, a, "base", "x/base:1"), *app = child(&w, a, id, "x/app:1", "y");
	snprintf(tar, sizeof tar, "%s/one.tar", w.root.dir);
	save(&w, tar, "x/app:1", NULL);
	CHECK(run("cd %s && skopeo inspect --config --raw docker-archive:one.tar > config && "
		  "test $(sha256sum < config | cut -c1-64) = %s",
		  w.root.dir, app + 7) == 0);
	CHECK(run("cd %s && skopeo inspect oci-archive:one.tar > /dev/null", w.root.dir) == 0);
	static const char *const targets[] = { "docker-archive:s%d.tar:y/app:2", "oci-archive:s%d.tar:y/app:2" };
	for (int i = 0; i < 2; i++) {
		es_autofree char *target = es_xasprintf(targets[i], i), *from = es_xasprintf("%s/s%d.tar", w.root.dir, i);

		CHECK(run("cd %s && skopeo --insecure-policy copy -q docker-archive:one.tar %s", w.root.dir, target) == 0);
		world_open(&v);
		es_buf_reset(&said);
		CHECK_OK(load(&v, from, &said));
		CHECK_STR(es_buf_str(&said), "{\"stream\":\"Loaded image: y/app:2\\n\"}\n");
		CHECK_OK(image_get(&v.im, a, "y/app:2", &img));
		/* skopeo writes the config anew for OCI: the layers are the same in any case */
		if (i == 0)
			CHECK_STR(img.id, app);
		CHECK_INT(strv_len(img.layers), 2);
		world_close(&v);
	}
	world_close(&w);
}

static void changes_rows(void)
{
	static const struct {
		const char *change, *err;
	} rows[] = {
		{ "RUN x", "RUN is not a valid change command" },
		{ "NOSUCH x", "NOSUCH is not a valid change command" },
		{ "COPY a b", "COPY is not a valid change command" },
		{ "ENV A=b", NULL },
		{ "  cmd [\"x\"]", NULL },
		{ "EXPOSE 80", NULL },
		{ "USER u", NULL },
		{ "WORKDIR /w", NULL },
		{ "ENTRYPOINT x y", NULL },
		{ "STOPSIGNAL nosuch", NULL },
		{ "", NULL },
	};
	es_autoarena *a = arena_new();
	struct docker_config c = { 0 };

	for (size_t i = 0; i < ES_N(rows); i++) {
		char *changes[] = { (char *)(uintptr_t)rows[i].change, NULL };
		es_err *err = image_apply_changes(a, &c, changes);

		if (rows[i].err)
			CHECK_ERR(err, rows[i].err);
		else if (err && strstr(rows[i].change, "nosuch"))
			es_err_free(err);
		else
			CHECK_OK(err);
	}
	CHECK_STR(c.env[0], "A=b");
	CHECK_STR(c.user, "u");
	CHECK_STR(c.working_dir, "/w");
	CHECK(field_map_has(c.exposed_ports, "80/tcp"));
}

static void commit_without_changes(void)
{
	struct world w;
	es_autoarena *a = arena_new();
	struct image img, base;

	world_open(&w);
	const char *id = import(&w, a, "base", "x:1");
	child(&w, a, id, "y:1", NULL);
	CHECK_OK(image_get(&w.im, a, "y:1", &img));
	CHECK_OK(image_get(&w.im, a, "x:1", &base));
	CHECK_INT(strv_len(img.layers), 1);
	CHECK_INT(img.config.history.n, 2);
	CHECK_STR(img.parent, base.id);
	world_close(&w);
}

CHECK_MAIN(TEST(names_and_ids), TEST(list_rows), TEST(rmi_rows), TEST(prune), TEST(save_and_load), TEST(load_refuses), TEST(skopeo_agrees),
	   TEST(changes_rows), TEST(commit_without_changes))
