/* SPDX-License-Identifier: Apache-2.0 */
/* ctr_logs.c: what the log has so far, for a client that attaches with "logs". */
#include "base/file.h"
#include "engine/ctr_priv.h"
#include "engine/logread.h"

static es_err *send_entries(struct logread *l, const struct ctr_attach_opts *o, unsigned form, int fd)
{
	for (;;) {
		es_autobuf b = ES_BUF(LOGREAD_FORMAT_MAX);
		struct logread_entry entry;
		bool got;

		ES_TRY(logread_next(l, &entry, &got));
		if (!got)
			return NULL;
		if (entry.is_stderr ? !o->stderr_on : !o->stdout_on)
			continue;
		logread_format(&b, &entry, form);
		ES_TRY(es_buf_check(&b));
		ES_TRY(file_write_all(fd, b.p, b.len));
	}
}

es_err *ctr_logs_to_client(struct ctr *c, const struct ctr_attach_opts *o, int fd)
{
	es_autoarena *a = arena_new();
	struct ctr_log_info info;
	struct logread *l;
	es_err *err;

	ES_TRY(ctr_log_info(c->e, a, c->id, &info));
	ES_TRY(logread_open(info.path, -1, &l));
	es_err_drop(file_set_nonblock(fd, false));
	err = send_entries(l, o, info.tty ? 0 : LOGREAD_FRAMED, fd);
	es_err_drop(file_set_nonblock(fd, true));
	logread_close(l);
	return err;
}
