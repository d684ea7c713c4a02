/* SPDX-License-Identifier: Apache-2.0 */
/* gotmpl_exec.c: walks a template's tree over a document. */
#include "base/str.h"
#include "codec/gotmpl_priv.h"

es_err *exec_error(struct exec *x, const char *fmt, ...)
{
	es_autobuf place = ES_BUF(1000), node = ES_BUF(100000);
	es_autofree char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = es_xvasprintf(fmt, ap);
	va_end(ap);
	gotmpl_place(x->t, x->at->pos, &place);
	gotmpl_node_text(&node, x->at);
	return es_err_new(ES_E_INVALID, "template: %s: executing \"%s\" at <%s>: %s", es_buf_str(&place), x->executing,
			  es_buf_str(&node), text);
}

static es_err *eval_pipe(struct exec *x, const struct val *dot, const struct node *pipe, struct val *ret);

/* Variables */

static void push_var(struct exec *x, const char *name, const struct val *v)
{
	if (x->n_vars == x->cap_vars) {
		x->cap_vars = x->cap_vars ? x->cap_vars * 2 : 16;
		x->vars = es_xrealloc(x->vars, x->cap_vars * sizeof *x->vars);
	}
	x->vars[x->n_vars++] = (struct var){.name = name, .v = *v};
}

static struct var *find_var(struct exec *x, const char *name)
{
	for (size_t i = x->n_vars; i-- > 0;)
		if (str_eq(x->vars[i].name, name))
			return &x->vars[i];
	return NULL;
}

/* Fields */

static const struct gotmpl_method *find_method(const struct val *v, const char *name)
{
	const struct gotmpl_method *m = v->kind == VAL_STRUCT && v->type ? v->type->methods : NULL;

	for (; m && m->name; m++)
		if (str_eq(m->name, name))
			return m;
	return NULL;
}

static es_err *call_method(struct exec *x, const struct val *on, const struct gotmpl_method *m, const struct val *args,
			   size_t n, struct val *ret)
{
	const struct json **values = ARENA_ARRAY(x->a, const struct json *, n + 1);
	es_autoerr es_err *err = NULL;
	struct json *got = NULL;

	if (n != m->n_args)
		return exec_error(x, "wrong number of args for %s: want %zu got %zu", m->name, m->n_args, n);
	for (size_t i = 0; i < n; i++) {
		if (args[i].kind == VAL_STR) {
			values[i] = json_new_strn(x->a, args[i].s, args[i].len);
		} else if (args[i].kind == VAL_INT) {
			values[i] = json_new_i64(x->a, args[i].i);
		} else {
			return exec_error(x, "wrong type for value; expected string; got %s",
					  val_type_name(x, &args[i]));
		}
	}
	err = m->call(x->env->self, x->a, on->j, values, &got);
	if (err)
		return exec_error(x, "error calling %s: %s", m->name, es_err_text(err));
	*ret = val_json(x, got);
	return NULL;
}

/* The member of a struct: a row decides what it is and that it is there even when the document leaves it out. */
static bool struct_member(struct exec *x, const struct val *v, const char *name, struct val *ret)
{
	const struct field *row;
	struct val of = {.kind = VAL_STRUCT};
	struct json *member;

	if (!v->rows) {
		member = json_get(v->j, name);
		if (member)
			*ret = val_json(x, member);
		return member != NULL;
	}
	row = field_find(v->rows, name);
	if (!row)
		return false;
	of.row = row;
	*ret = val_child(x, &of, json_get(v->j, row->name));
	return true;
}

