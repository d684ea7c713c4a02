/* SPDX-License-Identifier: Apache-2.0 */
/* events.c: one ring of the last events, written through to a file of the exec root, and its subscribers. */
#include "engine/events.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/list.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/engine_priv.h"

#define EVENT_MAX ((size_t)256 << 10) /* labels are the bulk of an event */
#define FILE_LINES_MAX (4 * EVENTS_KEPT)

struct event {
	int64_t time_ns;
	const char *type, *action, *id;
	const struct field_map *attributes;
};

struct kept {
	char *text;
	int64_t time_ns;
};

struct events_sub {
	struct list link;
	events_fn *fn;
	void *self;
	int64_t until_ns;
	struct arena *arena;
	struct filters filters;
};

struct events {
	pthread_mutex_t lock;
	struct kept ring[EVENTS_KEPT];
	size_t at, n;
	struct list subs;
	int dirfd, fd;
	size_t lines;
};

#define FILE_NAME "events"

/* ---- matching ---- */

static const char *attribute(const struct event *ev, const char *name)
{
	const char *v = field_map_get(ev->attributes, name);

	return v ? v : "";
}

static bool by_action(const struct filters *f, const struct event *ev)
{
	char **v = filters_get(f, "event");

	if (!v)
		return true;
	for (; *v; v++) {
		const char *rest = str_after(ev->action, *v);

		/* "exec_create: ls" and "health_status: healthy" are found by what stands before the colon */
		if (rest && (*rest == '\0' || *rest == ':'))
			return true;
	}
	return false;
}

static bool by_actor(const struct filters *f, const char *kind, const struct event *ev)
{
	return filters_match_prefix(f, kind, ev->id) || filters_match_prefix(f, kind, attribute(ev, "name"));
}

static bool by_image(const struct filters *f, const struct event *ev)
{
	const char *name = attribute(ev, strcmp(ev->type, "image") == 0 ? "name" : "image");
	char **v = filters_get(f, "image");

	if (!v)
		return true;
	for (; *v; v++) {
		const char *rest = str_after(name, *v);

		if ((rest && (*rest == '\0' || *rest == ':')) || strcmp(ev->id, *v) == 0)
			return true;
	}
	return false;
}

static bool included(const struct filters *f, const struct event *ev)
{
	static const char *const actors[] = { "container", "plugin", "volume", "network", "node", "service", "secret",
					      "config" };

	if (!f->map)
		return true;
	for (size_t i = 0; i < ES_N(actors); i++) {
		bool network_member = strcmp(actors[i], "container") == 0 && *attribute(ev, "container");

		if (!by_actor(f, actors[i], ev) &&
		    !(network_member && filters_match_prefix(f, "container", attribute(ev, "container"))))
			return false;
	}
	return by_action(f, ev) && by_image(f, ev) && filters_match(f, "type", ev->type) &&
	       filters_match(f, "scope", "local") && filters_match_labels(f, "label", ev->attributes);
}

/* ---- encoding ---- */

static void encode(struct arena *a, const struct event *ev, struct es_buf *out)
{
	struct json *doc = json_new_object(a), *actor = json_new_object(a), *attributes = json_new_object(a);
	bool container = strcmp(ev->type, "container") == 0;

	if (container || strcmp(ev->type, "image") == 0) { /* members of API < 1.22, still written by docker */
		json_set_str(a, doc, "status", ev->action);
		json_set_str(a, doc, "id", ev->id);
		if (container)
			json_set_str(a, doc, "from", attribute(ev, "image"));
	}
	FIELD_MAP_EACH(e, ev->attributes)
		json_set_str(a, attributes, e->key, e->value ? e->value : "");
	json_set_str(a, doc, "Type", ev->type);
	json_set_str(a, doc, "Action", ev->action);
	json_set_str(a, actor, "ID", ev->id);
	json_set(a, actor, "Attributes", attributes);
	json_set(a, doc, "Actor", actor);
	json_set_str(a, doc, "scope", "local");
	json_set_i64(a, doc, "time", ev->time_ns / CLOCK_NS_PER_S);
	json_set_i64(a, doc, "timeNano", ev->time_ns);
	json_write(out, doc, 0);
}

/* The inverse, for filtering what was read back or kept; false for a damaged line. */
static bool decode(struct arena *a, const char *text, struct event *ret)
{
	struct field_map *attributes = field_map_new(a);
	struct json *doc, *actor;
	es_err *err = json_parse(a, text, strlen(text), &doc);

	if (err) {
		es_err_drop(err);
		return false;
	}
	actor = json_get(doc, "Actor");
	JSON_EACH(at, json_get(actor, "Attributes"))
		field_map_put(a, attributes, at->key, arena_strdup(a, json_str(at) ? json_str(at) : ""));
	*ret = (struct event){
		.time_ns = json_i64(json_get(doc, "timeNano"), 0),
		.type = json_str(json_get(doc, "Type")),
		.action = json_str(json_get(doc, "Action")),
		.id = json_str(json_get(actor, "ID")),
		.attributes = attributes,
	};
	return ret->type && ret->action && ret->id;
}

/* ---- the ring and its file ---- */

static void keep(struct events *es, char *text, int64_t time_ns)
{
	struct kept *slot = &es->ring[es->at];

	free(slot->text);
	slot->text = text;
	slot->time_ns = time_ns;
	es->at = (es->at + 1) % EVENTS_KEPT;
	if (es->n < EVENTS_KEPT)
		es->n++;
}

static struct kept *nth_kept(struct events *es, size_t i)
{
	return &es->ring[(es->at + EVENTS_KEPT - es->n + i) % EVENTS_KEPT];
}

