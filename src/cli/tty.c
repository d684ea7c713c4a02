/* SPDX-License-Identifier: Apache-2.0 */
/* tty.c: the caller's terminal: raw mode, size, questions, signals as a descriptor. */
#include "cli/tty.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"

#define TTY_LINE_MAX 65536

bool tty_is(int fd)
{
	return isatty(fd);
}

void tty_make_raw(struct tty *t)
{
	struct termios raw;

	if (t->raw || tcgetattr(STDIN_FILENO, &t->before) < 0)
		return;
	raw = t->before;
	cfmakeraw(&raw);
	t->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

void tty_restore(struct tty *t)
{
	if (t->raw)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
	t->raw = false;
}

bool tty_size(unsigned *ret_rows, unsigned *ret_columns)
{
	struct winsize ws;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) < 0 || (!ws.ws_row && !ws.ws_col))
		return false;
	*ret_rows = ws.ws_row;
	*ret_columns = ws.ws_col;
	return true;
}

static es_err *read_line(char **ret)
{
	es_autobuf line = ES_BUF(TTY_LINE_MAX);
	char c;

	for (;;) {
		ssize_t n = file_read_some(STDIN_FILENO, &c, 1);

		if (n < 0)
			return es_err_sys(errno, "read standard input");
		if (n == 0 || c == '\n')
			break;
		es_buf_addc(&line, c);
	}
	if (line.len && line.p[line.len - 1] == '\r')
		line.p[--line.len] = '\0';
	return es_buf_finish(&line, ret);
}

es_err *tty_ask(const char *prompt, bool echo, char **ret)
{
	struct termios before, quiet;
	bool hidden = !echo && tcgetattr(STDIN_FILENO, &before) == 0;
	es_err *err;

	es_err_drop(file_write_all(STDOUT_FILENO, prompt, strlen(prompt)));
	if (hidden) {
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
	}
	err = read_line(ret);
	if (hidden) {
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
		es_err_drop(file_write_all(STDOUT_FILENO, "\n", 1));
	}
	return err;
}

bool tty_confirm(const char *prompt)
{
	es_autofree char *answer = NULL;
	es_err *err = tty_ask(prompt, true, &answer);

	if (err) {
		es_err_free(err);
		return false;
	}
	str_lower(answer);
	return str_eq(str_trim(answer), "y") || str_eq(answer, "yes");
}

/* Signals. */

/* All that can be caught, but for those that speak about ourselves (CHLD, PIPE, URG, faults). */
static const int passed_on[] = {
	SIGHUP,	 SIGINT,  SIGQUIT, SIGABRT, SIGUSR1, SIGUSR2,	SIGALRM, SIGTERM, SIGCONT,   SIGTSTP,
	SIGTTIN, SIGTTOU, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO,	 SIGPWR,  SIGSTKFLT,
};

int tty_signals(bool with_winch_only)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	for (size_t i = 0; !with_winch_only && i < ES_N(passed_on); i++)
		sigaddset(&set, passed_on[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}