static es_err *eval_field(struct exec *x, const struct val *on, const char *name, const struct val *args, size_t n,
			  bool has_args, struct val *ret)
{
	const struct gotmpl_method *m = find_method(on, name);
	struct json *member;

	if (m)
		return call_method(x, on, m, args, n, ret);
	switch (on->kind) {
	case VAL_NONE:
		if (x->env->flags & GOTMPL_MISSING_KEY_ERROR)
			return exec_error(x, "nil data; no entry for key \"%s\"", name);
		*ret = (struct val){.kind = VAL_NONE};
		return NULL;
	case VAL_NIL:
		return exec_error(x, "nil pointer evaluating %s.%s", val_type_name(x, on), name);
	case VAL_STRUCT:
		if (!struct_member(x, on, name, ret))
			break;
		return has_args ? exec_error(x, "%s has arguments but cannot be invoked as function", name) : NULL;
	case VAL_MAP:
		if (has_args)
			return exec_error(x, "%s is not a method but has arguments", name);
		member = on->j ? json_get(on->j, name) : NULL;
		if (member)
			*ret = val_child(x, on, member);
		else if (x->env->flags & GOTMPL_MISSING_KEY_ERROR)
			return exec_error(x, "map has no entry for key \"%s\"", name);
		else
			*ret = (struct val){.kind = VAL_NONE};
		return NULL;
	default:
		break;
	}
	return exec_error(x, "can't evaluate field %s in type %s", name,
			  on->untyped ? "interface {}" : val_type_name(x, on));
}

/* NAMES from index FROM on, one inside the other; the arguments belong to the last. */
static es_err *eval_chain(struct exec *x, const struct val *start, const struct node *n, size_t from,
			  const struct val *args, size_t n_args, bool has_args, struct val *ret)
{
	struct val v = *start;

	x->at = n;
	for (size_t i = from; i < n->n_names; i++) {
		bool last = i + 1 == n->n_names;
		struct val inner;

		ES_TRY(eval_field(x, &v, n->names[i], last ? args : NULL, last ? n_args : 0, last && has_args, &inner));
		v = inner;
	}
	*ret = v;
	return NULL;
}

/* Operands */

static struct val literal(const struct node *n)
{
	struct val v = {0};
	char *end;

	switch (n->kind) {
	case NODE_BOOL:
		return val_bool(n->text[0] == 't');
	case NODE_STRING:
		return val_str(n->text, n->len);
	case NODE_NUMBER:
		errno = 0;
		v = val_int(strtoll(n->text, &end, 0));
		if (*end || errno) {
			v.kind = VAL_FLOAT;
			v.f = strtod(n->text, NULL);
		}
		return v;
	default:
		v.kind = VAL_NIL;
		return v;
	}
}

static es_err *eval_operand(struct exec *x, const struct val *dot, const struct node *n, struct val *ret)
{
	struct var *var;
	struct val v;

	switch (n->kind) {
	case NODE_DOT:
		*ret = *dot;
		return NULL;
	case NODE_FIELD:
		return eval_chain(x, dot, n, 0, NULL, 0, false, ret);
	case NODE_VARIABLE:
		var = find_var(x, n->names[0]);
		if (!var) {
			x->at = n;
			return exec_error(x, "undefined variable: %s", n->names[0]);
		}
		v = var->v;
		return eval_chain(x, &v, n, 1, NULL, 0, false, ret);
	case NODE_PIPE:
		return eval_pipe(x, dot, n, ret);
	case NODE_CHAIN:
		ES_TRY(eval_operand(x, dot, n->first, &v));
		return eval_chain(x, &v, n, 0, NULL, 0, false, ret);
	case NODE_IDENT: {
		struct node call = {.kind = NODE_COMMAND, .pos = n->pos, .first = (struct node *)n, .n = 1};
		struct node alone = *n, pipe = {.kind = NODE_PIPE, .pos = n->pos, .first = &call, .n = 1};

		alone.next = NULL;
		call.first = &alone;
		x->at = n;
		ES_TRY(eval_pipe(x, dot, &pipe, ret));
		x->at = n;
		return NULL;
	}
	default:
		*ret = literal(n);
		return NULL;
	}
}

/* Calls */

static char wants(const struct gotmpl_func *f, size_t i)
{
	size_t n = strlen(f->signature);

	if (n && f->signature[n - 1] == '*')
		return f->signature[i < n - 1 ? i : n - 2];
	return f->signature[i];
}

