/* SPDX-License-Identifier: Apache-2.0 */
/* test_gotmpl.c: template, document, output; the error texts are those that Go prints. */
#include "codec/gotmpl.h"

#include "base/str.h"
#include "check.h"

static const char doc[] =
	"{\"Name\":\"/web\",\"State\":{\"Running\":true,\"Pid\":42,\"Status\":\"running\"},\"Env\":[\"A=1\",\"B=2\"],"
	"\"Labels\":{\"b\":\"2\",\"a\":\"1\"},\"Nets\":{\"x\":{\"IP\":\"10.0.0.2\"},\"w\":{\"IP\":\"10.0.0.1\"}},\"None\":null,"
	"\"Big\":18446744073709551615,\"Half\":0.5,\"Million\":1000000,\"Empty\":\"\",\"List\":[{\"A\":1},{\"A\":2}],"
	"\"Html\":\"<a & 'b'>\"}";

/* Parse and run; *RET is the output or the error's text (heap). */
static bool run(const char *text, const struct gotmpl_env *env, const char *data, char **ret)
{
	es_autoarena *a = arena_new();
	es_autobuf out = ES_BUF(100000);
	es_autoerr es_err *err = NULL;
	struct gotmpl *t;
	struct json *v;

	CHECK_OK(json_parse(a, data, strlen(data), &v));
	err = gotmpl_parse(a, "", text, strlen(text), &t);
	if (!err)
		err = gotmpl_exec(t, env, v, &out);
	*ret = es_xstrdup(err ? es_err_text(err) : es_buf_str(&out));
	return !err;
}

static const struct gotmpl_env raw = { .flags = GOTMPL_MISSING_KEY_ERROR };

