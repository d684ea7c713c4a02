/* SPDX-License-Identifier: Apache-2.0 */
/* sshdial.c: a daemon behind ssh. */
#include "cli/sshdial.h"

#include <sys/socket.h>

#include "base/str.h"
#include "cli/helper.h"
#include "sys/spawn.h"

struct target {
	char *user, *host, *port, *path; /* NULL: not given; in the arena */
};

static es_err *bad(const char *url, const char *why)
{
	return es_err_new(ES_E_INVALID, "unable to resolve docker endpoint: ssh host connection is not valid: %s: %s", url, why);
}

static es_err *parse(struct arena *a, const char *url, struct target *ret)
{
	char *rest = arena_strdup(a, url + strlen("ssh://")), *slash = strchr(rest, '/'), *at, *colon;

	if (strpbrk(rest, "?#"))
		return bad(url, "extra query or fragment");
	if (slash && slash[1])
		ret->path = arena_strdup(a, slash);
	if (slash)
		*slash = '\0';
	at = strrchr(rest, '@');
	if (at) {
		*at = '\0';
		ret->user = rest;
		rest = at + 1;
		if (strchr(ret->user, ':'))
			return bad(url, "plain-text password is not supported");
	}
	colon = strrchr(rest, ':');
	if (colon && !strchr(colon, ']')) {
		*colon = '\0';
		ret->port = colon + 1;
	}
	if (*rest == '[' && rest[strlen(rest) - 1] == ']') {
		rest++;
		rest[strlen(rest) - 1] = '\0';
	}
	ret->host = rest;
	if (!*rest || *rest == '-' || (ret->user && *ret->user == '-')) /* would be read as an option by ssh */
		return bad(url, "no host specified");
	return NULL;
}

static char **command(struct arena *a, const struct target *t)
{
	char **argv = strv_arena_add(a, NULL, "ssh");
	const char *const front[] = { "-o", "ConnectTimeout=30", "-T", NULL };
	const char *const back[] = { "system", "dial-stdio", NULL };

	for (const char *const *p = front; *p; p++)
		argv = strv_arena_add(a, argv, *p);
	if (!str_empty(t->user))
		argv = strv_arena_add(a, strv_arena_add(a, argv, "-l"), t->user);
	if (!str_empty(t->port))
		argv = strv_arena_add(a, strv_arena_add(a, argv, "-p"), t->port);
	argv = strv_arena_add(a, strv_arena_add(a, strv_arena_add(a, argv, "--"), t->host), "docker");
	if (t->path)
		argv = strv_arena_add(a, strv_arena_add(a, argv, "--host"), arena_printf(a, "unix://%s", t->path));
	for (const char *const *p = back; *p; p++)
		argv = strv_arena_add(a, argv, *p);
	return argv;
}

es_err *sshdial(void *self, int *ret_in, int *ret_out)
{
	es_autoarena *a = arena_new();
	struct target t = { 0 };
	const char *program;
	extern char **environ;
	int pair[2];
	pid_t pid;
	es_err *err;

	ES_TRY(parse(a, self, &t));
	ES_TRY(helper_find(a, "ssh", &program));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return es_err_sys(errno, "socketpair");
	const struct spawn_fd fds[] = { { pair[1], 0 }, { pair[1], 1 }, { STDERR_FILENO, 2 } };

	/* A session of its own: what interrupts us is not to cut the connection. It ends when we close our end. */
	err = spawn_start(&(struct spawn){ .path = program, .argv = (const char *const *)command(a, &t), .env = environ, .fds = fds,
					   .n_fds = ES_N(fds), .new_session = true },
			  &pid, NULL);
	es_close(pair[1]);
	if (err) {
		es_close(pair[0]);
		return err;
	}
	*ret_in = *ret_out = pair[0];
	return NULL;
}
