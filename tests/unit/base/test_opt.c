/* SPDX-License-Identifier: Apache-2.0 */
/* test_opt.c: pflag's grammar, its error texts and docker's help layout as rows. */
#include "base/opt.h"
#include "base/str.h"

#include "check.h"

struct limits {
	int64_t memory;
};
struct values {
	bool all, yes;
	const char *name;
	int64_t last, wait_ns;
	char **env, **csv;
	uint16_t weight;
	struct limits limits;
};

static es_err *check_env(const char *text)
{
	return *text == '=' ? es_err_new(ES_E_INVALID, "invalid environment variable: %s", text) : NULL;
}

static const struct opt limit_rows[] = {
	O_BYTES(struct limits, memory, "memory", 'm', .help = "Memory limit"),
	O_END,
};
static const struct opt rows[] = {
	O_BOOL(struct values, all, "all", 'a', .help = "Show everything"),
	O_BOOL(struct values, yes, "yes", 'y', .def = "true", .help = "Say yes"),
	O_STR(struct values, name, "name", 0, .def = "x", .help = "Name of the thing"),
	O_STR(struct values, name, "label", 0, .flags = OPT_HIDDEN, .help = "Hidden"),
	O_STR(struct values, name, "old", 0, .deprecated = "use --name", .help = "Old"),
	O_I64(struct values, last, "last", 'n', .def = "-1", .help = "How many"),
	O_DURATION(struct values, wait_ns, "wait", 'w', .help = "How long"),
	O_LIST(struct values, env, "env", 'e', .check = check_env, .help = "Variables"),
	O_CSV(struct values, csv, "csv", 0, .help = "Words"),
	O_U16(struct values, weight, "weight", 0, .help = "Weight"),
	O_TABLE(struct values, limits, limit_rows),
	O_END,
};

/* Parse the words of LINE and describe what came out. */
static char *run(const char *line, enum opt_mode mode)
{
	es_autostrv argv = *line ? strv_split(line, ' ') : es_xcalloc(1, sizeof(char *));
	struct values v = { 0 };
	struct opt_result r;
	es_err *err = opt_parse(rows, &v, mode, argv, &r);
	char *out;

	if (err) {
		out = es_xstrdup(es_err_text(err));
		es_err_free(err);
	} else {
		es_autofree char *env = strv_join(v.env, "|"), *csv = strv_join(v.csv, "|"), *args = strv_join(r.args, " ");

		out = es_xasprintf("a=%d y=%d n=%s l=%lld w=%lld e=%s c=%s m=%lld %s%s[%s]", v.all, v.yes, v.name,
				   (long long)v.last, (long long)v.wait_ns, env, csv, (long long)v.limits.memory,
				   es_buf_str(&r.notes), opt_seen(&r, "last") ? "+last " : "", args);
	}
	opt_result_done(&r);
	opt_values_done(rows, &v);
	return out;
}

static void grammar(void)
{
	static const struct {
		const char *in;
		enum opt_mode mode;
		const char *want;
	} cases[] = {
		{ "", OPT_FIRST, "a=0 y=1 n=x l=-1 w=0 e= c= m=0 []" },
		{ "-ayn3 --name v", OPT_FIRST, "a=1 y=1 n=v l=3 w=0 e= c= m=0 +last []" },
		{ "--all=false --yes=0 -w=1m -m64m", OPT_FIRST, "a=0 y=0 n=x l=-1 w=60000000000 e= c= m=67108864 []" },
		{ "-eA=b -e C --csv=1,2 --csv 3", OPT_FIRST, "a=0 y=1 n=x l=-1 w=0 e=A=b|C c=1|2|3 m=0 []" },
		{ "x -a", OPT_FIRST, "a=0 y=1 n=x l=-1 w=0 e= c= m=0 [x -a]" },
		{ "x -a -", OPT_INTERSPERSED, "a=1 y=1 n=x l=-1 w=0 e= c= m=0 [x -]" },
		{ "x -- -a", OPT_INTERSPERSED, "a=0 y=1 n=x l=-1 w=0 e= c= m=0 [x -a]" },
		{ "--last -- -a", OPT_FIRST, "invalid argument \"--\" for \"-n, --last\" flag: strconv.ParseInt: parsing \"--\": invalid syntax" },
		{ "--old z", OPT_FIRST, "a=0 y=1 n=z l=-1 w=0 e= c= m=0 Flag --old has been deprecated, use --name\n[]" },
		{ "--label z", OPT_FIRST, "a=0 y=1 n=z l=-1 w=0 e= c= m=0 []" },
		{ "--nosuch", OPT_FIRST, "unknown flag: --nosuch" },
		{ "--nosuch=3", OPT_FIRST, "unknown flag: --nosuch" },
		{ "-axy", OPT_FIRST, "unknown shorthand flag: 'x' in -xy" },
		{ "--name", OPT_FIRST, "flag needs an argument: --name" },
		{ "-n", OPT_FIRST, "flag needs an argument: 'n' in -n" },
		{ "--=x", OPT_FIRST, "bad flag syntax: --=x" },
		{ "--all=maybe", OPT_FIRST, "invalid argument \"maybe\" for \"-a, --all\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax" },
		{ "-m x", OPT_FIRST, "invalid argument \"x\" for \"-m, --memory\" flag: invalid size: 'x'" },
		{ "--weight 70000", OPT_FIRST, "invalid argument \"70000\" for \"--weight\" flag: strconv.ParseUint: parsing \"70000\": value out of range" },
		{ "-e =x", OPT_FIRST, "invalid argument \"=x\" for \"-e, --env\" flag: invalid environment variable: =x" },
	};
	for (size_t i = 0; i < ES_N(cases); i++) {
		es_autofree char *got = run(cases[i].in, cases[i].mode);

		CHECK_STR(got, cases[i].want);
	}
}

static void help_layout(void)
{
	static const struct opt few[] = {
		O_BOOL(struct values, all, "all", 'a', .help = "Show all of them, also those that are not running any more, as long as they are known"),
		O_STR(struct values, name, "name", 0, .def = "x", .help = "Name"),
		O_I64(struct values, last, "last", 'n', .def = "-1", .help = "How many"),
		O_END,
	};
	es_autobuf out = ES_BUF(4096);

	opt_help(few, 80, &out);
	CHECK_STR(es_buf_str(&out), "  -a, --all           Show all of them, also those that are not running\n"
				    "                      any more, as long as they are known\n"
				    "  -n, --last int      How many (default -1)\n"
				    "      --name string   Name (default \"x\")\n");
}

static void set_by_name(void)
{
	struct values v = { 0 };

	CHECK_OK(opt_set(rows, &v, "memory", "1k"));
	CHECK_INT(v.limits.memory, 1024);
	CHECK_ERR(opt_set(rows, &v, "nosuch", "1"), "unknown flag: --nosuch");
	CHECK_ERR(opt_set(rows, &v, "last", "q"), "for \"-n, --last\" flag");
}

CHECK_MAIN(TEST(grammar), TEST(help_layout), TEST(set_by_name))
