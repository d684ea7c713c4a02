/* SPDX-License-Identifier: Apache-2.0 */
/* daemon.c: the life of estibad. */
#include "engine/daemon.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/daemon_conf.h"
#include "engine/daemon_proc.h"
#include "wire/http_server.h"

#define FIRST_INHERITED 3
#define TRIM_AFTER_NS (2 * CLOCK_NS_PER_S) /* idle for so long: give memory back */

/* A configuration that was read again; the engine has pointers into it. */
struct reloaded {
	struct daemon_conf conf;
	struct reloaded *before;
};

struct daemon {
	struct daemon_conf conf;
	char *const *argv;
	struct reloaded *reloaded;
	const struct daemon_door *door;
	struct daemon_lock lock;
	size_t inherited; /* sockets of the service manager */
	struct loop loop;
	struct http_server *server;
	struct engine *engine;
	void *answers; /* the door's */
	struct loop_timer idle_timer, trim_timer;
	int ready_fd; /* of a daemon started on demand; -1 */
	bool stopping;
};

/* Leaving. */

static void stopped(void *self)
{
	struct daemon *d = self;

	loop_stop(&d->loop);
}

static void stop(struct daemon *d)
{
	if (d->stopping)
		return;
	d->stopping = true;
	daemon_notify("STOPPING=1");
	http_server_stop(d->server, (int)(d->conf.shutdown_timeout * 1000), stopped, d);
}

/* Idle: a daemon that somebody starts again when it is needed leaves, unless containers need it. */

static bool may_leave(const struct daemon *d)
{
	return d->conf.on_demand || d->inherited;
}

static void idle_over(void *self)
{
	struct daemon *d = self;

	if (http_server_calls(d->server))
		return; /* the end of the last one sets the timer again */
	if (engine_is_busy(d->engine)) {
		loop_timer_set(&d->loop, &d->idle_timer, d->conf.idle_ns);
		return;
	}
	log_line(LOG_L_INFO, "idle: leaving until somebody calls again");
	stop(d);
}

static void trim(void *self)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

static void on_idle(void *self)
{
	struct daemon *d = self;

	if (d->stopping)
		return;
	loop_timer_set(&d->loop, &d->trim_timer, TRIM_AFTER_NS);
	if (may_leave(d))
		loop_timer_set(&d->loop, &d->idle_timer, d->conf.idle_ns);
}

/* Signals. */

static void set_log(const struct daemon_conf *c)
{
	enum log_level level = LOG_L_INFO;

	es_err_drop(log_level_parse(c->log_level, &level));
	log_setup(STDERR_FILENO, c->debug ? LOG_L_DEBUG : level, str_eq(c->log_format, "json"));
}

/* The flags are those of the start, the file may be another by now. What dockerd takes over while it runs is taken over; everything else is
 * fixed until the next start, and said so. */
static void reload(struct daemon *d)
{
	struct reloaded *r = ES_NEW(struct reloaded);
	es_err *err = daemon_conf_load(&r->conf, d->argv + 1);

	if (err) {
		log_err(err, "reload");
		daemon_conf_done(&r->conf);
		free(r);
		return;
	}
	r->before = d->reloaded;
	d->reloaded = r;
	d->conf.shutdown_timeout = r->conf.shutdown_timeout;
	set_log(&r->conf);
	engine_reload(d->engine, &r->conf.engine);
	log_line(LOG_L_INFO, "reload: taken from %s: debug, log-level, labels, insecure-registries, registry-mirrors, runtimes, default-runtime, "
			     "shutdown-timeout; other directives count from the next start", d->conf.config_file);
}

static void forget_reloaded(struct daemon *d)
{
	for (struct reloaded *r = d->reloaded, *before; r; r = before) {
		before = r->before;
		daemon_conf_done(&r->conf);
		free(r);
	}
}

static void on_signal(void *self, const struct signalfd_siginfo *si)
{
	struct daemon *d = self;

	if (si->ssi_signo == SIGHUP)
		reload(d);
	else
		stop(d);
}

static es_err *watch_signals(struct daemon *d)
{
	sigset_t set;

	(void)signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	return loop_signals(&d->loop, &set, on_signal, d);
}

/* Coming up, step by step; DOWN undoes what was done, in the opposite order. */

static es_err *up_lock(struct daemon *d)
{
	ES_TRY(daemon_lock(&d->conf, &d->lock));
	return daemon_pidfile_write(d->conf.pidfile);
}

static void down_lock(struct daemon *d)
{
	if (d->lock.exec_fd < 0)
		return;
	(void)unlink(d->conf.pidfile);
	daemon_lock_done(&d->lock);
}

static es_err *up_loop(struct daemon *d)
{
	ES_TRY(loop_init(&d->loop));
	return watch_signals(d); /* before the first thread, so that all of them block these signals */
}

