/* SPDX-License-Identifier: Apache-2.0 */
/* signame.c: the table of signal names. */
#include "base/signame.h"

#include <ctype.h>
#include <signal.h>
#include <strings.h>

#include "base/str.h"

#define RTMIN_SEEN 34 /* the C library keeps 32 and 33 for itself; runtimes and docker count from here */
#define RTMAX_SEEN 64

static const struct {
	const char *name;
	int number;
} names[] = {
	{ "SIGHUP", SIGHUP },	{ "SIGINT", SIGINT },	    { "SIGQUIT", SIGQUIT },   { "SIGILL", SIGILL },
	{ "SIGTRAP", SIGTRAP }, { "SIGABRT", SIGABRT },	    { "SIGIOT", SIGABRT },    { "SIGBUS", SIGBUS },
	{ "SIGFPE", SIGFPE },	{ "SIGKILL", SIGKILL },	    { "SIGUSR1", SIGUSR1 },   { "SIGSEGV", SIGSEGV },
	{ "SIGUSR2", SIGUSR2 }, { "SIGPIPE", SIGPIPE },	    { "SIGALRM", SIGALRM },   { "SIGTERM", SIGTERM },
	{ "SIGSTKFLT", 16 },	{ "SIGCHLD", SIGCHLD },	    { "SIGCLD", SIGCHLD },    { "SIGCONT", SIGCONT },
	{ "SIGSTOP", SIGSTOP }, { "SIGTSTP", SIGTSTP },	    { "SIGTTIN", SIGTTIN },   { "SIGTTOU", SIGTTOU },
	{ "SIGURG", SIGURG },	{ "SIGXCPU", SIGXCPU },	    { "SIGXFSZ", SIGXFSZ },   { "SIGVTALRM", SIGVTALRM },
	{ "SIGPROF", SIGPROF }, { "SIGWINCH", SIGWINCH },   { "SIGIO", SIGIO },	      { "SIGPOLL", SIGIO },
	{ "SIGPWR", SIGPWR },	{ "SIGSYS", SIGSYS },	    { "SIGRTMIN", RTMIN_SEEN }, { "SIGRTMAX", RTMAX_SEEN },
};

/* "RTMIN+3", "RTMAX-1"; 0 when it is neither. */
static int real_time(const char *word)
{
	const char *rest = str_after(word, "SIGRTMIN+");
	int64_t n;
	es_err *err;

	if (!rest)
		rest = str_after(word, "SIGRTMAX-");
	if (!rest)
		return 0;
	err = str_to_i64(rest, 10, &n);
	if (err || n < 0 || n > RTMAX_SEEN - RTMIN_SEEN) {
		es_err_drop(err);
		return 0;
	}
	return (int)(word[6] == 'I' ? RTMIN_SEEN + n : RTMAX_SEEN - n);
}

es_err *signame_parse(const char *text, int *ret_signal)
{
	es_autofree char *word = NULL;
	int64_t n;
	es_err *err = str_to_i64(text, 10, &n);

	if (!err) {
		if (n < 1 || n > RTMAX_SEEN)
			return es_err_new(ES_E_INVALID, "invalid signal: %s", text);
		*ret_signal = (int)n;
		return NULL;
	}
	es_err_drop(err);
	word = es_xasprintf("%s%s", strncasecmp(text, "SIG", 3) == 0 ? "" : "SIG", text);
	for (char *p = word; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	for (size_t i = 0; i < ES_N(names); i++)
		if (strcmp(names[i].name, word) == 0) {
			*ret_signal = names[i].number;
			return NULL;
		}
	*ret_signal = real_time(word);
	return *ret_signal ? NULL : es_err_new(ES_E_INVALID, "invalid signal: %s", text);
}

const char *signame_of(int signal)
{
	for (size_t i = 0; i < ES_N(names); i++)
		if (names[i].number == signal)
			return names[i].name;
	return NULL;
}
