/* SPDX-License-Identifier: Apache-2.0 */
/* volume.h: named and anonymous local volumes: records, data directories, mounts at use, copy-up. */
#pragma once

#include "spec/docker_network.h"
#include "spec/filters.h"
#include "store/record.h"

/* Data lies in volumes/NAME/_data of the data root. Record kind "volume" (durable). Unknown: ES_E_NOT_FOUND
 * "get NAME: no such volume". Thread-safe; for worker threads. */
struct volumes;

struct volumes_ops {
	/* Containers (running or not) that have the volume NAME: ids in A, NULL-terminated; NULL: none. */
	char **(*users)(void *self, struct arena *a, const char *name);
	void (*event)(void *self, const char *action, const char *name, const struct field_map *attributes);
};

/* OPS may be NULL. Everything is borrowed. Mounts that the last boot left are forgotten. */
es_err *volumes_open(struct store *st, const struct volumes_ops *ops, void *self, struct volumes **ret) ES_CHECKED;
void volumes_close(struct volumes *v);

/* Whether a record of the container exists; true when that cannot be told. */
typedef bool volumes_has_container(void *self, const char *id);
/* At an open, when containers are known, before requests come: ends removals that a crash cut short, removes what a container owned that
 * did not come about or is gone (a create that was killed; --rm and a reboot), and empty directories that no record knows. */
es_err *volumes_recover(struct volumes *v, volumes_has_container *has_container) ES_CHECKED;

/* POST /volumes/create: idempotent for the same driver; NAME empty: 64 hex digits and the label of an anonymous one. */
es_err *volume_create(struct volumes *v, struct arena *a, const struct docker_volume_create *req, struct docker_volume *ret) ES_CHECKED;
es_err *volume_inspect(struct volumes *v, struct arena *a, const char *name, struct docker_volume *ret) ES_CHECKED;
/* RET: list of docker_volume. Filters: dangling driver label name. USAGE: with usage_data (walks the data). */
es_err *volume_list(struct volumes *v, struct arena *a, const struct filters *f, bool usage, struct field_list *ret) ES_CHECKED;
/* ES_E_CONFLICT "remove NAME: volume is in use - [ID]". FORCE: not there is success. */
es_err *volume_remove(struct volumes *v, const char *name, bool force) ES_CHECKED;
/* Anonymous ones without a container; with the filter all=true named ones too. Filters: all label label!. API below 142: all. */
es_err *volume_prune(struct volumes *v, struct arena *a, const struct filters *f, unsigned api, char ***ret_names,
		     uint64_t *ret_reclaimed) ES_CHECKED;

/* A container's create: make it unless it exists. */
struct volume_use {
	const char *name;
	const char *driver; /* NULL, "" and "local"; another: ES_E_NOT_FOUND in docker's words */
	const struct field_map *options, *labels;
	const char *owner;  /* id of the container that is being made; NULL: it stays without one. See volumes_recover() */
	bool anonymous;     /* gets docker's label */
};
/* *RET_PATH: its data directory, in A. */
es_err *volume_ensure(struct volumes *v, struct arena *a, const struct volume_use *use, const char **ret_path) ES_CHECKED;

/* Its owner is gone: it goes, unless another container has it. Missing is success; OWNER not NULL: and so is one of another owner. */
es_err *volume_leave(struct volumes *v, const char *name, const char *owner) ES_CHECKED;
/* Its owner leaves without it: the volume stays when TX (which removes the container) is done. Missing is success. */
es_err *volume_tx_keep(struct volumes *v, struct record_tx *tx, const char *name) ES_CHECKED;

/* One use of a volume by a running container; all borrowed. */
struct volume_mounting {
	const char *name, *container_id;
	const char *subpath; /* NULL: the whole volume */
	const char *destination, *propagation;
	bool rw;
};
/* A container's start: mount what has options of its own (tmpfs, bind, nfs …) if nobody has yet; *RET_FD (O_PATH, the
 * caller's) is the data directory, or the subpath of it resolved inside it. Told as the event "mount". */
es_err *volume_mount(struct volumes *v, const struct volume_mounting *m, int *ret_fd) ES_CHECKED;
/* Its end; the last user unmounts. Told as the event "unmount" unless QUIET: then it is only made sure. */
void volume_unmount(struct volumes *v, const char *name, const char *container_id, bool quiet);

/* Copy-up: what the image has at the mount point (the directory SRC_FD) into the volume NAME, whose data directory is DST_FD: content,
 * owners, modes, times, xattrs, links. Not empty: nothing is done. All of it or nothing, whatever happens in between. */
es_err *volume_fill(struct volumes *v, const char *name, int src_fd, int dst_fd) ES_CHECKED;
