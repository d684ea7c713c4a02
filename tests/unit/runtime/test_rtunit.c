/* SPDX-License-Identifier: Apache-2.0 */
/* test_rtunit.c: scope names, limits as unit properties of both cgroup versions, values in text form. */
#include "runtime/rtunit.h"

#include "base/buf.h"
#include "base/str.h"
#include "check.h"

static void names(void)
{
	static const struct {
		const char *path, *slice, *unit; /* UNIT NULL: refused */
		bool user;
	} rows[] = {
		{ "system.slice:crio:abc", "system.slice", "crio-abc.scope", false },
		{ ":docker:abc", "system.slice", "docker-abc.scope", false },
		{ ":docker:abc", "user.slice", "docker-abc.scope", true },
		{ "user.slice::abc", "user.slice", "abc.scope", true },
		{ "x.slice:p:", "x.slice", "p-ID.scope", false },
		{ "", "system.slice", "estiba-ID.scope", false },
		{ NULL, "user.slice", "estiba-ID.scope", true },
		{ "/a/b", NULL, NULL, false },
		{ "a:b", NULL, NULL, false },
		{ "a:b:c:d", NULL, NULL, false },
		{ "notaslice:b:c", NULL, NULL, false },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		struct scope_request r = { 0 };
		es_autoerr es_err *err = rtunit_parse(a, rows[i].path, "ID", rows[i].user, &r);

		CHECK_INT(err != NULL, rows[i].unit == NULL);
		if (err)
			continue;
		CHECK_STR(r.slice, rows[i].slice);
		CHECK_STR(r.unit, rows[i].unit);
	}
}

/* "NAME=TYPE:a,b NAME=…" of what was asked for. */
static char *text_of(const struct scope_request *r)
{
	es_autobuf b = ES_BUF(64 << 10);

	FIELD_LIST_EACH(const struct scope_property, p, &r->properties) {
		es_autofree char *values = strv_join(p->values, ",");

		es_buf_printf(&b, "%s%s=%s:%s", b.len ? " " : "", p->name, p->type, values ? values : "");
	}
	return es_xstrdup(es_buf_str(&b));
}

static void limits(void)
{
	static const struct {
		const char *json, *v2, *v1; /* NULL: refused */
	} rows[] = {
		{ "{}", "", "" },
		{ "{\"memory\":{\"limit\":1000,\"swap\":3000,\"reservation\":500}}", "MemoryMax=t:1000 MemoryLow=t:500 MemorySwapMax=t:2000",
		  "MemoryLimit=t:1000" },
		{ "{\"memory\":{\"limit\":-1}}", "MemoryMax=t:18446744073709551615 MemorySwapMax=t:18446744073709551615",
		  "MemoryLimit=t:18446744073709551615" },
		{ "{\"cpu\":{\"shares\":1024}}", "CPUWeight=t:39", "CPUShares=t:1024" },
		{ "{\"cpu\":{\"idle\":1}}", "CPUWeight=t:0", "" },
		{ "{\"cpu\":{\"quota\":12345,\"period\":100000}}", "CPUQuotaPeriodUSec=t:100000 CPUQuotaPerSecUSec=t:130000",
		  "CPUQuotaPeriodUSec=t:100000 CPUQuotaPerSecUSec=t:130000" },
		{ "{\"cpu\":{\"quota\":-1}}", "CPUQuotaPerSecUSec=t:18446744073709551615", "CPUQuotaPerSecUSec=t:18446744073709551615" },
		{ "{\"cpu\":{\"cpus\":\"0-2,9\",\"mems\":\"0\"}}", "AllowedCPUs=ay:7,2 AllowedMemoryNodes=ay:1", "" },
		{ "{\"cpu\":{\"cpus\":\"3-1\"}}", NULL, "" },
		{ "{\"pids\":{\"limit\":10}}", "TasksMax=t:10", "TasksMax=t:10" },
		{ "{\"pids\":{\"limit\":-1}}", "TasksMax=t:18446744073709551615", "TasksMax=t:18446744073709551615" },
		{ "{\"blockIO\":{\"weight\":1000}}", "IOWeight=t:10000", "BlockIOWeight=t:1000" },
		{ "{\"unified\":{\"cpu.max\":\"50000 100000\",\"memory.high\":\"max\",\"pids.max\":\"7\",\"io.max\":\"x\"}}",
		  "CPUQuotaPeriodUSec=t:100000 CPUQuotaPerSecUSec=t:500000 MemoryHigh=t:18446744073709551615 TasksMax=t:7", "" },
		{ "{\"unified\":{\"memory.max\":\"much\"}}", NULL, "" },
		{ "{\"pids\":{\"limit\":10},\"unified\":{\"pids.max\":\"7\"}}", "TasksMax=t:7", "TasksMax=t:10" },
	};

	for (size_t i = 0; i < ES_N(rows); i++)
		for (int v2 = 0; v2 < 2; v2++) {
			es_autoarena *a = arena_new();
			const char *want = v2 ? rows[i].v2 : rows[i].v1;
			struct oci_resources r = { 0 };
			struct scope_request out = { 0 };
			es_autofree char *text = NULL;

			CHECK_OK(field_decode_text(a, oci_resources_fields, rows[i].json, strlen(rows[i].json), &r));
			es_autoerr es_err *err = rtunit_limits(a, &r, v2, &out);
			CHECK_INT(err != NULL, want == NULL);
			if (err)
				continue;
			text = text_of(&out);
			CHECK_STR(text, want);
		}
}

