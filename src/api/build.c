/* SPDX-License-Identifier: Apache-2.0 */
/* build.c: POST /build (the classic builder's stream) and POST /build/prune. */
#include "api/registry.h"
#include "api/reply.h"
#include "api/route.h"
#include "base/str.h"
#include "engine/imgbuild.h"

/* ---- the query ---- */

/* {"NAME":"value"} or {"NAME":null} */
static es_err *read_map(struct req *r, const char *name, struct field_map **ret)
{
	const char *text = req_query(r, name);
	struct json *doc = NULL;

	*ret = field_map_new(r->a);
	if (str_empty(text))
		return NULL;
	es_autoerr es_err *err = json_parse(r->a, text, strlen(text), &doc);
	if (err || !(json_is(doc, JSON_OBJECT) || json_is(doc, JSON_NULL)))
		return es_err_new(ES_E_INVALID, "error reading build %s: not a JSON object of strings", name);
	JSON_EACH(v, doc) {
		if (v->type != JSON_STRING && v->type != JSON_NULL)
			return es_err_new(ES_E_INVALID, "error reading build %s: %s is not a string", name, v->key);
		field_map_put(r->a, *ret, v->key, v->type == JSON_STRING ? (void *)(uintptr_t)v->text : NULL);
	}
	return NULL;
}

/* Does the query name something there? Clients send the empty forms of JSON for "no". */
static bool names_something(const struct req *r, const char *name)
{
	const char *value = req_query(r, name);

	return !str_empty(value) && !str_eq(value, "null") && !str_eq(value, "[]") && !str_eq(value, "{}");
}

/* What this builder does not do is refused by its name; the values that mean "no" pass. */
static es_err *check_unsupported(struct req *r)
{
	static const struct { const char *name, *what; } rows[] = {
		{ "outputs", "outputs of a build" },
		{ "ulimits", "ulimits of a build" },
		{ "securityopt", "security options of a build" },
		{ "session", "sessions (BuildKit)" },
	};
	const char *version = req_query(r, "version");

	if (!str_empty(version) && !str_eq(version, "1") && !str_eq(version, "2"))
		return es_err_new(ES_E_INVALID, "invalid version \"%s\"", version);
	if (str_eq(version, "2"))
		return es_err_new(ES_E_UNSUPPORTED, "version 2 (BuildKit) is not supported: set DOCKER_BUILDKIT=0");
	if (req_bool(r, "squash", false))
		return es_err_new(ES_E_INVALID, "squash is only supported with experimental mode");
	for (size_t i = 0; i < ES_N(rows); i++)
		if (names_something(r, rows[i].name))
			return es_err_new(ES_E_UNSUPPORTED, "%s are not supported", rows[i].what);
	return NULL;
}

static es_err *check_remote(struct req *r)
{
	const char *remote = req_query(r, "remote");

	if (str_empty(remote) || str_eq(remote, "client-session"))
		return NULL;
	if (!str_starts(remote, "http://") && !str_starts(remote, "https://") && !str_starts(remote, "git"))
		return es_err_new(ES_E_INTERNAL, "remoteURL (%s) could not be recognized as URL", remote);
	return es_err_new(ES_E_UNSUPPORTED, "building from a remote context (%s) is not supported", remote);
}

static es_err *read_limits(struct req *r, struct runner_limits *ret)
{
	const struct { const char *name; int64_t *at; } rows[] = {
		{ "memory", &ret->memory_bytes },    { "memswap", &ret->memory_swap_bytes }, { "cpushares", &ret->cpu_shares },
		{ "cpuperiod", &ret->cpu_period_us }, { "cpuquota", &ret->cpu_quota_us },     { "shmsize", &ret->shm_size_bytes },
	};

	for (size_t i = 0; i < ES_N(rows); i++)
		ES_TRY(req_i64(r, rows[i].name, 0, rows[i].at));
	ret->cpuset_cpus = req_query(r, "cpusetcpus");
	ret->cpuset_mems = req_query(r, "cpusetmems");
	ret->cgroup_parent = req_query(r, "cgroupparent");
	return NULL;
}

static es_err *read_opts(struct req *r, struct imgbuild_opts *ret)
{
	struct field_map *args, *labels;

	ES_TRY(check_unsupported(r));
	ES_TRY(check_remote(r));
	ES_TRY(read_map(r, "buildargs", &args));
	ES_TRY(read_map(r, "labels", &labels));
	ES_TRY(read_limits(r, &ret->build.limits));
	ret->build.dockerfile = req_query(r, "dockerfile");
	ret->build.auths = registry_auths(r);
	ret->build.build_args = args;
	ret->build.labels = labels;
	ret->build.target = req_query(r, "target");
	ret->build.platform = req_query(r, "platform");
	ret->build.network = req_query(r, "networkmode");
	ret->build.extra_hosts = req_query_all(r, "extrahosts");
	ret->build.no_cache = req_bool(r, "nocache", false);
	ret->build.pull = req_bool(r, "pull", false);
	ret->build.rm = req_bool(r, "rm", true);
	ret->build.cancel_fd = http_call_gone_fd(r->call);
	ret->tags = req_query_all(r, "t");
	ret->quiet = req_bool(r, "q", false);
	ret->cache_from = names_something(r, "cachefrom");
	return NULL;
}

/* ---- the stream ---- */

/* A client that has left is seen by the build itself, through its descriptor. */
static void send_line(void *self, const char *json)
{
	es_err_drop(reply_progress(self, json));
}

/* The last object of a failed build: with the exit code of the command, which the client makes its own. */
static es_err *end_with_code(struct req *r, es_err *err, int code)
{
	struct json *detail = json_new_object(r->a), *doc = json_new_object(r->a);

	json_set_i64(r->a, detail, "code", code);
	json_set_str(r->a, detail, "message", es_err_text(err));
	json_set(r->a, doc, "errorDetail", detail);
	json_set_str(r->a, doc, "error", es_err_text(err));
	es_err_free(err);
	ES_TRY(reply_progress_json(r, doc));
	return reply_progress_end(r, NULL);
}

static es_err *build(struct req *r)
{
	struct imgbuild_opts opts = { 0 };
	const struct imgbuild_out out = { .line = send_line, .self = r };
	struct req_body *body;
	es_err *err, *read_err;
	int tar_fd, code;

	ES_TRY(read_opts(r, &opts));
	ES_TRY(req_body_fd(r, &body, &tar_fd));
	err = imgbuild_run(r->engine, r->a, &opts, tar_fd, &out, &code);
	es_close(tar_fd);
	read_err = req_body_done(body);
	if (!err)
		err = read_err;
	else
		es_err_drop(read_err);
	if (err && code)
		return end_with_code(r, err, code);
	return reply_progress_end(r, err);
}

static es_err *prune(struct req *r)
{
	struct json *doc = json_new_object(r->a), *list = json_new_array(r->a);
	char **ids = NULL;
	uint64_t bytes = 0;

	ES_TRY(imgbuild_prune(r->engine, r->a, req_bool(r, "all", false), &ids, &bytes, NULL));
	for (; ids && *ids; ids++)
		json_append(list, json_new_str(r->a, *ids));
	json_set(r->a, doc, "CachesDeleted", list);
	json_set(r->a, doc, "SpaceReclaimed", json_new_u64(r->a, bytes));
	return reply_json(r, 200, doc);
}

const struct route routes_build[] = {
	{ "POST", "/build", 0, build },
	{ "POST", "/build/prune", 131, prune },
	{ 0 },
};
