/* SPDX-License-Identifier: Apache-2.0 */
/* valuespec.c: the small grammars of single option values, with docker's error texts. */
#include "cli/valuespec.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>

#include "base/file.h"

#define VALUE_FILE_MAX (16u << 20)

es_err *value_check_env(const char *text)
{
	if (!*text || *text == '=')
		return es_err_new(ES_E_INVALID, "invalid environment variable: %s", text);
	return NULL;
}

es_err *value_check_label(const char *text)
{
	if (!*text || *text == '=')
		return es_err_new(ES_E_INVALID, "invalid label '%s': empty name", text);
	return NULL;
}

static bool is_ip(const char *text)
{
	unsigned char raw[16];

	return inet_pton(AF_INET, text, raw) == 1 || inet_pton(AF_INET6, text, raw) == 1;
}

es_err *value_check_ip(const char *text)
{
	if (!is_ip(text))
		return es_err_new(ES_E_INVALID, "IP address is not correctly formatted: %s", text);
	return NULL;
}

es_err *value_check_add_host(const char *text)
{
	size_t n = strcspn(text, "=");
	es_autofree char *ip = NULL;

	if (!text[n])
		n = strcspn(text, ":");
	if (!n || !text[n])
		return es_err_new(ES_E_INVALID, "bad format for add-host: \"%s\"", text);
	ip = es_xstrdup(text + n + 1);
	if (*ip == '[' && str_ends(ip, "]")) {
		ip[strlen(ip) - 1] = '\0';
		memmove(ip, ip + 1, strlen(ip));
	}
	if (!str_eq(ip, "host-gateway") && !is_ip(ip))
		return es_err_new(ES_E_INVALID, "invalid IP address in add-host: \"%s\"", ip);
	return NULL;
}

es_err *value_check_dns_search(const char *text)
{
	bool alpha = str_eq(text, ".");

	for (const char *p = text; *p; p++) {
		alpha |= isalpha((unsigned char)*p) != 0;
		if (!isalnum((unsigned char)*p) && !strchr("-_.", *p))
			return es_err_new(ES_E_INVALID, "%s is not a valid domain", text);
	}
	return alpha ? NULL : es_err_new(ES_E_INVALID, "%s is not a valid domain", text);
}

es_err *value_check_sysctl(const char *text)
{
	static const char *const names[] = { "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni",	       "kernel.sem",  "kernel.shmall",
					     "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced", NULL };
	size_t n = strcspn(text, "=");
	es_autofree char *name = es_xstrndup(text, n);

	if (text[n] && (strv_has((char *const *)names, name) || str_starts(name, "net.") || str_starts(name, "fs.mqueue.")))
		return NULL;
	return es_err_new(ES_E_INVALID, "sysctl '%s' is not allowed", text);
}

es_err *value_check_link(const char *text)
{
	const char *colon = strchr(text, ':');

	if (!*text)
		return es_err_new(ES_E_INVALID, "empty string specified for links");
	if (colon && strchr(colon + 1, ':'))
		return es_err_new(ES_E_INVALID, "bad format for links: %s", text);
	return NULL;
}

es_err *value_check_attach(const char *text)
{
	if (!str_eq_nocase(text, "stdin") && !str_eq_nocase(text, "stdout") && !str_eq_nocase(text, "stderr"))
		return es_err_new(ES_E_INVALID, "valid streams are STDIN, STDOUT and STDERR");
	return NULL;
}

/* Digits or a star; NULL when P does not begin so. */
static const char *device_number(const char *p)
{
	size_t n = strspn(p, "0123456789");

	return *p == '*' ? p + 1 : n ? p + n : NULL;
}

es_err *value_check_filter(const char *text)
{
	if (!*text || strchr(text, '='))
		return NULL;
	return es_err_new(ES_E_INVALID, "bad format of filter (expected name=value)");
}

es_err *value_file_error(es_err *err, const char *path)
{
	es_err *out = err;

	if (err && es_err_class(err) == ES_E_NOT_FOUND)
		out = es_err_new(ES_E_NOT_FOUND, "open %s: no such file or directory", path);
	else if (err && es_err_errno(err) == EISDIR)
		out = es_err_new(ES_E_INVALID, "read %s: is a directory", path);
	if (out != err)
		es_err_free(err);
	return out;
}

