/* SPDX-License-Identifier: Apache-2.0 */
/* dfinstr.h: one instruction of a Dockerfile as a typed value. */
#pragma once

#include <sys/types.h>

#include "builder/dflex.h"

enum df_kind {
	DF_ADD, DF_ARG, DF_CMD, DF_COPY, DF_ENTRYPOINT, DF_ENV, DF_EXPOSE, DF_FROM, DF_HEALTHCHECK, DF_LABEL,
	DF_MAINTAINER, DF_ONBUILD, DF_RUN, DF_SHELL, DF_STOPSIGNAL, DF_USER, DF_VOLUME, DF_WORKDIR, DF_KIND_N
};

/* Of ENV, LABEL and ARG. Still quoted and not expanded. */
struct df_pair {
	const char *key;
	const char *value; /* NULL: ARG without a default */
};

enum df_mount_type { DF_M_BIND, DF_M_CACHE, DF_M_TMPFS, DF_M_SECRET, DF_M_SSH, DF_M_N };

/* RUN --mount; texts are not expanded yet. NULL: not given. */
struct df_mount {
	enum df_mount_type type;
	const char *id, *target, *source, *from, *env, *sharing, *uid, *gid, *mode, *size;
	bool readonly, readwrite, required;
};

struct df_instr {
	enum df_kind kind;
	unsigned line, last_line;
	const char *text; /* as printed behind "Step n/m : " */

	/* The arguments: the argv of RUN, CMD, ENTRYPOINT, SHELL, HEALTHCHECK CMD (in shell form one string); the sources
	 * of COPY and ADD; the words of EXPOSE and VOLUME; the one word of USER, WORKDIR, STOPSIGNAL, MAINTAINER, ONBUILD. */
	char **args;
	bool shell; /* argv in shell form */
	struct df_pair *pairs;
	size_t n_pairs;
	struct df_heredoc *heredocs; /* RUN: of a script with its own interpreter only, the rest is in args already */
	size_t n_heredocs;

	/* flags, by name; NULL or false when not given */
	const char *platform;                                   /* FROM */
	const char *from, *chown, *chmod, *checksum;            /* COPY, ADD */
	char **excludes;
	bool link, parents, keep_git_dir, unpack, unpack_given;
	char **mount_texts;                                     /* RUN, as written; parsed: */
	struct df_mount *mounts;
	size_t n_mounts;
	const char *network, *security;
	char **devices;
	const char *interval, *timeout, *start_period, *start_interval, *retries; /* HEALTHCHECK, as written; parsed: */
	int64_t interval_ns, timeout_ns, start_period_ns, start_interval_ns, retries_n;

	const char *dest;              /* COPY, ADD */
	const char *image, *stage_name; /* FROM; the name in lower case, NULL when there is none */
	bool none;                     /* HEALTHCHECK NONE */
};

/* Read one logical line. Two kinds of failure, as docker tells them apart: what the line reader refuses (*RET_SYNTAX true;
 * it wears the file's name) and what the instruction refuses (false; it wears the line). */
es_err *dfinstr_parse(struct arena *a, const struct df_line *line, char escape, struct df_instr *ret,
		      bool *ret_syntax) ES_CHECKED;
/* "RUN" … */
const char *dfinstr_name(enum df_kind kind);
/* "type=cache,target=/x" into *RET. */
es_err *dfmount_parse(struct arena *a, const char *text, struct df_mount *ret) ES_CHECKED;
