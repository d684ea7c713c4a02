/* SPDX-License-Identifier: Apache-2.0 */
/* progress.c: the daemon's streams of JSON messages shown on a terminal or a pipe. */
#include "cli/progress.h"

#include "base/file.h"
#include "cli/human.h"
#include "cli/tty.h"

#define MESSAGE_MAX (16u << 20) /* one message: a build step's whole output may be one */
#define CHUNK 32768

struct view {
	const struct progress *p;
	char **ids; /* lines of the progress block, oldest first */
	size_t columns;
};

char *progress_bar(struct arena *a, int64_t current, int64_t total, size_t columns)
{
	enum { BAR = 50, WIDE = 110 };
	static const char full[] = "==================================================";
	int done;
	char *numbers;

	if (current <= 0 && total <= 0)
		return arena_strdup(a, "");
	if (total <= 0)
		return arena_printf(a, "%8s", human_size_digits(a, (double)current, 4));
	done = (int)((double)current / (double)total * 100) / 2;
	done = done > BAR ? BAR : done;
	numbers = current > total ?
			  arena_printf(a, "%8s", human_size_digits(a, (double)current, 4)) :
			  arena_printf(a, "%8s/%s", human_size_digits(a, (double)current, 4), human_size_digits(a, (double)total, 4));
	if (columns <= WIDE)
		return numbers;
	return arena_printf(a, "[%.*s>%*s] %s", done, full, BAR - done, "", numbers);
}

static void put(const struct view *v, const char *text, size_t n)
{
	if (v->p->into)
		es_buf_add(v->p->into, text, n);
	else if (v->p->fd >= 0)
		es_err_drop(file_write_all(v->p->fd, text, n));
}

/* How many lines up the line of ID is; a new one is opened below. */
static size_t line_of(struct view *v, const char *id)
{
	size_t n = strv_len(v->ids);

	for (size_t i = 0; i < n; i++)
		if (str_eq(v->ids[i], id))
			return n - i;
	strv_add(&v->ids, id);
	if (v->p->is_tty)
		put(v, "\n", 1);
	return 1;
}

/* One message as text. */
static void draw(struct view *v, struct arena *a, const struct json *m, struct es_buf *out)
{
	const char *id = json_str(json_get(m, "id")), *from = json_str(json_get(m, "from")), *stream = json_str(json_get(m, "stream"));
	const char *status = json_str(json_get(m, "status"));
	const struct json *detail = json_get(m, "progressDetail");
	bool in_place = v->p->is_tty && str_empty(stream) && detail;
	char *bar = progress_bar(a, json_i64(json_get(detail, "current"), 0), json_i64(json_get(detail, "total"), 0), v->columns);

	if (!in_place && *bar)
		return; /* a pipe gets no progress */
	if (in_place)
		es_buf_adds(out, "\033[2K\r");
	if (!str_empty(id))
		es_buf_printf(out, "%s: ", id);
	if (!str_empty(from))
		es_buf_printf(out, "(from %s) ", from);
	if (in_place)
		es_buf_printf(out, "%s %s\r", status ? status : "", bar);
	else if (!str_empty(stream))
		es_buf_adds(out, stream);
	else
		es_buf_printf(out, "%s\n", status ? status : "");
}

static es_err *show(struct view *v, struct arena *a, const struct json *m, int *ret_code)
{
	const struct json *error = json_get(m, "errorDetail"), *aux = json_get(m, "aux"), *detail = json_get(m, "progressDetail");
	const char *id = json_str(json_get(m, "id")), *text = json_str(json_get(error, "message"));
	es_autobuf out = ES_BUF(MESSAGE_MAX);
	size_t up = 0;

	if (json_str(json_get(m, "error")) || text) {
		*ret_code = (int)json_i64(json_get(error, "code"), 0);
		return es_err_new(*ret_code == 401 ? ES_E_UNAUTHORIZED : ES_E_INTERNAL, "%s", text ? text : json_str(json_get(m, "error")));
	}
	if (aux) {
		if (v->p->aux)
			v->p->aux(v->p->self, aux);
		return NULL;
	}
	if (!str_empty(id) && detail) {
		up = line_of(v, id);
		if (v->p->is_tty)
			es_buf_printf(&out, "\033[%zuA", up);
	} else {
		strv_free(ES_TAKE(v->ids));
	}
	draw(v, a, m, &out);
	if (up && v->p->is_tty)
		es_buf_printf(&out, "\033[%zuB", up);
	put(v, es_buf_str(&out), out.len);
	return NULL;
}

/* Show every whole message in B and drop it from there. */
static es_err *show_all(struct view *v, struct es_buf *b, int *ret_code)
{
	for (;;) {
		es_autoarena *a = arena_new();
		struct json *m;
		size_t used, blank = strspn(es_buf_str(b), " \r\n\t");
		const char *end;

		es_buf_consume(b, blank);
		end = b->len ? memchr(b->p, '\n', b->len) : NULL; /* the daemon ends each message with a newline */
		if (!end)
			return NULL;
		ES_TRY(es_err_in(json_parse_prefix(a, b->p, b->len, &m, &used), "answer of the daemon"));
		es_buf_consume(b, used);
		ES_TRY(show(v, a, m, ret_code));
	}
}

es_err *progress_show(struct http_client *http, const struct progress *p, int *ret_code)
{
	struct view v = { .p = p };
	es_autobuf pending = ES_BUF(MESSAGE_MAX);
	unsigned rows, columns;
	int code = 0;
	es_err *err = NULL;
	size_t n;

	v.columns = tty_size(&rows, &columns) ? columns : 200;
	do {
		char *room = es_buf_reserve(&pending, CHUNK);

		err = room ? http_client_read(http, room, CHUNK, &n) : es_buf_check(&pending);
		if (!err) {
			es_buf_commit(&pending, n);
			if (!n)
				es_buf_addc(&pending, '\n');
			err = show_all(&v, &pending, &code);
		}
	} while (!err && n);
	strv_free(v.ids);
	if (ret_code)
		*ret_code = code;
	return err;
}
