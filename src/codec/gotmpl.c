/* SPDX-License-Identifier: Apache-2.0 */
/* gotmpl.c: the template grammar: bytes to tokens, tokens to a tree; error texts are Go's. */
#include "base/str.h"
#include "codec/gotmpl_priv.h"
#include "codec/utf8.h"

/* Tokens */

enum token_kind {
	TOKEN_ERROR,
	TOKEN_EOF,
	TOKEN_TEXT,
	TOKEN_LEFT,
	TOKEN_RIGHT,
	TOKEN_SPACE,
	TOKEN_STRING,
	TOKEN_RAW_STRING,
	TOKEN_CHAR, /* 'x' */
	TOKEN_NUMBER,
	TOKEN_FIELD,
	TOKEN_VARIABLE,
	TOKEN_IDENT,
	TOKEN_LPAREN,
	TOKEN_RPAREN,
	TOKEN_PIPE,
	TOKEN_DECLARE,
	TOKEN_ASSIGN,
	TOKEN_PUNCT,
	TOKEN_BOOL,
	TOKEN_DOT,
	TOKEN_NIL,
	TOKEN_KEYWORD, /* this and what follows: words that Go prints in angle brackets */
	TOKEN_BLOCK,
	TOKEN_BREAK,
	TOKEN_CONTINUE,
	TOKEN_DEFINE,
	TOKEN_ELSE,
	TOKEN_END,
	TOKEN_IF,
	TOKEN_RANGE,
	TOKEN_TEMPLATE,
	TOKEN_WITH,
};

static const struct {
	const char *word;
	enum token_kind kind;
} words[] = {
	{"block", TOKEN_BLOCK},   {"break", TOKEN_BREAK}, {"continue", TOKEN_CONTINUE},
	{"define", TOKEN_DEFINE}, {"else", TOKEN_ELSE},   {"end", TOKEN_END},
	{"if", TOKEN_IF},         {"range", TOKEN_RANGE}, {"template", TOKEN_TEMPLATE},
	{"with", TOKEN_WITH},     {"nil", TOKEN_NIL},     {"true", TOKEN_BOOL},
	{"false", TOKEN_BOOL},
};

struct token {
	enum token_kind kind;
	size_t pos;
	const char *text; /* ERROR: the message */
	size_t len;
};