static es_err *check_count(struct exec *x, const struct gotmpl_func *f, size_t n)
{
	size_t want = strlen(f->signature);
	bool variadic = want && f->signature[want - 1] == '*';

	if (variadic ? n + 2 < want : n != want)
		return exec_error(x, "wrong number of args for %s: want %s%zu got %zu", f->name,
				  variadic ? "at least " : "", variadic ? want - 2 : want, n);
	return NULL;
}

/* NODE is the argument, NULL for the value that came through the pipe. */
static es_err *check_arg(struct exec *x, const struct gotmpl_func *f, size_t i, const struct node *node, struct val *v)
{
	char want = wants(f, i);
	const char *name = want == 's' ? "string" : "int";

	if (want == 'v' || (want == 's' && v->kind == VAL_STR) || (want == 'i' && v->kind == VAL_INT))
		return NULL;
	if (node)
		x->at = node;
	if (node && (node->kind == NODE_NUMBER || node->kind == NODE_BOOL || node->kind == NODE_STRING))
		return exec_error(x, "expected %s; found %s", want == 's' ? "string" : "integer",
				  node->source ? node->source : node->text);
	if (v->kind == VAL_NONE || v->kind == VAL_NIL)
		return exec_error(x, "invalid value; expected %s", name);
	return exec_error(x, "wrong type for value; expected %s; got %s", name, val_type_name(x, v));
}

/* Go's and/or look at no argument behind the one that decides. */
static es_err *call_and_or(struct exec *x, const struct val *dot, const struct node *args, bool is_or,
			   const struct val *final, struct val *ret)
{
	for (; args; args = args->next) {
		ES_TRY(eval_operand(x, dot, args, ret));
		if (val_truth(ret) == is_or)
			return NULL;
	}
	if (final)
		*ret = *final;
	return NULL;
}

static es_err *call_function(struct exec *x, const struct val *dot, const struct node *cmd, const struct val *final,
			     struct val *ret)
{
	const struct node *name = cmd->first;
	const struct gotmpl_func *f = gotmpl_func_find(name->text);
	size_t n = cmd->n - 1 + (final != NULL), i = 0;
	struct val *args = ARENA_ARRAY(x->a, struct val, n + 1);
	es_autoerr es_err *err = NULL;

	x->at = name;
	ES_TRY(check_count(x, f, n));
	if (str_eq(f->name, "and") || str_eq(f->name, "or"))
		return call_and_or(x, dot, name->next, f->name[0] == 'o', final, ret);
	for (const struct node *arg = name->next; arg; arg = arg->next, i++) {
		x->at = arg;
		ES_TRY(eval_operand(x, dot, arg, &args[i]));
		ES_TRY(check_arg(x, f, i, arg, &args[i]));
	}
	x->at = cmd;
	if (final) {
		args[i] = *final;
		ES_TRY(check_arg(x, f, i, NULL, &args[i]));
	}
	err = f->call(x, args, n, ret);
	return err ? exec_error(x, "error calling %s: %s", f->name, es_err_text(err)) : NULL;
}

/* A field, variable or chain, perhaps a method with arguments. */
static es_err *call_field(struct exec *x, const struct val *dot, const struct node *cmd, const struct val *final,
			  struct val *ret)
{
	const struct node *what = cmd->first;
	size_t n = cmd->n - 1 + (final != NULL), i = 0, from = what->kind == NODE_VARIABLE;
	struct val *args = ARENA_ARRAY(x->a, struct val, n + 1), start = *dot;

	if (what->kind == NODE_VARIABLE) {
		struct var *var = find_var(x, what->names[0]);

		x->at = what;
		if (!var)
			return exec_error(x, "undefined variable: %s", what->names[0]);
		if (n && what->n_names == 1)
			return exec_error(x, "can't give argument to non-function %s", what->names[0]);
		start = var->v;
	} else if (what->kind == NODE_CHAIN) {
		ES_TRY(eval_operand(x, dot, what->first, &start));
	}
	for (const struct node *arg = what->next; arg; arg = arg->next)
		ES_TRY(eval_operand(x, dot, arg, &args[i++]));
	if (final)
		args[i] = *final;
	return eval_chain(x, &start, what, from, args, n, n > 0, ret);
}

