/* SPDX-License-Identifier: Apache-2.0 */
/* estiba-systemd.c: makes, changes and stops the transient scope of one container over D-Bus (doc/format/scope.md). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-bus.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "spec/scope.h"

#define DESTINATION "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER DESTINATION ".Manager"
#define UNIT_EXISTS DESTINATION ".UnitExists"
#define NO_SUCH_UNIT DESTINATION ".NoSuchUnit"
#define JOB_TIMEOUT_NS (30 * CLOCK_NS_PER_S)

/* The job we wait for. Its end may be told before its name has come back. */
struct job {
	const char *unit;
	char *path;   /* NULL: not known yet */
	char *result; /* of the last job of UNIT that ended */
	char *ended;  /* and that job */
};

static es_err *bus_error(int rc, const sd_bus_error *e, const char *what)
{
	if (e && e->message)
		return es_err_new(ES_E_SYSTEM, "%s: %s", what, e->message);
	return es_err_sys(-rc, "%s", what);
}

/* ---- properties ---- */

static es_err *append_number(sd_bus_message *m, char type, const char *text)
{
	uint64_t u = 0;
	int64_t i = 0;
	int rc;

	if (strchr("nix", type))
		ES_TRY(str_to_i64(text, 0, &i));
	else
		ES_TRY(str_to_u64(text, 0, &u));
	switch (type) {
	case 'y':
		rc = u > UINT8_MAX ? -ERANGE : sd_bus_message_append(m, "y", (uint8_t)u);
		break;
	case 'q':
		rc = u > UINT16_MAX ? -ERANGE : sd_bus_message_append(m, "q", (uint16_t)u);
		break;
	case 'u':
		rc = u > UINT32_MAX ? -ERANGE : sd_bus_message_append(m, "u", (uint32_t)u);
		break;
	case 't':
		rc = sd_bus_message_append(m, "t", u);
		break;
	case 'n':
		rc = i < INT16_MIN || i > INT16_MAX ? -ERANGE : sd_bus_message_append(m, "n", (int16_t)i);
		break;
	case 'i':
		rc = i < INT32_MIN || i > INT32_MAX ? -ERANGE : sd_bus_message_append(m, "i", (int32_t)i);
		break;
	default:
		rc = sd_bus_message_append(m, "x", i);
	}
	return rc < 0 ? es_err_sys(-rc, "\"%s\"", text) : NULL;
}

static es_err *append_basic(sd_bus_message *m, char type, const char *text)
{
	char *end = NULL;
	double d;
	int rc;

	if (strchr("ynqiuxt", type))
		return append_number(m, type, text);
	switch (type) {
	case 's':
		rc = sd_bus_message_append(m, "s", text);
		break;
	case 'b':
		if (!str_eq(text, "true") && !str_eq(text, "false"))
			return es_err_new(ES_E_INVALID, "\"%s\" is neither true nor false", text);
		rc = sd_bus_message_append(m, "b", str_eq(text, "true"));
		break;
	case 'd':
		d = strtod(text, &end);
		if (!*text || *end)
			return es_err_new(ES_E_INVALID, "\"%s\" is not a number", text);
		rc = sd_bus_message_append(m, "d", d);
		break;
	default:
		return es_err_new(ES_E_INVALID, "type \"%c\" is not supported", type);
	}
	return rc < 0 ? es_err_sys(-rc, "\"%s\"", text) : NULL;
}

static es_err *append_pairs(sd_bus_message *m, char *const *v)
{
	int rc = sd_bus_message_open_container(m, 'a', "(ss)");

	for (size_t i = 0; rc >= 0 && v && v[i]; i += 2) {
		if (!v[i + 1])
			return es_err_new(ES_E_INVALID, "half a pair");
		rc = sd_bus_message_append(m, "(ss)", v[i], v[i + 1]);
	}
	if (rc >= 0)
		rc = sd_bus_message_close_container(m);
	return rc < 0 ? es_err_sys(-rc, "list of pairs") : NULL;
}