es_err *value_check_device_rule(const char *text)
{
	const char *p = *text && strchr("acb", *text) && text[1] == ' ' ? device_number(text + 2) : NULL;

	p = p && *p == ':' ? device_number(p + 1) : NULL;
	if (!p || *p != ' ' || strspn(p + 1, "rwm") != strlen(p + 1) || !p[1] || strlen(p + 1) > 3)
		return es_err_new(ES_E_INVALID, "invalid device cgroup format '%s'", text);
	return NULL;
}

es_err *value_check_no_trust(const char *text)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True", NULL };

	if (strv_has((char *const *)yes, text))
		return NULL;
	return es_err_new(ES_E_UNSUPPORTED, "content trust is not supported");
}

/* Numbers. */

static es_err *go_int(const char *text, int64_t *ret)
{
	es_err *err = str_to_i64(text, 10, ret);

	if (!err)
		return NULL;
	es_err_free(err);
	return es_err_new(ES_E_INVALID, "strconv.ParseInt: parsing \"%s\": invalid syntax", text);
}

es_err *value_set_opt_i64(const char *text, void *at)
{
	struct field_opt_i64 *out = at;

	ES_TRY(go_int(text, &out->v));
	out->set = true;
	return NULL;
}

/* A decimal with at most nine digits behind the point: no rounding. */
es_err *value_set_cpus(const char *text, void *at)
{
	const char *p = text;
	int64_t whole = 0, nano = 0, unit = 1000000000;
	bool negative = *p == '-', digits = false;

	if (*p == '-' || *p == '+')
		p++;
	for (; isdigit((unsigned char)*p) && whole < INT32_MAX; p++, digits = true)
		whole = whole * 10 + (*p - '0');
	if (*p == '.')
		for (p++; isdigit((unsigned char)*p); p++, digits = true) {
			unit /= 10;
			if (!unit && *p != '0')
				return es_err_new(ES_E_INVALID, "value is too precise");
			nano += unit * (*p - '0');
		}
	if (*p || !digits)
		return es_err_new(ES_E_INVALID, "failed to parse %s as a rational number", text);
	nano += whole * 1000000000;
	*(int64_t *)at = negative ? -nano : nano;
	return NULL;
}

es_err *value_set_swap(const char *text, void *at)
{
	if (str_eq(text, "-1")) {
		*(int64_t *)at = -1;
		return NULL;
	}
	return str_to_bytes(text, at);
}

/* name=soft[:hard] */
es_err *value_ulimit(const char *text, struct docker_ulimit *ret, struct arena *a)
{
	static const char *const names[] = { "core",   "cpu",	  "data",	"fsize",  "locks", "memlock",  "msgqueue", "nice",
					     "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack",	 NULL };
	size_t n = strcspn(text, "=");
	char *soft, *hard;

	if (!n || !text[n] || strchr(text + n + 1, '='))
		return es_err_new(ES_E_INVALID, "invalid ulimit argument: %s", text);
	ret->name = arena_strndup(a, text, n);
	if (!strv_has((char *const *)names, ret->name))
		return es_err_new(ES_E_INVALID, "invalid ulimit type: %s", ret->name);
	soft = arena_strdup(a, text + n + 1);
	hard = strchr(soft, ':');
	if (hard)
		*hard++ = '\0';
	if (hard && strchr(hard, ':'))
		return es_err_new(ES_E_INVALID, "too many limit value arguments - %s, can only have up to two, `soft[:hard]`", text + n + 1);
	ES_TRY(go_int(soft, &ret->soft));
	ret->hard = ret->soft;
	if (hard)
		ES_TRY(go_int(hard, &ret->hard));
	if (ret->hard != -1 && (ret->soft == -1 || ret->soft > ret->hard))
		return es_err_new(ES_E_INVALID, "ulimit soft limit must be less than or equal to hard limit: %s > %lld",
				  ret->soft == -1 ? "-1" : soft, (long long)ret->hard);
	return NULL;
}

static es_err *split_device(const char *text, struct arena *a, const char **ret_path, const char **ret_value)
{
	size_t n = strcspn(text, ":");

	if (!n || !text[n] || !text[n + 1] || strchr(text + n + 1, ':'))
		return es_err_new(ES_E_INVALID, "bad format: %s", text);
	if (!str_starts(text, "/dev/"))
		return es_err_new(ES_E_INVALID, "bad format for device path: %s", text);
	*ret_path = arena_strndup(a, text, n);
	*ret_value = text + n + 1;
	return NULL;
}