static void output_rows(void)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "{{.Name}}", "/web" },
		{ "a {{- .Name -}} b", "a/webb" },
		{ "{{/* c */}}x{{- /* d */ -}} y", "xy" },
		{ "{{.State.Running}} {{.State.Pid}}", "true 42" },
		{ "{{.Env}} {{.Labels}} {{.List}}", "[A=1 B=2] map[a:1 b:2] [map[A:1] map[A:2]]" },
		{ "{{.None}} {{.Big}} {{.Half}} {{.Million}}", "<no value> 18446744073709551615 0.5 1000000" },
		{ "{{json .Nets}}", "{\"w\":{\"IP\":\"10.0.0.1\"},\"x\":{\"IP\":\"10.0.0.2\"}}" },
		{ "{{json .Html}}", "\"<a & 'b'>\"" },
		{ "{{range .Env}}{{println .}}{{end}}", "A=1\nB=2\n" },
		{ "{{range $i, $e := .Env}}{{$i}}:{{$e}};{{end}}", "0:A=1;1:B=2;" },
		{ "{{range $k, $v := .Nets}}{{$k}}={{$v.IP}} {{end}}", "w=10.0.0.1 x=10.0.0.2 " },
		{ "{{range $e := .Env}}{{$e}}{{end}}", "A=1B=2" },
		{ "{{range .None}}x{{else}}nothing{{end}}", "nothing" },
		{ "{{range .List}}{{if eq .A 2}}{{break}}{{end}}{{.A}}{{end}}", "1" },
		{ "{{range .List}}{{if eq .A 1}}{{continue}}{{end}}{{.A}}{{end}}", "2" },
		{ "{{if .Empty}}a{{else if .Name}}b{{else}}c{{end}}", "b" },
		{ "{{if and .Name .Env}}both{{end}}{{if or .Empty .None}}x{{else}}none{{end}}", "bothnone" },
		{ "{{with .State}}{{.Status}}{{else}}no{{end}}", "running" },
		{ "{{with .Empty}}x{{else with .Name}}{{.}}{{end}}", "/web" },
		{ "{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2" },
		{ "{{$x := .State}}{{$x.Pid}} {{$.Name}}", "42 /web" },
		{ "{{(index .List 1).A}} {{index .Labels \"b\"}} {{index .Env 0}}", "2 2 A=1" },
		{ "{{index .Labels \"none\"}}|{{index .Nets \"x\" \"IP\"}}", "<no value>|10.0.0.2" },
		{ "{{slice .Name 1}} {{slice .Env 1 2}}", "web [B=2]" },
		{ "{{len .Env}} {{len .Name}} {{len .Labels}}", "2 4 2" },
		{ "{{.Name | printf \"%q\"}} {{printf \"%s-%d\" .Name 5}}", "\"/web\" /web-5" },
		{ "{{printf \"%-6s|%6s|%06d|%x|%X|%t|%v\" \"a\" \"b\" 42 255 \"hi\" true .Env}}",
		  "a     |     b|000042|ff|6869|true|[A=1 B=2]" },
		{ "{{printf \"%d %s %d\" \"x\" 5}}", "%!d(string=x) %!s(int=5) %!d(MISSING)" },
		{ "{{printf \"%v\" 1 2}}", "1%!(EXTRA int=2)" },
		{ "{{printf \"%.2f %5.1f %e\" 3.14159 2.0 1500.0}}", "3.14   2.0 1.500000e+03" },
		{ "{{printf \"%q\" .Env}} {{printf \"%T\" 1}} {{printf \"100%%\"}}", "[\"A=1\" \"B=2\"] int 100%" },
		{ "{{printf \"%c%U\" 'A' 233}}", "AU+00E9" },
		{ "{{print 1 2 \"a\" .Name}}", "1 2a/web" },
		{ "{{println 1 \"a\"}}", "1 a\n" },
		{ "{{upper .Name}} {{title \"a b-c_d\"}} {{lower \"AB\"}}", "/WEB A B-C_d ab" },
		{ "{{join (split \"a,b,c\" \",\") \"+\"}} {{join .Labels \",\"}}", "a+b+c 1,2" },
		{ "{{range split \"abc\" \"\"}}[{{.}}]{{end}}{{len (split \"\" \"x\")}}", "[a][b][c]1" },
		{ "{{pad .Name 1 2}}|{{pad .Empty 1 2}}|{{truncate .Name 2}}|{{truncate .Name 9}}", " /web  ||/w|/web" },
		{ "{{eq 1 2 1}} {{ne \"a\" \"b\"}} {{lt 1 2}} {{le 2 2}} {{gt \"b\" \"a\"}} {{ge 1 2}}",
		  "true true true true true false" },
		{ "{{eq .State.Pid 42}} {{eq .None nil}} {{not .Empty}}", "true true true" },
		{ "{{html .Html}} {{js .Html}} {{urlquery \"a b/c\"}}",
		  "&lt;a &amp; &#39;b&#39;&gt; \\u003Ca \\u0026 \\'b\\'\\u003E a+b%2Fc" },
		{ "{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .Name}}{{template \"t\"}}", "</web><<no value>>" },
		{ "{{block \"b\" .State}}{{.Pid}}{{end}}", "42" },
		{ "{{`raw \\n`}} {{\"esc\\t\\x41\\u00e9\"}} {{'a'}} {{0x10}} {{1_000}} {{0b11}} {{0o17}} {{1.5e3}} {{-2}}",
		  "raw \\n esc\tA\xc3\xa9 97 16 1000 3 15 1500 -2" },
		{ "{{1e6}} {{123456.0}} {{0.00001}}", "1e+06 123456 1e-05" },
		{ "{{and 0 (index .Env 99)}}{{or 1 (index .Env 99)}}", "01" },
		{ "{{if eq .State.Status \"running\"}}R{{end}}", "R" },
		{ "{{ .Name\n}}", "/web" },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autofree char *got = NULL;

		run(rows[i].in, &raw, doc, &got);
		if (strcmp(got, rows[i].out) != 0)
			print_message("template: %s\n", rows[i].in);
		CHECK_STR(got, rows[i].out);
	}
}