static es_err *append_value(sd_bus_message *m, const struct scope_property *p)
{
	size_t n = strv_len(p->values);
	int rc;

	if (str_eq(p->type, "a(ss)"))
		return append_pairs(m, p->values);
	if (p->type[0] == 'a' && p->type[1] && !p->type[2]) {
		rc = sd_bus_message_open_container(m, 'a', p->type + 1);
		if (rc < 0)
			return es_err_sys(-rc, "type %s", p->type);
		for (size_t i = 0; i < n; i++)
			ES_TRY(append_basic(m, p->type[1], p->values[i]));
		rc = sd_bus_message_close_container(m);
		return rc < 0 ? es_err_sys(-rc, "list") : NULL;
	}
	if (!p->type[0] || p->type[1] || n != 1)
		return es_err_new(ES_E_INVALID, "type \"%s\" with %zu values", p->type, n);
	return append_basic(m, p->type[0], p->values[0]);
}

static es_err *append_property(sd_bus_message *m, const struct scope_property *p)
{
	int rc = sd_bus_message_open_container(m, 'r', "sv");

	if (rc >= 0)
		rc = sd_bus_message_append(m, "s", p->name);
	if (rc >= 0)
		rc = sd_bus_message_open_container(m, 'v', p->type);
	if (rc < 0)
		return es_err_sys(-rc, "type \"%s\"", p->type);
	ES_TRY(append_value(m, p));
	rc = sd_bus_message_close_container(m);
	if (rc >= 0)
		rc = sd_bus_message_close_container(m);
	return rc < 0 ? es_err_sys(-rc, "property") : NULL;
}

static es_err *append_properties(sd_bus_message *m, const struct field_list *l)
{
	FIELD_LIST_EACH(const struct scope_property, p, l)
		ES_TRY(es_err_in(append_property(m, p), "property %s", p->name));
	return NULL;
}

/* ---- jobs ---- */

static int job_removed(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	struct job *j = arg;
	const char *path, *unit, *result;
	uint32_t id;

	if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0 || !str_eq(unit, j->unit))
		return 0;
	free(j->ended);
	free(j->result);
	j->ended = es_xstrdup(path);
	j->result = es_xstrdup(result);
	return 0;
}

static es_err *wait_for_job(sd_bus *bus, struct job *j, sd_bus_message *reply)
{
	int64_t deadline = clock_mono_ns() + JOB_TIMEOUT_NS;
	const char *path;
	int rc = sd_bus_message_read(reply, "o", &path);

	if (rc < 0)
		return es_err_sys(-rc, "read systemd's answer");
	j->path = es_xstrdup(path);
	while (!str_eq(j->ended, j->path)) {
		int64_t left = deadline - clock_mono_ns();

		rc = sd_bus_process(bus, NULL);
		if (rc == 0 && left <= 0)
			return es_err_new(ES_E_TIMEOUT, "systemd did not end its job for %s within %lld s", j->unit,
					  (long long)(JOB_TIMEOUT_NS / CLOCK_NS_PER_S));
		if (rc == 0)
			rc = sd_bus_wait(bus, (uint64_t)left / 1000);
		if (rc < 0)
			return es_err_sys(-rc, "wait for systemd's job");
	}
	if (!str_eq(j->result, "done"))
		return es_err_new(ES_E_SYSTEM, "systemd's job for %s: %s", j->unit, j->result);
	return NULL;
}

static es_err *watch_jobs(sd_bus *bus, struct job *j)
{
	int rc = sd_bus_match_signal(bus, NULL, NULL, MANAGER_PATH, MANAGER, "JobRemoved", job_removed, j);

	return rc < 0 ? es_err_sys(-rc, "watch systemd's jobs") : NULL;
}

static void job_done(struct job *j)
{
	free(j->path);
	free(j->result);
	free(j->ended);
}

/* ---- operations ---- */

static void reset_failed(sd_bus *bus, const char *unit)
{
	(void)sd_bus_call_method(bus, DESTINATION, MANAGER_PATH, MANAGER, "ResetFailedUnit", NULL, NULL, "s", unit);
}

static es_err *fill_start(sd_bus_message *m, const struct scope_request *r)
{
	int rc = sd_bus_message_append(m, "ss", r->unit, "replace");

	if (rc >= 0)
		rc = sd_bus_message_open_container(m, 'a', "(sv)");
	if (rc >= 0)
		rc = sd_bus_message_append(m, "(sv)", "Description", "s", r->description ? r->description : r->unit);
	if (rc >= 0 && !str_empty(r->slice))
		rc = sd_bus_message_append(m, "(sv)", "Slice", "s", r->slice);
	if (rc >= 0)
		rc = sd_bus_message_append(m, "(sv)", "PIDs", "au", 1, (uint32_t)getpid());
	if (rc < 0)
		return es_err_sys(-rc, "request");
	ES_TRY(append_properties(m, &r->properties));
	rc = sd_bus_message_close_container(m);
	if (rc >= 0)
		rc = sd_bus_message_append(m, "a(sa(sv))", 0);
	return rc < 0 ? es_err_sys(-rc, "request") : NULL;
}

