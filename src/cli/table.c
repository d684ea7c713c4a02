/* SPDX-License-Identifier: Apache-2.0 */
/* table.c: text with tabs to columns, as Go's tabwriter does it. */
#include "cli/table.h"

#include "cli/human.h"

struct cell {
	const char *text;
	size_t len, width, column_width;
};
struct line {
	struct cell *cells;
	size_t n;
};
struct table {
	struct arena *arena;
	struct line *lines;
	size_t n;
	size_t min_width, padding;
};

static size_t count(const char *s, size_t n, char c)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += s[i] == c;
	return found;
}

static void read_line(struct table *t, struct line *line, const char *s, size_t n)
{
	line->cells = ARENA_ARRAY(t->arena, struct cell, count(s, n, '\t') + 1);
	for (;;) {
		const char *tab = memchr(s, '\t', n);
		size_t len = tab ? (size_t)(tab - s) : n;
		struct cell *cell = &line->cells[line->n++];

		cell->text = s;
		cell->len = len;
		cell->width = human_width(arena_strndup(t->arena, s, len));
		if (!tab)
			return;
		s += len + 1;
		n -= len + 1;
	}
}

static bool has_column(const struct line *line, size_t column)
{
	return column + 1 < line->n; /* the last cell belongs to no column */
}

/* Widths of COLUMN and those right of it, for the lines FROM..TO, which all have the columns left of it. */
static void measure(struct table *t, size_t column, size_t from, size_t to)
{
	for (size_t i = from; i < to;) {
		size_t begin = i, width = t->min_width;

		for (; i < to && has_column(&t->lines[i], column); i++)
			if (t->lines[i].cells[column].width + t->padding > width)
				width = t->lines[i].cells[column].width + t->padding;
		for (size_t k = begin; k < i; k++)
			t->lines[k].cells[column].column_width = width;
		if (begin < i)
			measure(t, column + 1, begin, i);
		else
			i++;
	}
}

static void write_line(const struct line *line, struct es_buf *out)
{
	for (size_t i = 0; i < line->n; i++) {
		const struct cell *cell = &line->cells[i];

		es_buf_add(out, cell->text, cell->len);
		if (i + 1 < line->n)
			es_buf_printf(out, "%*s", (int)(cell->column_width - cell->width), "");
	}
}

void table_align(const char *text, size_t min_width, size_t padding, struct es_buf *out)
{
	es_autoarena *arena = arena_new();
	struct table t = { arena, NULL, 0, min_width, padding };
	size_t len = strlen(text);

	t.lines = ARENA_ARRAY(arena, struct line, count(text, len, '\n') + 1);
	while (*text) {
		size_t n = strcspn(text, "\n");

		read_line(&t, &t.lines[t.n++], text, n);
		text += n + (text[n] == '\n');
	}
	measure(&t, 0, 0, t.n);
	for (size_t i = 0; i < t.n; i++) {
		write_line(&t.lines[i], out);
		es_buf_addc(out, '\n');
	}
}
