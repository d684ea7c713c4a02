/* SPDX-License-Identifier: Apache-2.0 */
/* passwd.c: who a container's process is to be. Lines that are not well-formed are skipped, as everybody does. */
#include "codec/passwd.h"

#include "base/str.h"

#define COLUMNS_MAX 7

/* The next line's columns, cut in place in a copy. */
struct lines {
	char *at;
	char *columns[COLUMNS_MAX];
	size_t n;
};

static bool next_line(struct lines *l)
{
	char *line = l->at, *end;

	if (!line || !*line)
		return false;
	end = strchr(line, '\n');
	if (end)
		*end = '\0';
	l->at = end ? end + 1 : NULL;
	for (l->n = 0; l->n < COLUMNS_MAX && line; l->n++) {
		l->columns[l->n] = line;
		line = l->n + 1 < COLUMNS_MAX ? strchr(line, ':') : NULL;
		if (line)
			*line++ = '\0';
	}
	return true;
}

static bool number(const char *s, uint32_t *ret)
{
	uint64_t v;
	es_err *err = str_to_u64(s, 10, &v);

	if (err || v > INT32_MAX) { /* as runc: ids are at most 2^31 - 1 */
		es_err_drop(err);
		return false;
	}
	*ret = (uint32_t)v;
	return true;
}

static bool find_user(struct arena *a, const char *word, bool is_number, uint32_t uid, const char *text,
		      struct passwd_user *u)
{
	struct lines l = { .at = text ? arena_strdup(a, text) : NULL };

	while (next_line(&l)) {
		uint32_t line_uid, line_gid;

		if (l.n < 4 || !number(l.columns[2], &line_uid) || !number(l.columns[3], &line_gid))
			continue;
		if (strcmp(l.columns[0], word) != 0 && !(is_number && line_uid == uid))
			continue;
		u->uid = line_uid;
		u->gid = line_gid;
		u->name = l.columns[0];
		u->home = l.n > 5 ? l.columns[5] : NULL;
		return true;
	}
	return false;
}

static bool find_group(struct arena *a, const char *word, const char *text, uint32_t *ret_gid)
{
	struct lines l = { .at = text ? arena_strdup(a, text) : NULL };

	while (next_line(&l))
		if (l.n >= 3 && strcmp(l.columns[0], word) == 0 && number(l.columns[2], ret_gid))
			return true;
	return number(word, ret_gid);
}

static void add_group(struct arena *a, struct passwd_user *u, uint32_t gid)
{
	uint32_t *more;

	for (size_t i = 0; i < u->n_groups; i++)
		if (u->groups[i] == gid)
			return;
	more = ARENA_ARRAY(a, uint32_t, u->n_groups + 1);
	if (u->n_groups)
		memcpy(more, u->groups, u->n_groups * sizeof *more);
	more[u->n_groups++] = gid;
	u->groups = more;
}

static void member_groups(struct arena *a, struct passwd_user *u, const char *text)
{
	struct lines l = { .at = text && u->name ? arena_strdup(a, text) : NULL };

	while (next_line(&l)) {
		char *save = NULL;
		uint32_t gid;

		if (l.n < 4 || !number(l.columns[2], &gid))
			continue;
		for (char *m = strtok_r(l.columns[3], ",", &save); m; m = strtok_r(NULL, ",", &save))
			if (strcmp(m, u->name) == 0)
				add_group(a, u, gid);
	}
}

es_err *passwd_lookup(struct arena *a, const char *user, const char *passwd, const char *group, char *const *extra,
		      struct passwd_user *ret)
{
	char *who = arena_strdup(a, user ? user : "");
	char *colon = strchr(who, ':');
	const char *primary = colon ? colon + 1 : NULL;
	struct passwd_user u = { 0 };
	bool is_number;
	uint32_t uid = 0;

	if (colon)
		*colon = '\0';
	is_number = !*who || number(who, &uid);
	u.uid = uid;
	if (!find_user(a, *who ? who : "0", is_number, uid, passwd, &u) && !is_number)
		return es_err_new(ES_E_INVALID, "unable to find user %s: no matching entries in passwd file", who);
	if (!str_empty(primary)) {
		if (!find_group(a, primary, group, &u.gid))
			return es_err_new(ES_E_INVALID, "unable to find group %s: no matching entries in group file", primary);
	} else {
		member_groups(a, &u, group);
	}
	for (size_t i = 0; extra && extra[i]; i++) {
		uint32_t gid;

		if (!find_group(a, extra[i], group, &gid))
			return es_err_new(ES_E_INVALID, "Unable to find group %s: no matching entries in group file", extra[i]);
		add_group(a, &u, gid);
	}
	*ret = u;
	return NULL;
}