static es_err *start_once(sd_bus *bus, const struct scope_request *r, bool *ret_exists)
{
	struct job j = { .unit = r->unit };
	sd_bus_error e = SD_BUS_ERROR_NULL;
	sd_bus_message *m = NULL, *reply = NULL;
	int rc = sd_bus_message_new_method_call(bus, &m, DESTINATION, MANAGER_PATH, MANAGER, "StartTransientUnit");
	es_err *err = rc < 0 ? es_err_sys(-rc, "request") : fill_start(m, r);

	if (!err)
		err = watch_jobs(bus, &j);
	if (!err) {
		rc = sd_bus_call(bus, m, 0, &e, &reply);
		*ret_exists = rc < 0 && sd_bus_error_has_name(&e, UNIT_EXISTS);
		err = rc < 0 ? bus_error(rc, &e, "start") : wait_for_job(bus, &j, reply);
	}
	sd_bus_error_free(&e);
	sd_bus_message_unref(m);
	sd_bus_message_unref(reply);
	job_done(&j);
	return err;
}

static es_err *control_group(sd_bus *bus, const char *unit, char **ret)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	char *path = NULL;
	es_err *err = NULL;
	int rc = sd_bus_path_encode(MANAGER_PATH "/unit", unit, &path);

	if (rc >= 0)
		rc = sd_bus_get_property_string(bus, DESTINATION, path, DESTINATION ".Scope", "ControlGroup", &e, ret);
	if (rc < 0)
		err = bus_error(rc, &e, "ask for its control group");
	else if (str_empty(*ret))
		err = es_err_new(ES_E_SYSTEM, "it has no control group");
	sd_bus_error_free(&e);
	free(path);
	return err;
}

/* A scope of that name that has failed is still known until it is reset. */
static es_err *do_start(sd_bus *bus, const struct scope_request *r, char **ret_cgroup)
{
	bool exists = false;
	es_err *err = start_once(bus, r, &exists);

	if (err && exists) {
		es_err_drop(err);
		reset_failed(bus, r->unit);
		err = start_once(bus, r, &exists);
	}
	ES_TRY(err);
	return control_group(bus, r->unit, ret_cgroup);
}

static es_err *do_set(sd_bus *bus, const struct scope_request *r)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	sd_bus_message *m = NULL;
	int rc = sd_bus_message_new_method_call(bus, &m, DESTINATION, MANAGER_PATH, MANAGER, "SetUnitProperties");
	es_err *err = NULL;

	if (rc >= 0)
		rc = sd_bus_message_append(m, "sb", r->unit, 1);
	if (rc >= 0)
		rc = sd_bus_message_open_container(m, 'a', "(sv)");
	if (rc >= 0)
		err = append_properties(m, &r->properties);
	if (!err && rc >= 0)
		rc = sd_bus_message_close_container(m);
	if (!err && rc >= 0)
		rc = sd_bus_call(bus, m, 0, &e, NULL);
	if (!err && rc < 0)
		err = bus_error(rc, &e, "set properties");
	sd_bus_error_free(&e);
	sd_bus_message_unref(m);
	return err;
}

static es_err *do_stop(sd_bus *bus, const struct scope_request *r)
{
	struct job j = { .unit = r->unit };
	sd_bus_error e = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	es_err *err = watch_jobs(bus, &j);
	int rc;

	if (!err) {
		rc = sd_bus_call_method(bus, DESTINATION, MANAGER_PATH, MANAGER, "StopUnit", &e, &reply, "ss", r->unit, "replace");
		if (rc >= 0)
			err = wait_for_job(bus, &j, reply);
		else if (!sd_bus_error_has_name(&e, NO_SUCH_UNIT))
			err = bus_error(rc, &e, "stop");
	}
	reset_failed(bus, r->unit);
	sd_bus_error_free(&e);
	sd_bus_message_unref(reply);
	job_done(&j);
	return err;
}

