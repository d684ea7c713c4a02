/* SPDX-License-Identifier: Apache-2.0 */
/* buildargs.h: the scopes of ARG: what the client gave, what stands before the first FROM, what a stage declared. */
#pragma once

#include "base/arena.h"
#include "codec/field.h"

struct buildargs {
	struct arena *arena;
	const struct field_map *given;  /* --build-arg: name → value; NULL value: named without one. Borrowed */
	struct field_map *global;       /* before the first FROM: name → default or NULL; platform arguments too */
	struct field_map *declared;     /* in this stage */
	struct field_map *used;         /* every name that was ever declared */
};

/* PLATFORM: "os/arch[/variant]" of what is built. */
void buildargs_init(struct buildargs *b, struct arena *a, const struct field_map *given, const char *platform);
void buildargs_declare_global(struct buildargs *b, const char *name, const char *value);
void buildargs_declare(struct buildargs *b, const char *name, const char *value);
void buildargs_leave_stage(struct buildargs *b);

/* Environments ("NAME=value", in the arena) for expansion: of FROM and global ARGs; inside a stage whose config has ENV. */
char **buildargs_global_env(const struct buildargs *b);
char **buildargs_stage_env(const struct buildargs *b, char *const *env);
/* What RUN gets besides ENV, sorted: declared arguments that ENV does not set. KEYED: those that history and cache see (the
 * proxies only when declared); else the proxies that the client gave as well. */
char **buildargs_run_env(const struct buildargs *b, char *const *env, bool keyed);
/* Names given and never declared, sorted; NULL when there are none. The proxies are always welcome. */
char **buildargs_unused(const struct buildargs *b);