struct parser {
	struct arena *a;
	struct gotmpl *t;
	/* lexer */
	size_t at;
	bool in_action;
	int parens;
	bool trim_next; /* the last action ended in -}} */
	/* parser */
	struct token ahead[3];
	size_t n_ahead;
	const char **vars;
	size_t n_vars, cap_vars;
	int range_depth, depth;
	size_t line_pos;   /* where the token last read stands, for line numbers */
	size_t action_pos; /* where the action being read began */
	char **mentioned;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_word(char c)
{
	return c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static struct token token(enum token_kind kind, const struct parser *p, size_t from)
{
	return (struct token){.kind = kind, .pos = from, .text = p->t->text + from, .len = p->at - from};
}

static struct token lex_error(const struct parser *p, size_t pos, const char *text)
{
	return (struct token){.kind = TOKEN_ERROR, .pos = pos, .text = text, .len = strlen(text)};
}

static bool at_right(const struct parser *p)
{
	const char *s = p->t->text + p->at;

	return (s[0] == '}' && s[1] == '}') || (is_space(s[0]) && s[1] == '-' && s[2] == '}' && s[3] == '}');
}

static bool at_terminator(const struct parser *p)
{
	char c = p->t->text[p->at];

	return is_space(c) || c == '\0' || strchr(".,|:()", c) || at_right(p);
}

static struct token bad_character(struct parser *p)
{
	unsigned char c = (unsigned char)p->t->text[p->at];

	return lex_error(p, p->at,
			 arena_printf(p->a, "bad character U+%04X%s%.1s%s", c, c < 0x7f && c > 0x20 ? " '" : "",
				      c < 0x7f && c > 0x20 ? p->t->text + p->at : "", c < 0x7f && c > 0x20 ? "'" : ""));
}

/* A comment at P->at is skipped; false at one that is not closed, with the error in *RET. */
static bool skip_comment(struct parser *p, struct token *ret)
{
	const char *end = strstr(p->t->text + p->at + 2, "*/");

	if (!end) {
		*ret = lex_error(p, p->at, "unclosed comment");
		return false;
	}
	p->at = (size_t)(end + 2 - p->t->text);
	if (!at_right(p)) {
		*ret = lex_error(p, p->at, "comment ends before closing delimiter");
		return false;
	}
	p->trim_next = is_space(p->t->text[p->at]);
	p->at += p->trim_next ? 4 : 2;
	return true;
}

/* The text up to the next action, or, when there is none in between, the action's "{{". */
static struct token lex_text(struct parser *p)
{
	for (;;) {
		size_t from = p->at, to;
		const char *left;
		struct token t;
		bool trims;

		if (p->trim_next)
			while (is_space(p->t->text[from]))
				from++;
		p->trim_next = false;
		left = strstr(p->t->text + from, "{{");
		to = left ? (size_t)(left - p->t->text) : p->t->len;
		trims = left && left[2] == '-' && is_space(left[3]);
		p->at = to;
		while (trims && to > from && is_space(p->t->text[to - 1]))
			to--;
		if (to > from)
			return (struct token){
				.kind = TOKEN_TEXT, .pos = from, .text = p->t->text + from, .len = to - from};
		if (!left)
			return token(TOKEN_EOF, p, p->at);
		t = (struct token){.kind = TOKEN_LEFT, .pos = p->at, .text = "{{", .len = 2};
		p->at += trims ? 4 : 2;
		if (p->t->text[p->at] != '/' || p->t->text[p->at + 1] != '*') {
			p->in_action = true;
			p->parens = 0;
			return t;
		}
		if (!skip_comment(p, &t))
			return t;
	}
}

static struct token lex_quote(struct parser *p, char quote, enum token_kind kind, const char *unterminated)
{
	size_t from = p->at++;
	const char *s = p->t->text;

	for (;; p->at++) {
		if (s[p->at] == '\\' && quote != '`' && s[p->at + 1] && s[p->at + 1] != '\n')
			p->at++;
		else if (s[p->at] == '\0' || (s[p->at] == '\n' && quote != '`'))
			return lex_error(p, from, unterminated);
		else if (s[p->at] == quote)
			break;
	}
	p->at++;
	return token(kind, p, from);
}

static struct token lex_number(struct parser *p)
{
	size_t from = p->at;
	const char *s = p->t->text, *digits = "0123456789_", *exponent = "eE";

	if (s[p->at] == '+' || s[p->at] == '-')
		p->at++;
	if (s[p->at] == '0' && s[p->at + 1] && strchr("xXoObB", s[p->at + 1])) {
		digits = (s[p->at + 1] | 32) == 'x'   ? "0123456789abcdefABCDEF_"
			 : (s[p->at + 1] | 32) == 'o' ? "01234567_"
						      : "01_";
		exponent = (s[p->at + 1] | 32) == 'x' ? "pP" : "";
		p->at += 2;
	}
	p->at += strspn(s + p->at, digits);
	if (s[p->at] == '.') {
		p->at++;
		p->at += strspn(s + p->at, digits);
	}
	if (s[p->at] && *exponent && strchr(exponent, s[p->at])) {
		p->at++;
		if (s[p->at] == '+' || s[p->at] == '-')
			p->at++;
		p->at += strspn(s + p->at, "0123456789_");
	}
	if (is_word(s[p->at]) || p->at == from + (s[from] == '+' || s[from] == '-'))
		return lex_error(p, from,
				 arena_printf(p->a, "bad number syntax: \"%.*s\"",
					      (int)(p->at - from + (s[p->at] != '\0')), s + from));
	return token(TOKEN_NUMBER, p, from);
}

static struct token lex_word(struct parser *p, enum token_kind kind, size_t lead)
{
	size_t from = p->at;
	struct token t;

	p->at += lead;
	while (is_word(p->t->text[p->at]))
		p->at++;
	if (!at_terminator(p))
		return bad_character(p);
	t = token(kind, p, from);
	if (kind == TOKEN_IDENT)
		for (size_t i = 0; i < ES_N(words); i++)
			if (strlen(words[i].word) == t.len && memcmp(words[i].word, t.text, t.len) == 0)
				t.kind = words[i].kind;
	if (kind == TOKEN_FIELD && t.len == 1)
		t.kind = TOKEN_DOT;
	return t;
}

static struct token lex_one(struct parser *p, enum token_kind kind, size_t len)
{
	size_t from = p->at;

	p->at += len;
	return token(kind, p, from);
}

static struct token lex_right(struct parser *p)
{
	size_t from = p->at;

	if (p->parens)
		return lex_error(p, from, "unclosed left paren");
	p->trim_next = p->t->text[p->at] != '}';
	p->at += p->trim_next ? 4 : 2;
	p->in_action = false;
	return (struct token){.kind = TOKEN_RIGHT, .pos = from, .text = "}}", .len = 2};
}

static struct token lex_spaces(struct parser *p)
{
	size_t from = p->at;

	while (is_space(p->t->text[p->at]) && !at_right(p))
		p->at++;
	return token(TOKEN_SPACE, p, from);
}

static struct token lex_action(struct parser *p)
{
	const char *s = p->t->text + p->at;

	if (at_right(p))
		return lex_right(p);
	if (p->at >= p->t->len)
		return lex_error(p, p->at, "unclosed action");
	if (is_space(*s))
		return lex_spaces(p);
	switch (*s) {
	case '"':
		return lex_quote(p, '"', TOKEN_STRING, "unterminated quoted string");
	case '`':
		return lex_quote(p, '`', TOKEN_RAW_STRING, "unterminated raw quoted string");
	case '\'':
		return lex_quote(p, '\'', TOKEN_CHAR, "unterminated character constant");
	case '=':
		return lex_one(p, TOKEN_ASSIGN, 1);
	case ':':
		return s[1] == '=' ? lex_one(p, TOKEN_DECLARE, 2) : lex_error(p, p->at, "expected :=");
	case '|':
		return lex_one(p, TOKEN_PIPE, 1);
	case '$':
		return lex_word(p, TOKEN_VARIABLE, 1);
	case '(':
		p->parens++;
		return lex_one(p, TOKEN_LPAREN, 1);
	case ')':
		if (p->parens-- == 0)
			return lex_error(p, p->at, "unexpected right paren");
		return lex_one(p, TOKEN_RPAREN, 1);
	case '.':
		if (!is_digit(s[1]))
			return lex_word(p, TOKEN_FIELD, 1);
		return lex_number(p);
	case '+':
	case '-':
	case '0' ... '9':
		return lex_number(p);
	default:
		break;
	}
	if (is_word(*s))
		return lex_word(p, TOKEN_IDENT, 0);
	if (*s > 0x20 && *s < 0x7f)
		return lex_one(p, TOKEN_PUNCT, 1);
	return lex_error(p, p->at, arena_printf(p->a, "unrecognized character in action: U+%04X", (unsigned char)*s));
}

static struct token next(struct parser *p)
{
	struct token t;

	if (p->n_ahead > 0)
		t = p->ahead[--p->n_ahead];
	else
		t = p->in_action ? lex_action(p) : lex_text(p);
	p->line_pos = t.pos;
	return t;
}

static void back(struct parser *p, struct token t)
{
	p->ahead[p->n_ahead++] = t;
}

static struct token next_word(struct parser *p) /* not a space */
{
	struct token t = next(p);

	return t.kind == TOKEN_SPACE ? next(p) : t;
}

static struct token peek_word(struct parser *p)
{
	struct token t = next_word(p);

	back(p, t);
	return t;
}

/* Errors */

static size_t line_of(const struct gotmpl *t, size_t pos)
{
	size_t line = 1;

	for (size_t i = 0; i < pos && i < t->len; i++)
		line += t->text[i] == '\n';
	return line;
}

void gotmpl_place(const struct gotmpl *t, size_t pos, struct es_buf *out)
{
	size_t begin = pos;

	while (begin > 0 && t->text[begin - 1] != '\n')
		begin--;
	es_buf_printf(out, "%s:%zu:%zu", t->name, line_of(t, pos), pos - begin);
}

static es_err *wrong(struct parser *p, const char *fmt, ...) ES_PRINTF(2, 3) ES_CHECKED;
static es_err *wrong(struct parser *p, const char *fmt, ...)
{
	es_autofree char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = es_xvasprintf(fmt, ap);
	va_end(ap);
	return es_err_new(ES_E_INVALID, "template: %s:%zu: %s", p->t->name, line_of(p->t, p->line_pos), text);
}

static void quoted(struct es_buf *out, const char *s, size_t n)
{
	es_buf_addc(out, '"');
	for (size_t i = 0; i < n; i++)
		if (s[i] == '\n')
			es_buf_adds(out, "\\n");
		else
			es_buf_printf(out, s[i] == '"' || s[i] == '\\' ? "\\%c" : "%c", s[i]);
	es_buf_addc(out, '"');
}

static es_err *unexpected_error(struct parser *p, struct token t)
{
	size_t began = line_of(p->t, p->action_pos);

	if (began == line_of(p->t, t.pos))
		return wrong(p, "%s", t.text);
	return wrong(p, "%s%s started at %s:%zu", t.text, str_ends(t.text, " action") ? "" : " in action", p->t->name,
		     began);
}

static es_err *unexpected(struct parser *p, struct token t, const char *context)
{
	es_autobuf text = ES_BUF(64);

	if (t.kind == TOKEN_ERROR)
		return unexpected_error(p, t);
	if (t.kind == TOKEN_EOF)
		es_buf_adds(&text, "EOF");
	else if (t.kind > TOKEN_KEYWORD)
		es_buf_printf(&text, "<%.*s>", (int)t.len, t.text);
	else
		quoted(&text, t.text, t.len > 10 ? 10 : t.len);
	return wrong(p, "unexpected %s%s in %s", es_buf_str(&text), t.len > 10 && t.kind < TOKEN_KEYWORD ? "..." : "",
		     context);
}

/* Nodes */

static struct node *new_node(struct parser *p, enum node_kind kind, size_t pos)
{
	struct node *n = ARENA_NEW(p->a, struct node);

	n->kind = kind;
	n->pos = pos;
	return n;
}

static void add_child(struct node *parent, struct node *child)
{
	if (parent->last)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
	parent->n++;
}

static void add_name(struct parser *p, struct node *n, const char *s, size_t len)
{
	const char **more = ARENA_ARRAY(p->a, const char *, n->n_names + 1);

	if (n->n_names)
		memcpy(more, n->names, n->n_names * sizeof *more);
	more[n->n_names++] = arena_strndup(p->a, s, len);
	n->names = more;
}

static void add_field(struct parser *p, struct node *n, struct token t)
{
	add_name(p, n, t.text + 1, t.len - 1);
	p->mentioned = strv_arena_add(p->a, p->mentioned, n->names[n->n_names - 1]);
}

static void declare(struct parser *p, const char *name)
{
	if (p->n_vars == p->cap_vars) {
		size_t cap = p->cap_vars ? p->cap_vars * 2 : 8;
		const char **more = ARENA_ARRAY(p->a, const char *, cap);

		if (p->n_vars)
			memcpy(more, p->vars, p->n_vars * sizeof *more);
		p->vars = more;
		p->cap_vars = cap;
	}
	p->vars[p->n_vars++] = name;
}

/* Literals */

/* N digits of BASE at *S; false when there are fewer. */
static bool escape_digits(const char **s, const char *end, int n, unsigned base, uint32_t *ret)
{
	uint32_t v = 0;

	for (int i = 0; i < n; i++, (*s)++) {
		char c = *s < end ? **s : ' ';
		unsigned d = is_digit(c)                          ? (unsigned)(c - '0')
			     : (c | 32) >= 'a' && (c | 32) <= 'f' ? (unsigned)((c | 32) - 'a' + 10)
								  : 99;

		if (d >= base)
			return false;
		v = v * base + d;
	}
	*ret = v;
	return true;
}

/* Go's escapes in "…" and '…'. QUOTE is the only quote that may be escaped. */
static bool unescape(const char **s, const char *end, char quote, char **out)
{
	static const char simple[256] = {['a'] = '\a', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n',
					 ['r'] = '\r', ['t'] = '\t', ['v'] = '\v', ['\\'] = '\\'};
	char c = *(*s)++;
	uint32_t v;

	if (simple[(unsigned char)c] || c == quote) {
		*(*out)++ = c == quote ? quote : simple[(unsigned char)c];
		return true;
	}
	if (c >= '0' && c <= '7') {
		(*s)--;
		if (!escape_digits(s, end, 3, 8, &v) || v > 255)
			return false;
		*(*out)++ = (char)v;
		return true;
	}
	if (c == 'x') {
		if (!escape_digits(s, end, 2, 16, &v))
			return false;
		*(*out)++ = (char)v;
		return true;
	}
	if ((c != 'u' && c != 'U') || !escape_digits(s, end, c == 'u' ? 4 : 8, 16, &v) || v > 0x10ffff ||
	    (v >= 0xd800 && v < 0xe000))
		return false;
	*out = utf8_put(*out, v);
	return true;
}

static bool unquote(struct parser *p, struct token t, const char **ret, size_t *ret_len)
{
	const char *s = t.text + 1, *end = t.text + t.len - 1;
	char *text = arena_alloc(p->a, t.len), *out = text;

	while (s < end)
		if (*s == '\\' && t.kind != TOKEN_RAW_STRING) {
			s++;
			if (!unescape(&s, end, t.text[0], &out))
				return false;
		} else if (*s == '\r' && t.kind == TOKEN_RAW_STRING) {
			s++;
		} else {
			*out++ = *s++;
		}
	*ret = text;
	*ret_len = (size_t)(out - text);
	return true;
}

static es_err *string_node(struct parser *p, struct token t, struct node **ret)
{
	struct node *n = new_node(p, NODE_STRING, t.pos);

	n->source = arena_strndup(p->a, t.text, t.len);
	if (!unquote(p, t, &n->text, &n->len))
		return wrong(p, "invalid syntax");
	*ret = n;
	return NULL;
}

/* Numbers keep a text that strtoll or strtod reads: without underscores, octal as 0…, binary as decimal. */
static es_err *number_node(struct parser *p, struct token t, struct node **ret)
{
	struct node *n = new_node(p, NODE_NUMBER, t.pos);
	char *text = arena_alloc(p->a, t.len + 32), *out = text;
	const char *s;
	size_t len;

	n->source = arena_strndup(p->a, t.text, t.len);
	if (t.kind == TOKEN_CHAR) {
		if (!unquote(p, t, &s, &len) || len == 0)
			return wrong(p, "malformed character constant: %s", n->source);
		n->text = arena_printf(p->a, "%d", (unsigned char)s[0]);
		*ret = n;
		return NULL;
	}
	for (s = n->source; *s; s++)
		if (*s != '_')
			*out++ = *s;
	s = text + (*text == '+' || *text == '-');
	if (s[0] == '0' && (s[1] | 32) == 'o')
		memmove((char *)s + 1, s + 2, strlen(s + 2) + 1);
	else if (s[0] == '0' && (s[1] | 32) == 'b')
		n->text = arena_printf(p->a, "%s%lld", *text == '-' ? "-" : "", strtoll(s + 2, NULL, 2));
	if (!n->text)
		n->text = text;
	*ret = n;
	return NULL;
}

/* Pipelines */

static es_err *pipeline(struct parser *p, const char *context, enum token_kind end, struct node **ret);

static es_err *use_variable(struct parser *p, struct token t, struct node **ret)
{
	struct node *n = new_node(p, NODE_VARIABLE, t.pos);

	add_name(p, n, t.text, t.len);
	*ret = n;
	for (size_t i = 0; i < p->n_vars; i++)
		if (str_eq(p->vars[i], n->names[0]))
			return NULL;
	return wrong(p, "undefined variable \"%s\"", n->names[0]);
}

/* *RET is NULL when what follows is no operand. */
static es_err *term(struct parser *p, struct node **ret)
{
	struct token t = next_word(p);
	struct node *n;

	*ret = NULL;
	switch (t.kind) {
	case TOKEN_IDENT:
		n = new_node(p, NODE_IDENT, t.pos);
		n->text = arena_strndup(p->a, t.text, t.len);
		*ret = n;
		return gotmpl_func_find(n->text) ? NULL : wrong(p, "function \"%s\" not defined", n->text);
	case TOKEN_DOT:
		*ret = new_node(p, NODE_DOT, t.pos);
		return NULL;
	case TOKEN_NIL:
		*ret = new_node(p, NODE_NIL, t.pos);
		return NULL;
	case TOKEN_BOOL:
		*ret = new_node(p, NODE_BOOL, t.pos);
		(*ret)->text = t.text[0] == 't' ? "true" : "false";
		return NULL;
	case TOKEN_VARIABLE:
		return use_variable(p, t, ret);
	case TOKEN_FIELD:
		*ret = new_node(p, NODE_FIELD, t.pos);
		add_field(p, *ret, t);
		return NULL;
	case TOKEN_NUMBER:
	case TOKEN_CHAR:
		return number_node(p, t, ret);
	case TOKEN_STRING:
	case TOKEN_RAW_STRING:
		return string_node(p, t, ret);
	case TOKEN_LPAREN:
		return pipeline(p, "parenthesized pipeline", TOKEN_RPAREN, ret);
	default:
		back(p, t);
		return NULL;
	}
}

/* term .Field* */
static es_err *operand(struct parser *p, struct node **ret)
{
	struct token t;
	struct node *n, *chain;

	ES_TRY(term(p, &n));
	*ret = n;
	if (!n)
		return NULL;
	t = next(p);
	if (t.kind != TOKEN_FIELD) {
		back(p, t);
		return NULL;
	}
	if (n->kind == NODE_FIELD || n->kind == NODE_VARIABLE) {
		n->pos = t.pos; /* Go: the position of the second link */
	} else if (n->kind == NODE_PIPE || n->kind == NODE_IDENT) {
		chain = new_node(p, NODE_CHAIN, t.pos);
		chain->first = n;
		n = chain;
	} else {
		es_autobuf text = ES_BUF(1000);

		gotmpl_node_text(&text, n);
		return wrong(p, "unexpected . after term \"%s\"", es_buf_str(&text));
	}
	for (; t.kind == TOKEN_FIELD; t = next(p))
		add_field(p, n, t);
	back(p, t);
	*ret = n;
	return NULL;
}

static es_err *command(struct parser *p, struct node **ret)
{
	struct node *cmd = new_node(p, NODE_COMMAND, peek_word(p).pos), *n;

	for (;;) {
		struct token t;

		ES_TRY(operand(p, &n));
		if (n)
			add_child(cmd, n);
		t = next(p);
		if (t.kind == TOKEN_SPACE) {
			(void)peek_word(p);
			continue;
		}
		if (t.kind == TOKEN_RIGHT || t.kind == TOKEN_RPAREN)
			back(p, t);
		else if (t.kind != TOKEN_PIPE)
			return unexpected(p, t, "operand");
		break;
	}
	if (!cmd->first)
		return wrong(p, "empty command");
	*ret = cmd;
	return NULL;
}

/* "$x :=", "$x =", "$i, $x :=": what stands before the commands. */
static es_err *declarations(struct parser *p, const char *context, struct node *pipe)
{
	for (;;) {
		struct token v = next_word(p), after, op;

		if (v.kind != TOKEN_VARIABLE) {
			back(p, v);
			return NULL;
		}
		after = next(p);
		op = after.kind == TOKEN_SPACE ? next(p) : after;
		if (op.kind == TOKEN_ASSIGN || op.kind == TOKEN_DECLARE) {
			pipe->assigns = op.kind == TOKEN_ASSIGN;
			add_name(p, pipe, v.text, v.len);
			declare(p, pipe->names[pipe->n_names - 1]);
			return NULL;
		}
		if (op.kind != TOKEN_PUNCT || op.text[0] != ',') {
			back(p, op);
			if (after.kind == TOKEN_SPACE)
				back(p, after);
			back(p, v);
			return NULL;
		}
		add_name(p, pipe, v.text, v.len);
		declare(p, pipe->names[pipe->n_names - 1]);
		if (!str_eq(context, "range") || pipe->n_names >= 2)
			return wrong(p, "too many declarations in %s", context);
		if (peek_word(p).kind != TOKEN_VARIABLE)
			return wrong(p, "range can only initialize variables");
	}
}

static es_err *check_pipeline(struct parser *p, const char *context, const struct node *pipe)
{
	int stage = 1;

	if (!pipe->first)
		return wrong(p, "missing value for %s", context);
	for (const struct node *c = pipe->first->next; c; c = c->next) {
		stage++;
		if (c->first->kind >= NODE_DOT)
			return wrong(p, "non executable command in pipeline stage %d", stage);
	}
	return NULL;
}

static es_err *pipeline(struct parser *p, const char *context, enum token_kind end, struct node **ret)
{
	struct node *pipe = new_node(p, NODE_PIPE, peek_word(p).pos), *cmd = NULL;

	if (++p->depth > GOTMPL_DEPTH_MAX)
		return wrong(p, "nested deeper than %d", GOTMPL_DEPTH_MAX);
	ES_TRY(declarations(p, context, pipe));
	for (;;) {
		struct token t = next_word(p);

		if (t.kind == end)
			break;
		if ((t.kind < TOKEN_STRING || t.kind > TOKEN_LPAREN) && (t.kind < TOKEN_BOOL || t.kind > TOKEN_NIL))
			return unexpected(p, t, context);
		back(p, t);
		ES_TRY(command(p, &cmd));
		add_child(pipe, cmd);
	}
	ES_TRY(check_pipeline(p, context, pipe));
	p->depth--;
	*ret = pipe;
	return NULL;
}

/* Actions */

static es_err *text_or_action(struct parser *p, struct node **ret);

/* Up to {{end}} or {{else}}, which comes in *RET_END. */
static es_err *item_list(struct parser *p, struct node **ret_first, struct node **ret_end)
{
	struct node list = {0}, *n;

	for (;;) {
		struct token t = peek_word(p);

		if (t.kind == TOKEN_EOF) {
			p->line_pos = t.pos;
			return wrong(p, "unexpected EOF");
		}
		ES_TRY(text_or_action(p, &n));
		if (n->kind == NODE_END || n->kind == NODE_ELSE)
			break;
		add_child(&list, n);
	}
	*ret_first = list.first;
	*ret_end = n;
	return NULL;
}

static es_err *expect(struct parser *p, enum token_kind kind, const char *context)
{
	struct token t = next_word(p);

	return t.kind == kind ? NULL : unexpected(p, t, context);
}

static es_err *control(struct parser *p, struct token word, enum node_kind kind, const char *context, struct node **ret)
{
	struct node *n = new_node(p, kind, word.pos), *end;
	size_t vars = p->n_vars;

	if (++p->depth > GOTMPL_DEPTH_MAX)
		return wrong(p, "nested deeper than %d", GOTMPL_DEPTH_MAX);
	ES_TRY(pipeline(p, context, TOKEN_RIGHT, &n->pipe));
	p->range_depth += kind == NODE_RANGE;
	ES_TRY(item_list(p, &n->body, &end));
	p->range_depth -= kind == NODE_RANGE;
	if (end->kind == NODE_ELSE) {
		struct token t = next_word(p);

		if ((t.kind == TOKEN_IF && kind == NODE_IF) || (t.kind == TOKEN_WITH && kind == NODE_WITH)) {
			ES_TRY(control(p, t, kind, context, &n->otherwise)); /* its {{end}} is ours */
		} else {
			if (t.kind != TOKEN_RIGHT)
				return unexpected(p, t, "else");
			ES_TRY(item_list(p, &n->otherwise, &end));
			if (end->kind != NODE_END)
				return wrong(p, "expected end; found {{else}}");
		}
	}
	p->n_vars = vars;
	p->depth--;
	*ret = n;
	return NULL;
}

static es_err *loop_word(struct parser *p, struct token word, enum node_kind kind, struct node **ret)
{
	struct token t = next_word(p);
	const char *name = kind == NODE_BREAK ? "{{break}}" : "{{continue}}";

	if (t.kind != TOKEN_RIGHT)
		return unexpected(p, t, name);
	if (p->range_depth == 0)
		return wrong(p, "%s outside {{range}}", name);
	*ret = new_node(p, kind, word.pos);
	return NULL;
}

static es_err *template_name(struct parser *p, const char *context, struct node **ret)
{
	struct token t = next_word(p);

	if (t.kind != TOKEN_STRING && t.kind != TOKEN_RAW_STRING)
		return unexpected(p, t, context);
	ES_TRY(string_node(p, t, ret));
	(*ret)->kind = NODE_TEMPLATE;
	return NULL;
}

static es_err *template_call(struct parser *p, struct node **ret)
{
	struct token t;

	ES_TRY(template_name(p, "template clause", ret));
	t = next_word(p);
	if (t.kind == TOKEN_RIGHT)
		return NULL;
	back(p, t);
	return pipeline(p, "template clause", TOKEN_RIGHT, &(*ret)->pipe);
}

static es_err *add_named(struct parser *p, const char *name, const char *context)
{
	struct named *d = ARENA_NEW(p->a, struct named);
	struct node *end;
	size_t vars = p->n_vars;
	int range_depth = p->range_depth;

	p->n_vars = 1; /* only $ */
	p->range_depth = 0;
	ES_TRY(item_list(p, &d->body, &end));
	if (end->kind != NODE_END)
		return wrong(p, "unexpected {{else}} in %s", context);
	p->n_vars = vars;
	p->range_depth = range_depth;
	d->name = name;
	d->next = p->t->named;
	p->t->named = d;
	return NULL;
}

static es_err *block(struct parser *p, struct node **ret)
{
	ES_TRY(template_name(p, "block clause", ret));
	ES_TRY(pipeline(p, "block clause", TOKEN_RIGHT, &(*ret)->pipe));
	if (++p->depth > GOTMPL_DEPTH_MAX)
		return wrong(p, "nested deeper than %d", GOTMPL_DEPTH_MAX);
	ES_TRY(add_named(p, (*ret)->text, "block clause"));
	p->depth--;
	return NULL;
}

static es_err *definition(struct parser *p)
{
	struct node *name;

	ES_TRY(template_name(p, "define clause", &name));
	ES_TRY(expect(p, TOKEN_RIGHT, "define clause"));
	return add_named(p, name->text, "define clause");
}

static es_err *action(struct parser *p, struct node **ret)
{
	struct token t = next_word(p);

	switch (t.kind) {
	case TOKEN_IF:
		return control(p, t, NODE_IF, "if", ret);
	case TOKEN_RANGE:
		return control(p, t, NODE_RANGE, "range", ret);
	case TOKEN_WITH:
		return control(p, t, NODE_WITH, "with", ret);
	case TOKEN_BREAK:
		return loop_word(p, t, NODE_BREAK, ret);
	case TOKEN_CONTINUE:
		return loop_word(p, t, NODE_CONTINUE, ret);
	case TOKEN_TEMPLATE:
		return template_call(p, ret);
	case TOKEN_BLOCK:
		return block(p, ret);
	case TOKEN_END:
		*ret = new_node(p, NODE_END, t.pos);
		return expect(p, TOKEN_RIGHT, "end");
	case TOKEN_ELSE: {
		enum token_kind after = peek_word(p).kind;

		*ret = new_node(p, NODE_ELSE, t.pos);
		/* What follows is read by control(): "else if", or the closing braces. */
		return after == TOKEN_IF || after == TOKEN_WITH || after == TOKEN_RIGHT
			       ? NULL
			       : unexpected(p, next_word(p), "else");
	}
	default:
		break;
	}
	back(p, t);
	*ret = new_node(p, NODE_ACTION, t.pos);
	return pipeline(p, "command", TOKEN_RIGHT, &(*ret)->pipe);
}

static es_err *text_or_action(struct parser *p, struct node **ret)
{
	struct token t = next_word(p);

	if (t.kind == TOKEN_TEXT) {
		*ret = new_node(p, NODE_TEXT, t.pos);
		(*ret)->text = t.text;
		(*ret)->len = t.len;
		return NULL;
	}
	if (t.kind != TOKEN_LEFT)
		return unexpected(p, t, "input");
	p->action_pos = t.pos;
	return action(p, ret);
}

static es_err *top(struct parser *p)
{
	struct node list = {0}, *n;

	for (;;) {
		struct token t = next(p);

		if (t.kind == TOKEN_EOF)
			break;
		if (t.kind == TOKEN_LEFT) {
			struct token word = next_word(p);

			p->action_pos = t.pos;
			if (word.kind == TOKEN_DEFINE) {
				ES_TRY(definition(p));
				continue;
			}
			back(p, word);
			ES_TRY(action(p, &n));
		} else {
			back(p, t);
			ES_TRY(text_or_action(p, &n));
		}
		if (n->kind == NODE_END || n->kind == NODE_ELSE)
			return wrong(p, "unexpected {{%s}}", n->kind == NODE_END ? "end" : "else");
		add_child(&list, n);
	}
	p->t->body = list.first;
	return NULL;
}

es_err *gotmpl_parse(struct arena *a, const char *name, const char *text, size_t len, struct gotmpl **ret)
{
	struct parser p = {.a = a, .t = ARENA_NEW(a, struct gotmpl)};

	if (len > GOTMPL_TEXT_MAX)
		return es_err_new(ES_E_LIMIT, "template: larger than %zu bytes", GOTMPL_TEXT_MAX);
	p.t->name = arena_strdup(a, name);
	p.t->text = arena_strndup(a, text, len);
	p.t->len = strlen(p.t->text); /* a template ends at a NUL */
	declare(&p, "$");
	ES_TRY(top(&p));
	p.t->mentioned = p.mentioned;
	*ret = p.t;
	return NULL;
}

bool gotmpl_mentions(const struct gotmpl *t, const char *name)
{
	return strv_has(t->mentioned, name);
}

/* Nodes as text */

static void names_text(struct es_buf *out, const struct node *n, size_t from)
{
	for (size_t i = from; i < n->n_names; i++)
		es_buf_printf(out, ".%s", n->names[i]);
}

static void children_text(struct es_buf *out, const struct node *n, const char *between)
{
	for (const struct node *c = n->first; c; c = c->next) {
		if (c != n->first)
			es_buf_adds(out, between);
		if (c->kind == NODE_PIPE)
			es_buf_addc(out, '(');
		gotmpl_node_text(out, c);
		if (c->kind == NODE_PIPE)
			es_buf_addc(out, ')');
	}
}

static void pipe_text(struct es_buf *out, const struct node *n)
{
	for (size_t i = 0; i < n->n_names; i++)
		es_buf_printf(out, "%s%s", i ? ", " : "", n->names[i]);
	if (n->n_names)
		es_buf_adds(out, n->assigns ? " = " : " := ");
	children_text(out, n, " | ");
}

void gotmpl_node_text(struct es_buf *out, const struct node *n)
{
	switch (n->kind) {
	case NODE_PIPE:
		pipe_text(out, n);
		break;
	case NODE_COMMAND:
		children_text(out, n, " ");
		break;
	case NODE_FIELD:
		names_text(out, n, 0);
		break;
	case NODE_VARIABLE:
		es_buf_adds(out, n->names[0]);
		names_text(out, n, 1);
		break;
	case NODE_CHAIN:
		children_text(out, n, "");
		names_text(out, n, 0);
		break;
	case NODE_DOT:
		es_buf_addc(out, '.');
		break;
	case NODE_NIL:
		es_buf_adds(out, "nil");
		break;
	case NODE_NUMBER:
	case NODE_STRING:
		es_buf_adds(out, n->source);
		break;
	case NODE_IDENT:
	case NODE_BOOL:
	case NODE_TEXT:
		es_buf_adds(out, n->text);
		break;
	case NODE_TEMPLATE:
		es_buf_printf(out, "{{template %s", n->source);
		if (n->pipe) {
			es_buf_addc(out, ' ');
			pipe_text(out, n->pipe);
		}
		es_buf_adds(out, "}}");
		break;
	default:
		es_buf_adds(out, "{{");
		if (n->pipe)
			pipe_text(out, n->pipe);
		es_buf_adds(out, "}}");
		break;
	}
}