static void error_rows(void)
{
	static const struct {
		const char *in, *err;
	} rows[] = {
		{ "{{.Name", "template: :1: unclosed action" },
		{ "{{if}}", "template: :1: missing value for if" },
		{ "{{range}}", "template: :1: missing value for range" },
		{ "{{}}", "template: :1: missing value for command" },
		{ "{{nosuch .}}", "template: :1: function \"nosuch\" not defined" },
		{ "{{end}}", "template: :1: unexpected {{end}}" },
		{ "{{else}}", "template: :1: unexpected {{else}}" },
		{ "{{if .A}}", "template: :1: unexpected EOF" },
		{ "a\n{{if .A}}\nb", "template: :3: unexpected EOF" },
		{ "{{\"a}}", "template: :1: unterminated quoted string" },
		{ "{{(.A}}", "template: :1: unclosed left paren" },
		{ "{{.A)}}", "template: :1: unexpected right paren" },
		{ "{{$x}}", "template: :1: undefined variable \"$x\"" },
		{ "{{break}}", "template: :1: {{break}} outside {{range}}" },
		{ "{{1 | 2}}", "template: :1: non executable command in pipeline stage 2" },
		{ "{{.A!}}", "template: :1: bad character U+0021 '!'" },
		{ "{{.A ,}}", "template: :1: unexpected \",\" in operand" },
		{ "{{if .A}}{{else}}{{else}}{{end}}", "template: :1: expected end; found {{else}}" },
		{ "{{/* a", "template: :1: unclosed comment" },
		{ "{{template x}}", "template: :1: unexpected \"x\" in template clause" },
		{ "{{range $i, 3}}{{end}}", "template: :1: range can only initialize variables" },
		{ "{{12x}}", "template: :1: bad number syntax: \"12x\"" },
		{ "{{nil}}", "template: :1:2: executing \"\" at <nil>: nil is not a command" },
		{ "{{.Nosuch}}", "template: :1:2: executing \"\" at <.Nosuch>: map has no entry for key \"Nosuch\"" },
		{ "{{.State.Health.Status}}",
		  "template: :1:8: executing \"\" at <.State.Health.Status>: map has no entry for key \"Health\"" },
		{ "{{.None.X}}", "template: :1:7: executing \"\" at <.None.X>: nil pointer evaluating interface {}.X" },
		{ "{{.Name.X}}", "template: :1:7: executing \"\" at <.Name.X>: can't evaluate field X in type interface {}" },
		{ "a\nb{{index .Env 9}}", "template: :2:3: executing \"\" at <index .Env 9>: error calling index: index out of range: 9" },
		{ "{{index (split .Name \"_\") 1}}", "template: :1:2: executing \"\" at <index (split .Name \"_\") 1>: error "
						    "calling index: reflect: slice index out of range" },
		{ "{{template \"x\"}}", "template: :1:11: executing \"\" at <{{template \"x\"}}>: template \"x\" not defined" },
		{ "{{printf}}", "template: :1:2: executing \"\" at <printf>: wrong number of args for printf: want at least 1 got 0" },
		{ "{{len 1 2}}", "template: :1:2: executing \"\" at <len>: wrong number of args for len: want 1 got 2" },
		{ "{{upper 5}}", "template: :1:8: executing \"\" at <5>: expected string; found 5" },
		{ "{{upper .Env}}",
		  "template: :1:8: executing \"\" at <.Env>: wrong type for value; expected string; got []interface {}" },
		{ "{{eq 1 \"a\"}}",
		  "template: :1:2: executing \"\" at <eq 1 \"a\">: error calling eq: incompatible types for comparison" },
		{ "{{range .Name}}{{end}}", "template: :1:8: executing \"\" at <.Name>: range can't iterate over /web" },
		{ "{{define \"t\"}}{{template \"t\"}}{{end}}{{template \"t\"}}",
		  "template: :1:25: executing \"t\" at <{{template \"t\"}}>: exceeded maximum template depth (100)" },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autofree char *got = NULL;

		CHECK(!run(rows[i].in, &raw, doc, &got));
		CHECK_STR(got, rows[i].err);
	}
}

/* Typed documents */

struct health {
	char **test;
	int64_t interval;
	int64_t retries;
};
static const struct field health_rows[] = {
	F_STRV(struct health, test, "Test", FIELD_OMIT_EMPTY),
	F_I64(struct health, interval, "Interval", FIELD_OMIT_EMPTY | FIELD_DURATION),
	F_I64(struct health, retries, "Retries", FIELD_OMIT_EMPTY),
	F_END,
};
struct config {
	const char *image;
	struct field_map *labels, *ports;
	struct health *health;
	struct field_map *bindings;
};
static const struct field config_rows[] = {
	F_STR(struct config, image, "Image", 0),
	F_STR_MAP(struct config, labels, "Labels", 0),
	F_SET(struct config, ports, "Ports", 0),
	F_PTR(struct config, health, "Healthcheck", FIELD_OMIT_EMPTY, struct health, health_rows),
	F_LIST_MAP(struct config, bindings, "Bindings", 0, struct health, health_rows),
	F_END,
};
static const struct gotmpl_type config_type = { .name = "*container.Config", .rows = config_rows };