static es_err *eval_command(struct exec *x, const struct val *dot, const struct node *cmd, const struct val *final,
			    struct val *ret)
{
	const struct node *first = cmd->first;

	switch (first->kind) {
	case NODE_FIELD:
	case NODE_VARIABLE:
	case NODE_CHAIN:
		return call_field(x, dot, cmd, final, ret);
	case NODE_IDENT:
		return call_function(x, dot, cmd, final, ret);
	default:
		break;
	}
	x->at = first;
	if (first->next || final) {
		es_autobuf text = ES_BUF(1000);

		gotmpl_node_text(&text, first);
		return exec_error(x, "can't give argument to non-function %s", es_buf_str(&text));
	}
	if (first->kind == NODE_NIL)
		return exec_error(x, "nil is not a command");
	return eval_operand(x, dot, first, ret);
}

static es_err *eval_pipe(struct exec *x, const struct val *dot, const struct node *pipe, struct val *ret)
{
	struct val v = {0}, before;

	x->at = pipe;
	for (const struct node *cmd = pipe->first; cmd; cmd = cmd->next) {
		before = v;
		ES_TRY(eval_command(x, dot, cmd, cmd == pipe->first ? NULL : &before, &v));
		if (v.kind == VAL_NIL && v.untyped && !(x->env->flags & GOTMPL_POINTERS))
			v.kind = VAL_NONE; /* Go: the value inside an interface, of which there is none */
	}
	for (size_t i = 0; i < pipe->n_names; i++) {
		struct var *var = pipe->assigns ? find_var(x, pipe->names[i]) : NULL;

		if (pipe->assigns && !var)
			return exec_error(x, "undefined variable: %s", pipe->names[i]);
		if (var)
			var->v = v;
		else
			push_var(x, pipe->names[i], &v);
	}
	*ret = v;
	return NULL;
}

/* Actions */

static es_err *walk(struct exec *x, const struct val *dot, const struct node *list);

static es_err *walk_if_with(struct exec *x, const struct val *dot, const struct node *n)
{
	size_t vars = x->n_vars;
	es_err *err;
	struct val v;

	ES_TRY(eval_pipe(x, dot, n->pipe, &v));
	if (val_truth(&v))
		err = walk(x, n->kind == NODE_WITH ? &v : dot, n->body);
	else
		err = walk(x, dot, n->otherwise);
	x->n_vars = vars;
	return err;
}

/* One turn: INDEX is a number or a key. */
static es_err *turn(struct exec *x, const struct node *n, const struct val *index, const struct val *item)
{
	const struct node *pipe = n->pipe;
	size_t vars = x->n_vars;
	es_err *err;

	for (size_t i = 0; i < pipe->n_names; i++) {
		const struct val *v = pipe->n_names == 1 || i == 1 ? item : index;
		struct var *var = pipe->assigns ? find_var(x, pipe->names[i]) : NULL;

		if (var)
			var->v = *v;
		else
			push_var(x, pipe->names[i], v);
	}
	err = walk(x, item, n->body);
	x->n_vars = vars;
	return err;
}

static es_err *range_list(struct exec *x, const struct node *n, const struct val *v)
{
	int64_t i = 0;

	JSON_EACH (at, v->j) {
		struct val index = val_int(i++), item = val_child(x, v, at);

		ES_TRY(turn(x, n, &index, &item));
		if (x->flow == FLOW_BREAK)
			break;
		x->flow = FLOW_ON;
	}
	x->flow = FLOW_ON;
	return NULL;
}

static es_err *range_map(struct exec *x, const struct node *n, const struct val *v)
{
	const struct json **members = val_sorted(x, v->j);

	for (size_t i = 0; members[i]; i++) {
		struct val index = val_str(members[i]->key, members[i]->key_len), item = val_child(x, v, members[i]);

		ES_TRY(turn(x, n, &index, &item));
		if (x->flow == FLOW_BREAK)
			break;
		x->flow = FLOW_ON;
	}
	x->flow = FLOW_ON;
	return NULL;
}

