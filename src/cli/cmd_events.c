/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_events.c: estiba events. */
#include <time.h>

#include "base/clock.h"
#include "cli/client.h"
#include "cli/format.h"
#include "cli/when.h"
#include "cli/valuespec.h"
#include "codec/gotmpl.h"

struct values {
	char **filters;
	const char *format, *since, *until;
};

#define EVENT_MAX (1u << 20)
#define CHUNK 16384

static const struct opt options[] = {
	O_LIST(struct values, filters, "filter", 'f', .value_name = "filter", .check = value_check_filter,
	       .help = "Show only what fits (name=value)"),
	O_STR(struct values, format, "format", 0, .help = "How to print: 'json', or a Go template"),
	O_STR(struct values, since, "since", 0, .help = "From this time on"),
	O_STR(struct values, until, "until", 0, .help = "Up to this time"),
	O_END,
};

/* Local time with nine digits, as docker's RFC 3339 layout has it. */
static void put_time(const struct json *event, struct es_buf *out)
{
	int64_t ns = json_i64(json_get(event, "timeNano"), 0);
	time_t s = (time_t)(ns ? ns / CLOCK_NS_PER_S : json_i64(json_get(event, "time"), 0));
	struct tm tm;
	char text[64];

	localtime_r(&s, &tm);
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	es_buf_printf(out, "%s.%09lld", text, (long long)(ns % CLOCK_NS_PER_S));
	if (tm.tm_gmtoff == 0)
		es_buf_addc(out, 'Z');
	else
		es_buf_printf(out, "%c%02ld:%02ld", tm.tm_gmtoff < 0 ? '-' : '+', labs(tm.tm_gmtoff) / 3600, labs(tm.tm_gmtoff) / 60 % 60);
}

static const char *str(const struct json *doc, const char *key)
{
	const char *s = json_str(json_get(doc, key));

	return s ? s : "";
}

static void put_text(const struct json *event, struct es_buf *out)
{
	const struct json *actor = json_get(event, "Actor"), *attributes = json_get(actor, "Attributes");
	es_autostrv pairs = NULL;

	put_time(event, out);
	es_buf_printf(out, " %s %s %s", str(event, "Type"), str(event, "Action"), str(actor, "ID"));
	JSON_EACH(attribute, attributes)
		strv_take(&pairs, es_xasprintf("%s=%s", attribute->key, json_str(attribute) ? json_str(attribute) : ""));
	strv_sort(pairs);
	if (pairs) {
		es_autofree char *joined = strv_join(pairs, ", ");

		es_buf_printf(out, " (%s)", joined);
	}
	es_buf_addc(out, '\n');
}

/* Go's fields have other names than the JSON members: {{.Time}}, {{.Status}}. */
static struct json *with_go_names(struct arena *a, struct json *event)
{
	static const struct {
		const char *json, *go;
	} names[] = { { "time", "Time" }, { "timeNano", "TimeNano" }, { "status", "Status" }, { "id", "ID" }, { "from", "From" }, { "scope", "Scope" } };

	for (size_t i = 0; i < ES_N(names); i++) {
		const struct json *member = json_get(event, names[i].json);
		struct json *copy = ARENA_NEW(a, struct json);

		if (member)
			*copy = *member;
		else
			copy = json_new_str(a, "");
		copy->next = NULL;
		json_set(a, event, names[i].go, copy);
	}
	return event;
}

static es_err *show(struct arena *a, struct json *event, const char *format, const struct gotmpl *t)
{
	es_autobuf out = ES_BUF(EVENT_MAX * 4);
	const struct gotmpl_type type = { .name = "*events.Message" };

	if (!t) {
		if (format)
			json_write(&out, event, 0), es_buf_addc(&out, '\n');
		else
			put_text(event, &out);
	} else {
		ES_TRY(gotmpl_exec(t, &(struct gotmpl_env){ .type = &type }, with_go_names(a, event), &out));
		es_buf_addc(&out, '\n');
	}
	cli_out(&out);
	return NULL;
}

static es_err *follow(struct cli *c, const char *format, const struct gotmpl *t)
{
	es_autobuf pending = ES_BUF(EVENT_MAX);
	size_t n;

	do {
		char *room = es_buf_reserve(&pending, CHUNK), *end;

		if (!room)
			return es_buf_check(&pending);
		ES_TRY(http_client_read(client_http(c), room, CHUNK, &n));
		es_buf_commit(&pending, n);
		while (pending.len && (end = memchr(pending.p, '\n', pending.len))) {
			es_autoarena *a = arena_new();
			struct json *event;
			size_t len = (size_t)(end - pending.p);

			if (len) {
				ES_TRY(json_parse(a, pending.p, len, &event));
				ES_TRY(show(a, event, format, t));
			}
			es_buf_consume(&pending, len + 1);
		}
	} while (n);
	return NULL;
}

static es_err *run(struct cli *c)
{
	const struct values *v = c->values;
	struct client_request r = { .method = "GET", .path = "/events" };
	const char *since, *until, *format = str_empty(v->format) ? NULL : format_unescape(c, v->format);
	es_autobuf query = QUERY;
	struct gotmpl *t = NULL;
	struct http_head head;

	if (format && !str_eq(format, "json")) {
		es_err *err = gotmpl_parse(c->arena, "", format, strlen(format), &t);

		if (err) {
			c->status = CLI_STATUS_TEMPLATE;
			return es_err_in(err, "Error parsing format");
		}
	}
	ES_TRY(when_parse(c->arena, v->since, &since));
	ES_TRY(when_parse(c->arena, v->until, &until));
	ES_TRY(query_add_filters(c, &query, v->filters));
	query_add(&query, "since", since);
	query_add(&query, "until", until);
	r.query = es_buf_str(&query);
	ES_TRY(client_send(c, &r, &head));
	return follow(c, format, t);
}

const struct cmd cmd_events = {
	.paths = "system events, events",
	.usage = "[OPTIONS]",
	.summary = "Show what happens in the daemon",
	.mode = OPT_INTERSPERSED,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};