es_err *value_weight_device(const char *text, struct docker_weight_device *ret, struct arena *a)
{
	const char *value;
	uint64_t weight;
	es_err *err;

	ES_TRY(split_device(text, a, &ret->path, &value));
	err = str_to_u64(value, 10, &weight);
	if (err || (weight && (weight < 10 || weight > 1000))) {
		es_err_free(err);
		return es_err_new(ES_E_INVALID, "invalid weight for device: %s", text);
	}
	ret->weight = (uint16_t)weight;
	return NULL;
}

es_err *value_throttle_device(const char *text, bool bytes, struct docker_throttle_device *ret, struct arena *a)
{
	const char *value;
	int64_t rate = 0;
	es_err *err;

	ES_TRY(split_device(text, a, &ret->path, &value));
	err = bytes ? str_to_bytes(value, &rate) : str_to_i64(value, 10, &rate);
	if (err || rate < 0) {
		es_err_free(err);
		return es_err_new(ES_E_INVALID, "invalid rate for device: %s. The correct format is <device-path>:<number>%s", text,
				  bytes ? "[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb" :
					  ". Number must be a positive integer");
	}
	ret->rate = (uint64_t)rate;
	return NULL;
}

es_err *value_device(const char *text, struct docker_device *ret, struct arena *a)
{
	es_autostrv parts = strv_split(text, ':');
	size_t n = strv_len(parts);
	const char *mode = "rwm";

	if (n > 3 || !*parts[0])
		return es_err_new(ES_E_INVALID, "bad format for path: %s", text);
	ret->path_on_host = arena_strdup(a, parts[0]);
	ret->path_in_container = ret->path_on_host;
	if (n == 3)
		mode = parts[2];
	if (!*mode || strspn(mode, "rwm") != strlen(mode))
		return es_err_new(ES_E_INVALID, "bad mode specified: %s", mode);
	if (n == 2 && strspn(parts[1], "rwm") == strlen(parts[1]))
		mode = parts[1];
	else if (n >= 2)
		ret->path_in_container = arena_strdup(a, parts[1]);
	ret->cgroup_permissions = arena_strdup(a, mode);
	return NULL;
}

es_err *value_restart(const char *text, struct docker_restart_policy *ret, struct arena *a)
{
	const char *colon = strchr(text, ':');
	es_err *err;

	ret->name = colon ? arena_strndup(a, text, (size_t)(colon - text)) : arena_strdup(a, text);
	if (!colon)
		return NULL;
	if (colon == text)
		return es_err_new(ES_E_INVALID, "invalid restart policy format: no policy provided before colon");
	err = str_to_i64(colon + 1, 10, &ret->maximum_retry_count);
	if (err) {
		es_err_free(err);
		return es_err_new(ES_E_INVALID, "invalid restart policy format: maximum retry count must be an integer");
	}
	return NULL;
}

static es_err *gpu_field(char *field, struct docker_device_request *r, struct arena *a, struct json *capabilities)
{
	char *value = strchr(field, '=');
	int64_t count;

	if (!value) {
		es_err *err = str_eq(field, "all") ? NULL : str_to_i64(field, 10, &count);

		if (err) {
			es_err_free(err);
			return es_err_new(ES_E_INVALID, "invalid count (%s): value must be either \"all\" or an integer: invalid syntax",
					  field);
		}
		r->count = str_eq(field, "all") ? -1 : count;
		return NULL;
	}
	*value++ = '\0';
	if (str_eq(field, "driver")) {
		r->driver = arena_strdup(a, value);
	} else if (str_eq(field, "count")) {
		return gpu_field(value, r, a, capabilities);
	} else if (str_eq(field, "device")) {
		r->device_ids = strv_arena_add(a, r->device_ids, value);
	} else if (str_eq(field, "capabilities")) {
		json_append(capabilities, json_new_str(a, value));
	} else if (str_eq(field, "options")) {
		r->options = value_map(a, (char *[]){ value, NULL });
	} else {
		return es_err_new(ES_E_INVALID, "unexpected key '%s' in '%s=%s'", field, field, value);
	}
	return NULL;
}

