/* SPDX-License-Identifier: Apache-2.0 */
/* test_valuespec.c: values of single options, accepted and refused, as rows. */
#include "cli/mountspec.h"
#include "cli/netspec.h"
#include "cli/valuespec.h"
#include "cli/when.h"

#include "check.h"

static void checks(void)
{
	static const struct {
		es_err *(*check)(const char *text);
		const char *in, *error;
	} rows[] = {
		{ value_check_env, "A", NULL },
		{ value_check_env, "", "invalid environment variable: " },
		{ value_check_label, "=x", "invalid label '=x': empty name" },
		{ value_check_add_host, "a:1.2.3.4", NULL },
		{ value_check_add_host, "a=::1", NULL },
		{ value_check_add_host, "a:host-gateway", NULL },
		{ value_check_add_host, "a:b", "invalid IP address in add-host: \"b\"" },
		{ value_check_ip, "x", "IP address is not correctly formatted: x" },
		{ value_check_sysctl, "net.ipv4.ip_forward=1", NULL },
		{ value_check_sysctl, "nosuch.x=1", "sysctl 'nosuch.x=1' is not allowed" },
		{ value_check_attach, "StdErr", NULL },
		{ value_check_attach, "nosuch", "valid streams are STDIN, STDOUT and STDERR" },
		{ value_check_ulimit, "nofile=1024:2048", NULL },
		{ value_check_ulimit, "nosuch=1", "invalid ulimit type: nosuch" },
		{ value_check_ulimit, "nofile=5:1", "soft limit must be less than or equal to hard limit: 5 > 1" },
		{ value_check_bps_device, "/dev/null:1mb", NULL },
		{ value_check_bps_device, "x", "bad format: x" },
		{ value_check_device_rule, "c 42:* rwm", NULL },
		{ value_check_device_rule, "c 42 rwm", "invalid device cgroup format 'c 42 rwm'" },
		{ value_check_gpus, "all", NULL },
		{ value_check_gpus, "x=y", "unexpected key 'x' in 'x=y'" },
		{ value_check_platform, "linux/arm64/v8", NULL },
		{ value_check_platform, "nosuch", "unknown operating system or architecture" },
		{ mountspec_check, "type=bind,src=/a,dst=/b,ro", NULL },
		{ mountspec_check, "x", "invalid field 'x' must be a key=value pair" },
		{ mountspec_check, "dst=/x,nosuch=1", "unexpected key 'nosuch' in 'nosuch=1'" },
		{ mountspec_check, "type=volume,dst=/v,bind-propagation=rslave", "cannot mix 'bind-*' options with mount type 'volume'" },
		{ mountspec_check, "type=bind,src=/,dst=/x,readonly=maybe", "invalid value for readonly: maybe" },
		{ netspec_check, "name=x,alias=y", NULL },
		{ netspec_check, "name=x,nosuch=1", "invalid field key nosuch" },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		es_err *err = rows[i].check(rows[i].in);

		if (rows[i].error)
			CHECK_ERR(err, rows[i].error);
		else
			CHECK_OK(err);
	}
}

static void cpus(void)
{
	static const struct {
		const char *in;
		int64_t want;
		const char *error;
	} rows[] = {
		{ "1.5", 1500000000, NULL }, { ".25", 250000000, NULL }, { "-1", -1000000000, NULL },
		{ "x", 0, "failed to parse x as a rational number" }, { "0.0000000001", 0, "value is too precise" },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		int64_t got = 0;
		es_err *err = value_set_cpus(rows[i].in, &got);

		if (rows[i].error)
			CHECK_ERR(err, rows[i].error);
		else
			CHECK_OK(err);
		CHECK_INT(got, rows[i].want);
	}
}

static void csv_quotes(void)
{
	es_autoarena *a = arena_new();
	char **cells;

	CHECK_OK(mountspec_csv(a, "a,\"b,c\",\"d\"\"e\"", &cells));
	CHECK_INT(strv_len(cells), 3);
	CHECK_STR(cells[1], "b,c");
	CHECK_STR(cells[2], "d\"e");
	CHECK_ERR(mountspec_csv(a, "a\"b", &cells), "bare \" in non-quoted-field");
	CHECK_ERR(mountspec_csv(a, "\"a", &cells), "extraneous or missing");
}

static void times(void)
{
	es_autoarena *a = arena_new();
	const char *got;

	CHECK_OK(when_parse(a, "1700000000.5", &got));
	CHECK_STR(got, "1700000000.5");
	CHECK_OK(when_parse(a, "2023-11-14T22:13:20Z", &got));
	CHECK_STR(got, "1700000000.000000000");
	CHECK_OK(when_parse(a, NULL, &got));
	CHECK(got == NULL);
	CHECK_ERR(when_parse(a, "yesterday", &got), "failed to parse value as time or duration: \"yesterday\"");
}

CHECK_MAIN(TEST(checks), TEST(cpus), TEST(csv_quotes), TEST(times))