static void typed_rows(void)
{
	static const char data[] = "{\"Image\":\"x\",\"Labels\":{\"a\":\"1\"},\"Ports\":{\"80/tcp\":{}},"
				   "\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"true\"],\"Interval\":3600000000000},"
				   "\"Bindings\":{\"80\":[{\"Retries\":3}],\"81\":null}}";
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "{{.Healthcheck}}", "{[CMD-SHELL true] 1h0m0s 0}" },
		{ "{{.Labels.none}}|{{index .Labels \"none\"}}|{{.Labels}}", "<no value>||map[a:1]" },
		{ "{{.Ports}}", "map[80/tcp:{}]" },
		{ "{{(index .Bindings \"80\" 0).Retries}} {{.Bindings}}", "3 map[80:[{[] 0s 3}] 81:[]]" },
		{ "{{.image}}", "x" },
		{ "{{.Nosuch}}",
		  "template: :1:2: executing \"\" at <.Nosuch>: can't evaluate field Nosuch in type *container.Config" },
		{ "{{.Image.X}}", "template: :1:8: executing \"\" at <.Image.X>: can't evaluate field X in type string" },
		{ "{{.Healthcheck.X}}",
		  "template: :1:14: executing \"\" at <.Healthcheck.X>: can't evaluate field X in type struct" },
	};
	const struct gotmpl_env env = { .type = &config_type };

	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autofree char *got = NULL;

		run(rows[i].in, &env, data, &got);
		CHECK_STR(got, rows[i].out);
	}
}

static es_err *label(void *self, struct arena *a, const struct json *object, const struct json *const *args,
		     struct json **ret)
{
	*ret = json_new_str(a, str_eq(json_str(args[0]), "a") ? "one" : "");
	return NULL;
}

static void methods(void)
{
	static const struct gotmpl_method list[] = { { "Label", 1, label }, { 0 } };
	static const struct gotmpl_type type = { .name = "*formatter.ContainerContext", .methods = list };
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "{{.Names}} {{.Label \"a\"}}|{{.Label \"b\"}}|{{\"a\" | .Label}}", "web one||one" },
		{ "{{.Label}}", "template: :1:2: executing \"\" at <.Label>: wrong number of args for Label: want 1 got 0" },
		{ "{{.Nosuch}}", "template: :1:2: executing \"\" at <.Nosuch>: can't evaluate field Nosuch in type "
				 "*formatter.ContainerContext" },
		{ "{{.Names 1}}",
		  "template: :1:2: executing \"\" at <.Names>: Names has arguments but cannot be invoked as function" },
		{ "{{json .}}", "{\"Names\":\"web\"}" },
	};
	const struct gotmpl_env env = { .type = &type };

	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autofree char *got = NULL;

		run(rows[i].in, &env, "{\"Names\":\"web\"}", &got);
		CHECK_STR(got, rows[i].out);
	}
}

static void flags(void)
{
	const struct gotmpl_env floats = { .flags = GOTMPL_FLOATS }, header = { .flags = GOTMPL_HEADER };
	es_autofree char *one = NULL, *two = NULL, *three = NULL;
	es_autoarena *a = arena_new();
	struct gotmpl *t;

	CHECK(run("{{.Million}} {{.Half}} {{.Nosuch}} {{.Nosuch.X}}", &floats, doc, &one));
	CHECK_STR(one, "1e+06 0.5 <no value> <no value>");
	CHECK(run("{{upper .n}} {{join (split .n \"a\") \"x\"}} {{truncate .n 1}} {{json .n}}", &header, "{\"n\":\"name\"}", &two));
	CHECK_STR(two, "name name name name");
	CHECK(run("{{.a}}", NULL, "{}", &three));
	CHECK_STR(three, "<no value>");
	CHECK_OK(gotmpl_parse(a, "", "{{if .A}}{{(index . 1).Size}}{{end}}", 36, &t));
	CHECK(gotmpl_mentions(t, "Size") && gotmpl_mentions(t, "A") && !gotmpl_mentions(t, "B"));
}

CHECK_MAIN(TEST(output_rows), TEST(error_rows), TEST(typed_rows), TEST(methods), TEST(flags))