es_err *value_gpus(const char *text, struct docker_device_request *ret, struct arena *a)
{
	es_autostrv fields = strv_split(text, ',');
	struct json *capabilities = json_new_array(a), *all = json_new_array(a);

	json_append(capabilities, json_new_str(a, "gpu"));
	ret->driver = "";
	ret->options = field_map_new(a);
	for (size_t i = 0; i < strv_len(fields); i++)
		ES_TRY(gpu_field(fields[i], ret, a, capabilities));
	json_append(all, capabilities);
	ret->capabilities = all;
	return NULL;
}

es_err *value_check_platform(const char *text)
{
	static const char *const known[] = { "linux",  "windows", "darwin",   "freebsd", "amd64",  "arm64", "arm",   "386",
					     "ppc64le", "s390x",	  "riscv64", "mips64le", "x86_64", "aarch64", NULL };
	es_autostrv parts = strv_split(text, '/');
	size_t n = strv_len(parts);
	es_autofree char *first = es_xstrdup(parts[0]);

	if (n > 3)
		return es_err_new(ES_E_INVALID, "\"%s\": cannot parse platform specifier: invalid argument", text);
	if (n == 1 && !strv_has((char *const *)known, str_lower(first)))
		return es_err_new(ES_E_INVALID, "\"%s\": unknown operating system or architecture: invalid argument", text);
	return NULL;
}

bool value_is_mac(const char *text)
{
	for (size_t i = 0; i < 17; i++) {
		if (i % 3 == 2 ? text[i] != ':' && text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return !text[17];
}

/* Row checks that parse and throw the result away. */
#define CHECK_BY(name, type, call)                      \
	es_err *name(const char *text)                  \
	{                                               \
		es_autoarena *a = arena_new();          \
		type out = { 0 };                       \
							\
		return call;                            \
	}
CHECK_BY(value_check_ulimit, struct docker_ulimit, value_ulimit(text, &out, a))
CHECK_BY(value_check_weight_device, struct docker_weight_device, value_weight_device(text, &out, a))
CHECK_BY(value_check_bps_device, struct docker_throttle_device, value_throttle_device(text, true, &out, a))
CHECK_BY(value_check_iops_device, struct docker_throttle_device, value_throttle_device(text, false, &out, a))
CHECK_BY(value_check_gpus, struct docker_device_request, value_gpus(text, &out, a))

/* Lists. */

struct field_map *value_map(struct arena *a, char *const *items)
{
	struct field_map *map = field_map_new(a);

	for (; items && *items; items++) {
		size_t n = strcspn(*items, "=");

		field_map_put(a, map, arena_strndup(a, *items, n), arena_strdup(a, (*items)[n] ? *items + n + 1 : ""));
	}
	return map;
}

void value_add_env(struct arena *a, const char *item, char ***v)
{
	const char *value = strchr(item, '=') ? NULL : getenv(item);

	*v = strv_arena_add(a, *v, value ? arena_printf(a, "%s=%s", item, value) : item);
}

static es_err *add_line(struct arena *a, char *line, bool environ_file, char ***v)
{
	size_t n;

	while (*line == ' ' || *line == '\t')
		line++;
	n = strcspn(line, "=");
	if (!*line || *line == '#')
		return NULL;
	if (n == 0)
		return es_err_new(ES_E_INVALID, "no variable name on line '%s'", line);
	if (strcspn(line, " \t") < n)
		return es_err_new(ES_E_INVALID, "variable '%.*s' contains whitespaces", (int)n, line);
	if (line[n])
		*v = strv_arena_add(a, *v, line);
	else if (environ_file && getenv(line))
		value_add_env(a, line, v);
	return NULL;
}

es_err *value_read_file(struct arena *a, const char *path, bool environ_file, char ***v)
{
	es_autofree char *text = NULL;
	size_t len;
	const char *kind = environ_file ? "env" : "label";
	es_err *err = file_read(AT_FDCWD, path, VALUE_FILE_MAX, &text, &len);

	if (err && es_err_errno(err) == EISDIR)
		return es_err_in(value_file_error(err, path), "invalid env file (%s)", path); /* docker says env for both kinds */
	ES_TRY(value_file_error(err, path));
	for (char *line = text; line && *line;) {
		size_t n = strcspn(line, "\n");
		char *next = line + n + (line[n] == '\n');

		line[n] = '\0';
		if (n && line[n - 1] == '\r')
			line[n - 1] = '\0';
		ES_TRY(es_err_in(add_line(a, line, environ_file, v), "invalid %s file (%s)", kind, path));
		line = next;
	}
	return NULL;
}
