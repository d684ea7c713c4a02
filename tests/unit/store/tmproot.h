/* SPDX-License-Identifier: Apache-2.0 */
/* tmproot.h: a store in a directory of its own that goes with the test. */
#pragma once

#include <fcntl.h>

#include "base/file.h"
#include "base/mem.h"
#include "store/store.h"

struct tmproot {
	char dir[64], data[96], exec[96];
};

static inline void tmproot_init(struct tmproot *t)
{
	snprintf(t->dir, sizeof t->dir, "/tmp/estiba-test.XXXXXX");
	CHECK(mkdtemp(t->dir));
	snprintf(t->data, sizeof t->data, "%s/data", t->dir);
	snprintf(t->exec, sizeof t->exec, "%s/exec", t->dir);
}

static inline void tmproot_done(struct tmproot *t)
{
	CHECK_OK(file_remove_tree(AT_FDCWD, t->dir));
}

static inline es_err *tmproot_open(const struct tmproot *t, struct store **ret)
{
	const char *bin = getenv("ESTIBA_BIN");
	es_autofree char *program = es_xasprintf("%s/estiba-layer", bin ? bin : "build/bin");

	const char *form_name = getenv("ESTIBA_TEST_LAYER_FORM");
	enum store_form form = STORE_FORM_AUTO;

	if (form_name)
		CHECK_OK(store_form_parse(form_name, &form));
	return store_open(&(struct store_options){ .data_root = t->data, .exec_root = t->exec, .layer_program = program, .layer_form = form }, ret);
}

/* Does PATH exist below the data root? */
static inline bool tmproot_has(const struct tmproot *t, const char *path)
{
	es_autofree char *full = es_xasprintf("%s/%s", t->data, path);

	return faccessat(AT_FDCWD, full, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}