static es_err *attach(sd_bus *bus, const char *unit, const char *order)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	es_err *err = NULL;
	uint64_t pid;
	int rc;

	ES_TRY(str_to_u64(order, 10, &pid));
	rc = sd_bus_call_method(bus, DESTINATION, MANAGER_PATH, MANAGER, "AttachProcessesToUnit", &e, NULL, "ssau", unit, "", 1,
				(uint32_t)pid);
	if (rc < 0)
		err = bus_error(rc, &e, "attach process");
	sd_bus_error_free(&e);
	return err;
}

/* ---- requests and replies ---- */

static es_err *reply(const char *cgroup, const es_err *err)
{
	es_autobuf b = ES_BUF(SCOPE_LINE_MAX);
	struct scope_reply r = { .ok = !err, .cgroup = cgroup, .error = err ? es_err_text(err) : NULL };

	field_encode_text(&b, scope_reply_fields, &r);
	es_buf_addc(&b, '\n');
	ES_TRY(es_buf_check(&b));
	if (fwrite(b.p, 1, b.len, stdout) != b.len || fflush(stdout))
		return es_err_sys(errno, "reply");
	return NULL;
}

/* A line without its end; false at end of file. */
static bool next_line(char **line, size_t *size)
{
	ssize_t n = getline(line, size, stdin);

	if (n <= 0 || n > (ssize_t)SCOPE_LINE_MAX)
		return false;
	(*line)[strcspn(*line, "\n")] = '\0';
	return true;
}

static es_err *take_orders(sd_bus *bus, const char *unit)
{
	char *line = NULL;
	size_t size = 0;
	es_err *err = NULL;

	while (!err && next_line(&line, &size)) {
		err = attach(bus, unit, line);
		if (!err)
			err = reply(NULL, NULL);
	}
	free(line);
	return err;
}

static es_err *serve(sd_bus *bus, const struct scope_request *r)
{
	char *cgroup = NULL;
	es_err *err;

	if (str_eq(r->op, "start"))
		err = do_start(bus, r, &cgroup);
	else if (str_eq(r->op, "set"))
		err = do_set(bus, r);
	else if (str_eq(r->op, "stop"))
		err = do_stop(bus, r);
	else
		err = NULL;
	err = es_err_in(err, "systemd: %s", r->unit);
	if (!err)
		err = reply(cgroup, NULL);
	free(cgroup);
	if (!err && (str_eq(r->op, "start") || str_eq(r->op, "attach")))
		err = es_err_in(take_orders(bus, r->unit), "systemd: %s", r->unit);
	return err;
}

/* Where no message bus runs, root can still speak to systemd itself. */
static es_err *open_bus(bool user, sd_bus **ret)
{
	int rc = user ? sd_bus_open_user(ret) : sd_bus_open_system(ret), second = rc;

	if (rc < 0 && !user) {
		second = sd_bus_new(ret);
		if (second >= 0)
			second = sd_bus_set_address(*ret, "unix:path=/run/systemd/private");
		if (second >= 0)
			second = sd_bus_start(*ret);
	}
	return second < 0 ? es_err_sys(-rc, "connect to the %s bus of systemd", user ? "user" : "system") : NULL;
}

static es_err *run(void)
{
	es_autoarena *a = arena_new();
	struct scope_request r = { 0 };
	sd_bus *bus = NULL;
	char *line = NULL;
	size_t size = 0;
	es_err *err = NULL;

	if (!next_line(&line, &size))
		return es_err_new(ES_E_PROTOCOL, "no request");
	arena_own(a, line);
	ES_TRY(field_decode_text(a, scope_request_fields, line, strlen(line), &r));
	if (r.version > SCOPE_VERSION)
		return es_err_new(ES_E_UNSUPPORTED, "request of version %lld, this program knows up to %d", (long long)r.version, SCOPE_VERSION);
	if (!str_ends(r.unit, ".scope"))
		return es_err_new(ES_E_INVALID, "unit \"%s\" is not a scope", r.unit);
	err = open_bus(r.user, &bus);
	if (!err)
		err = serve(bus, &r);
	sd_bus_flush_close_unref(bus);
	return err;
}

int main(void)
{
	es_err *err = run();
	int code = err != NULL;

	if (err)
		es_err_drop(reply(NULL, err));
	es_err_free(err);
	return code;
}