/* A journal that is read again after a crash brings what was told before, with the same time. */
static bool was_told(struct events *es, int64_t time_ns, const char *text)
{
	for (size_t i = 0; i < es->n; i++)
		if (nth_kept(es, i)->time_ns == time_ns && strcmp(nth_kept(es, i)->text, text) == 0)
			return true;
	return false;
}

/* The file is a convenience across restarts: a full disk must not stop the engine, so its errors are only logged. */
static void rewrite_file(struct events *es)
{
	es_autobuf b = ES_BUF(EVENTS_KEPT * EVENT_MAX);

	for (size_t i = 0; i < es->n; i++)
		es_buf_printf(&b, "%s\n", nth_kept(es, i)->text);
	log_err(file_replace(es->dirfd, FILE_NAME, es_buf_str(&b), b.len, 0600, false), "keep events");
	es_close(es->fd);
	es->fd = openat(es->dirfd, FILE_NAME, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	es->lines = es->n;
}

static void append_file(struct events *es, const char *text, size_t len)
{
	es_autofree char *line = es_xasprintf("%.*s\n", (int)len, text);

	if (es->fd >= 0 && write(es->fd, line, len + 1) >= 0)
		es->lines++;
	if (es->lines > FILE_LINES_MAX)
		rewrite_file(es);
}

static void read_file(struct events *es)
{
	es_autofree char *text = NULL;
	es_err *err = file_read(es->dirfd, FILE_NAME, 2 * FILE_LINES_MAX * EVENT_MAX, &text, NULL);
	char *line, *save = NULL;

	if (err) {
		es_err_drop(err);
		return;
	}
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		es_autoarena *a = arena_new();
		struct event ev;

		if (decode(a, line, &ev))
			keep(es, es_xstrdup(line), ev.time_ns);
	}
}

struct events *events_open(int exec_root_fd)
{
	struct events *es = ES_NEW(struct events);

	(void)pthread_mutex_init(&es->lock, NULL);
	list_init(&es->subs);
	es->dirfd = exec_root_fd;
	es->fd = -1;
	read_file(es);
	rewrite_file(es);
	return es;
}

void events_close(struct events *es)
{
	if (!es)
		return;
	for (size_t i = 0; i < EVENTS_KEPT; i++)
		free(es->ring[i].text);
	es_close(es->fd);
	(void)pthread_mutex_destroy(&es->lock);
	free(es);
}

/* ---- publish, subscribe ---- */

void events_publish_at(struct engine *e, int64_t time_ns, const char *type, const char *action, const char *id,
		       const struct field_map *attributes)
{
	struct event ev = { time_ns, type, action, id, attributes };
	struct events *es = e->events;
	es_autoarena *a = arena_new();
	es_autobuf text = ES_BUF(EVENT_MAX);

	encode(a, &ev, &text);
	if (text.overflow) {
		log_line(LOG_L_WARN, "event %s %s of %s is larger than %zu bytes and was dropped", type, action, id, EVENT_MAX);
		return;
	}
	(void)pthread_mutex_lock(&es->lock);
	if (was_told(es, time_ns, text.p)) {
		(void)pthread_mutex_unlock(&es->lock);
		return;
	}
	append_file(es, text.p, text.len);
	LIST_EACH(at, &es->subs) {
		struct events_sub *sub = LIST_ENTRY(at, struct events_sub, link);

		if (time_ns <= sub->until_ns && included(&sub->filters, &ev))
			sub->fn(sub->self, text.p, text.len);
	}
	keep(es, es_xstrdup(text.p), time_ns);
	(void)pthread_mutex_unlock(&es->lock);
}

void events_publish(struct engine *e, const char *type, const char *action, const char *id,
		    const struct field_map *attributes)
{
	events_publish_at(e, clock_now_ns(), type, action, id, attributes);
}

static void replay(struct events *es, struct events_sub *sub, int64_t since_ns)
{
	for (size_t i = 0; i < es->n; i++) {
		struct kept *k = nth_kept(es, i);
		es_autoarena *a = arena_new();
		struct event ev;

		if (k->time_ns >= since_ns && k->time_ns <= sub->until_ns && decode(a, k->text, &ev) &&
		    included(&sub->filters, &ev))
			sub->fn(sub->self, k->text, strlen(k->text));
	}
}

es_err *events_subscribe(struct engine *e, const struct filters *filters, int64_t since_ns, int64_t until_ns, events_fn *fn,
			 void *self, struct events_sub **ret)
{
	struct events_sub *sub = ES_NEW(struct events_sub);
	struct events *es = e->events;

	sub->fn = fn;
	sub->self = self;
	sub->until_ns = until_ns;
	sub->arena = arena_new();
	if (filters && filters->map) {
		sub->filters.map = field_map_new(sub->arena);
		FIELD_MAP_EACH(at, filters->map)
			field_map_put(sub->arena, sub->filters.map, arena_strdup(sub->arena, at->key),
				      strv_arena_dup(sub->arena, at->value));
	}
	(void)pthread_mutex_lock(&es->lock);
	if (since_ns != INT64_MAX)
		replay(es, sub, since_ns);
	list_append(&es->subs, &sub->link);
	(void)pthread_mutex_unlock(&es->lock);
	*ret = sub;
	return NULL;
}

void events_unsubscribe(struct engine *e, struct events_sub *sub)
{
	if (!sub)
		return;
	(void)pthread_mutex_lock(&e->events->lock);
	list_remove(&sub->link);
	(void)pthread_mutex_unlock(&e->events->lock);
	arena_free(sub->arena);
	free(sub);
}

size_t events_subscribers(struct engine *e)
{
	size_t n = 0;

	(void)pthread_mutex_lock(&e->events->lock);
	LIST_EACH(at, &e->events->subs)
		n++;
	(void)pthread_mutex_unlock(&e->events->lock);
	return n;
}
