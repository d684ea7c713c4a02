/* SPDX-License-Identifier: Apache-2.0 */
/* image_view.h: the files of an image without a container: list, read, compare, and mount for the user. */
#pragma once

#include "catalog/image.h"

/* One file of an image. */
struct image_file {
	const char *path;   /* absolute inside the image */
	const char *target; /* of a symbolic link; NULL: none */
	int64_t mode;       /* st_mode */
	int64_t uid, gid, size;
	int64_t mtime; /* ns */
};
extern const struct field image_file_fields[];

/* What lies at PATH, links resolved inside the image: the entries of a directory (with RECURSIVE all below it), sorted, or the one thing
 * itself. RET: of struct image_file. ES_E_NOT_FOUND, ES_E_LIMIT. */
#define IMAGE_FILES_MAX 300000u
es_err *image_files(const struct images *im, struct arena *a, const char *word, const char *path, bool recursive, struct field_list *ret) ES_CHECKED;
/* The bytes of the regular file PATH: a descriptor of the caller's. */
es_err *image_file_open(const struct images *im, struct arena *a, const char *word, const char *path, int *ret_fd) ES_CHECKED;

struct image_change {
	int64_t kind; /* docker's numbers: 0 changed, 1 added, 2 deleted */
	const char *path;
};
extern const struct field image_change_fields[];
/* What WORD has other than BASE. BASE NULL: the image it was made from here, else the largest one whose layers it begins with; ES_E_NOT_FOUND
 * when there is none. Sorted by path; a changed directory stands for its own mode, owner, or names. RET: of struct image_change. */
es_err *image_diff(const struct images *im, struct arena *a, const char *word, const char *base, struct field_list *ret) ES_CHECKED;

/* A view that the user asked for in the host's mount table: read-only, no set-user-ID, no devices. Outlives the daemon, not a boot. */
struct image_mounted {
	const char *target; /* absolute path on the host */
	const char *image;  /* id */
	char **names;       /* the image's */
};
extern const struct field image_mounted_fields[];
/* TARGET: an existing directory, absolute; NULL: one below DIR, made for it. ES_E_CONFLICT when something is mounted there already. */
es_err *image_mount(const struct images *im, struct arena *a, const char *word, const char *target, const char *dir,
		    struct image_mounted *ret) ES_CHECKED;
es_err *image_mounts(const struct images *im, struct arena *a, struct field_list *ret) ES_CHECKED;
/* WORD is a target, or an image: all of its mounts. ES_E_NOT_FOUND when there is none. RET: targets. */
es_err *image_unmount(const struct images *im, struct arena *a, const char *word, char ***ret_targets) ES_CHECKED;
/* Targets of image ID, NULL when there are none: what a removal must think of. */
es_err *image_mounts_of(const struct images *im, struct arena *a, const char *id, char ***ret_targets) ES_CHECKED;