static void down_loop(struct daemon *d)
{
	loop_done(&d->loop);
}

static es_err *up_engine(struct daemon *d)
{
	ES_TRY(engine_open(&d->conf.engine, &d->engine));
	d->answers = d->door->open(d->engine);
	return NULL;
}

static void down_engine(struct daemon *d)
{
	if (d->answers)
		d->door->close(d->answers);
	if (d->engine)
		engine_close(d->engine);
}

static es_err *up_server(struct daemon *d)
{
	struct http_server_config cfg = { .handler = d->door->handle, .quick = d->door->quick, .idle = on_idle, .self = d->answers };

	cfg.idle_self = d;
	ES_TRY(http_server_new(&d->loop, &cfg, &d->server));
	for (size_t i = 0; i < d->inherited; i++)
		ES_TRY(http_server_listen(d->server, (int)(FIRST_INHERITED + i)));
	for (char **h = d->conf.hosts; h && *h; h++) {
		int fd;

		if (str_starts(*h, "fd://"))
			continue;
		ES_TRY(daemon_listen(*h, d->conf.group, &fd));
		ES_TRY(http_server_listen(d->server, fd));
		log_line(LOG_L_INFO, "listening on %s", *h);
	}
	return NULL;
}

static void remove_sockets(const struct daemon *d)
{
	for (char **h = d->conf.hosts; h && *h; h++)
		if (str_starts(*h, "unix://"))
			(void)unlink(*h + strlen("unix://"));
}

static void down_server(struct daemon *d)
{
	if (!d->server)
		return;
	remove_sockets(d);
	http_server_free(d->server);
}

static const struct {
	const char *what;
	es_err *(*up)(struct daemon *d);
	void (*down)(struct daemon *d);
} steps[] = {
	{ "lock", up_lock, down_lock },
	{ "event loop", up_loop, down_loop },
	{ "engine", up_engine, down_engine },
	{ "server", up_server, down_server },
};

static es_err *serve(struct daemon *d)
{
	es_err *err = NULL;
	size_t n = 0;

	for (; n < ES_N(steps) && !err; n++)
		err = es_err_in(steps[n].up(d), "%s", steps[n].what);
	if (!err) {
		daemon_ready(ES_TAKE_FD(d->ready_fd), NULL);
		daemon_notify("READY=1");
		on_idle(d);
		err = loop_run(&d->loop);
	}
	while (n-- > 0)
		steps[n].down(d);
	return err;
}

/* The second start of a daemon on demand: free of its caller, which waits for a word. */
static es_err *serve_on_demand(struct daemon *d)
{
	es_err *err;

	d->ready_fd = (int)d->conf.ready_fd;
	ES_TRY(file_set_cloexec(d->ready_fd, true));
	err = serve(d);
	if (err && es_err_class(err) == ES_E_CONFLICT) {
		es_err_drop(err);
		err = daemon_wait_other(&d->conf); /* the one that was faster serves the caller as well */
	}
	daemon_ready(ES_TAKE_FD(d->ready_fd), err);
	daemon_leave_group();
	return err;
}

static es_err *run(struct daemon *d, char *const *argv)
{
	ES_TRY(daemon_conf_load(&d->conf, argv + 1));
	if (d->conf.help) {
		es_autobuf help = ES_BUF(1u << 20);

		opt_help(daemon_opts, 0, &help);
		printf("Usage: estibad [OPTIONS]\n\nA daemon that runs containers.\n\nOptions:\n%s", es_buf_str(&help));
		return NULL;
	}
	if (d->conf.version) {
		printf("estibad version %s\n", ESTIBA_VERSION);
		return NULL;
	}
	if (d->conf.validate) {
		printf("configuration OK\n");
		return NULL;
	}
	set_log(&d->conf);
	d->inherited = daemon_inherited();
	daemon_tune_memory();
	if (d->conf.on_demand && !d->conf.ready_fd)
		return daemon_detach(&d->conf, argv);
	daemon_raise_nofile();
	return d->conf.ready_fd ? serve_on_demand(d) : serve(d);
}

int daemon_main(char *const *argv, const struct daemon_door *door)
{
	struct daemon d = { .door = door, .argv = argv, .ready_fd = -1, .lock = { -1, -1 } };
	es_err *err;
	int status;

	d.idle_timer.fn = idle_over;
	d.trim_timer.fn = trim;
	d.idle_timer.self = d.trim_timer.self = &d;
	err = run(&d, argv);
	status = err ? 1 : 0;
	if (err)
		(void)fprintf(stderr, "estibad: %s\n", es_err_text(err));
	es_err_free(err);
	forget_reloaded(&d);
	daemon_conf_done(&d.conf);
	return status;
}
