/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_dial.c: estiba system dial-stdio: the far end of ssh://. */
#include "cli/stream.h"

static es_err *run(struct cli *c)
{
	struct stream s = { .fd = -1, .raw = true, .with_stdin = true, .with_stdout = true, .signal_fd = -1 };
	enum stream_end end;
	es_err *err;
	int in, out;

	ES_TRY(client_dial(c, &in, &out));
	s.fd = in; /* a socket, over ssh too: one descriptor for both ways */
	err = stream_run(&s, &end);
	stream_done(&s);
	return err;
}

const struct cmd cmd_dial = {
	.paths = "system dial-stdio",
	.usage = "",
	.summary = "Connect standard input and output to the daemon's socket",
	.section = CMD_HIDDEN,
	.mode = OPT_INTERSPERSED,
	.run = run,
};