static es_err *walk_range(struct exec *x, const struct val *dot, const struct node *n)
{
	size_t vars = x->n_vars;
	/* The names are set on each turn, not by the pipe. */
	struct node pipe = *n->pipe;
	es_err *err = NULL;
	struct val v;

	pipe.n_names = 0;
	ES_TRY(eval_pipe(x, dot, &pipe, &v));
	x->at = n;
	if ((v.kind == VAL_LIST || v.kind == VAL_MAP) && v.j && v.j->first) {
		err = v.kind == VAL_LIST ? range_list(x, n, &v) : range_map(x, n, &v);
	} else if (v.kind == VAL_LIST || v.kind == VAL_MAP || v.kind == VAL_NONE || v.kind == VAL_NIL) {
		err = walk(x, dot, n->otherwise);
	} else {
		es_autobuf text = ES_BUF((size_t)1 << 20);

		val_print(x, &text, &v, true);
		x->at = n->pipe;
		err = exec_error(x, "range can't iterate over %s", es_buf_str(&text));
	}
	x->n_vars = vars;
	return err;
}

static const struct named *find_named(const struct gotmpl *t, const char *name)
{
	for (const struct named *d = t->named; d; d = d->next)
		if (str_eq(d->name, name))
			return d;
	return NULL;
}

static es_err *walk_template(struct exec *x, const struct val *dot, const struct node *n)
{
	const struct named *d = find_named(x->t, n->text);
	struct val v = {.kind = VAL_NONE};
	struct exec inner = *x;
	es_err *err;

	x->at = n;
	if (!d)
		return exec_error(x, "template \"%s\" not defined", n->text);
	if (x->depth >= GOTMPL_DEPTH_MAX)
		return exec_error(x, "exceeded maximum template depth (%d)", GOTMPL_DEPTH_MAX);
	if (n->pipe)
		ES_TRY(eval_pipe(x, dot, n->pipe, &v));
	inner.executing = d->name;
	inner.depth++;
	inner.vars = NULL;
	inner.n_vars = inner.cap_vars = 0;
	push_var(&inner, "$", &v);
	err = walk(&inner, &v, d->body);
	free(inner.vars);
	return err;
}

static es_err *walk_action(struct exec *x, const struct val *dot, const struct node *n)
{
	struct val v;

	ES_TRY(eval_pipe(x, dot, n->pipe, &v));
	if (n->pipe->n_names == 0)
		val_print(x, x->out, &v, true);
	return es_buf_check(x->out);
}

static es_err *walk_one(struct exec *x, const struct val *dot, const struct node *n)
{
	x->at = n;
	switch (n->kind) {
	case NODE_TEXT:
		es_buf_add(x->out, n->text, n->len);
		return es_buf_check(x->out);
	case NODE_ACTION:
		return walk_action(x, dot, n);
	case NODE_IF:
	case NODE_WITH:
		return walk_if_with(x, dot, n);
	case NODE_RANGE:
		return walk_range(x, dot, n);
	case NODE_TEMPLATE:
		return walk_template(x, dot, n);
	case NODE_BREAK:
		x->flow = FLOW_BREAK;
		return NULL;
	default: /* NODE_CONTINUE */
		x->flow = FLOW_CONTINUE;
		return NULL;
	}
}

static es_err *walk(struct exec *x, const struct val *dot, const struct node *list)
{
	for (const struct node *n = list; n && x->flow == FLOW_ON; n = n->next)
		ES_TRY(walk_one(x, dot, n));
	return NULL;
}

es_err *gotmpl_exec(const struct gotmpl *t, const struct gotmpl_env *env, const struct json *data, struct es_buf *out)
{
	static const struct gotmpl_env plain = {0};
	es_autoarena *a = arena_new();
	struct exec x = {.t = t, .env = env ? env : &plain, .a = a, .out = out, .executing = t->name};
	struct val dot = val_json(&x, data);
	es_err *err;

	if (x.env->type && dot.kind == VAL_MAP) {
		dot.kind = VAL_STRUCT;
		dot.untyped = false;
		dot.type = x.env->type;
		dot.rows = x.env->type->rows;
	}
	push_var(&x, "$", &dot);
	err = walk(&x, &dot, t->body);
	free(x.vars);
	return err;
}