static void devices(void)
{
	static const struct {
		const char *json, *has, *lacks;
	} rows[] = {
		{ "{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":229,\"access\":\"rw\"}]}",
		  "DevicePolicy=s:strict DeviceAllow=a(ss):/dev/char/10:229,rw,char-*,m,block-*,m,", "auto" },
		{ "{\"devices\":[{\"allow\":false},{\"allow\":true,\"type\":\"b\",\"major\":8,\"access\":\"r\"}]}", "block-*,r,", "auto" },
		{ "{\"devices\":[{\"allow\":true,\"access\":\"rwm\"}]}", "DevicePolicy=s:auto", "DeviceAllow" },
		{ "{}", "Delegate=b:true", "DevicePolicy" },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		struct oci_resources r = { 0 };
		struct scope_request out = { 0 };
		es_autofree char *text = NULL;

		CHECK_OK(field_decode_text(a, oci_resources_fields, rows[i].json, strlen(rows[i].json), &r));
		CHECK_OK(rtunit_start(a, &r, NULL, true, &out));
		text = text_of(&out);
		if (!strstr(text, rows[i].has) || strstr(text, rows[i].lacks))
			fail_msg("%s: %s", rows[i].json, text);
	}
}

static void annotations(void)
{
	static const struct {
		const char *key, *value, *want; /* NULL: refused */
	} rows[] = {
		{ "org.systemd.property.CollectMode", "'inactive-or-failed'", "CollectMode=s:inactive-or-failed" },
		{ "org.systemd.property.TimeoutStopSec", "7", "TimeoutStopUSec=t:7000000" },
		{ "org.systemd.property.TimeoutStopSec", "double 0.5", "TimeoutStopUSec=t:500000" },
		{ "org.systemd.property.TimeoutStopSec", "true", NULL },
		{ "org.systemd.property.TimeoutStopUSec", "uint64 123", "TimeoutStopUSec=t:123" },
		{ "org.systemd.property.Documentation", "['man:x(1)', \"http://y/\"]", "Documentation=as:man:x(1),http://y/" },
		{ "org.systemd.property.Documentation", "@as []", "Documentation=as:" },
		{ "org.systemd.property.Documentation", "[]", NULL },
		{ "org.systemd.property.TasksMax", "uint64 5", "TasksMax=t:5" },
		{ "org.systemd.property.X-y", "1", NULL },
		{ "org.systemd.property.Ab", "1", NULL },
		{ "org.systemd.property.Abc", "'open", NULL },
		{ "org.systemd.property.Abc", "1 2", NULL },
		{ "org.systemd.property.Abc", "nonsense", NULL },
		{ "org.systemd.property.Abc", "uint64 'x'", NULL },
		{ "org.systemd.property.Abc", "@as 'x'", NULL },
		{ "org.systemd.property.Abc", "@t 9", "Abc=t:9" },
		{ "org.systemd.property.Abc", "'it\\'s'", "Abc=s:it's" },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		struct field_map *m = field_map_new(a);
		struct scope_request out = { 0 };
		es_autofree char *text = NULL;

		field_map_put(a, m, rows[i].key, arena_strdup(a, rows[i].value));
		field_map_put(a, m, "another", arena_strdup(a, "x"));
		es_autoerr es_err *err = rtunit_start(a, NULL, m, true, &out);
		if ((err != NULL) != (rows[i].want == NULL))
			fail_msg("%s %s: %s", rows[i].key, rows[i].value, err ? es_err_text(err) : "no error");
		if (err)
			continue;
		text = text_of(&out);
		if (!str_ends(text, rows[i].want))
			fail_msg("%s: %s", rows[i].value, text);
	}
}

CHECK_MAIN(TEST(names), TEST(limits), TEST(devices), TEST(annotations))
