/* SPDX-License-Identifier: Apache-2.0 */
/* ctr_update.c: new limits and restart policies for a container that exists, and an image from what it has become (commit). */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/ctr_priv.h"
#include "catalog/image_io.h"
#include "engine/monlink.h"
#include "spec/oci_runtime.h"
#include "store/crashpoint.h"
#include "sys/spawn.h"

/* ---- update ---- */

static es_err *write_limits(struct ctr *c, struct arena *a, const struct docker_host_config *hc)
{
	struct oci_resources r = { 0 };
	es_autobuf text = ES_BUF(OCI_RUNTIME_CONFIG_MAX), said = ES_BUF(4096);
	es_autoclose int in = memfd_create("resources", MFD_CLOEXEC), out = memfd_create("error", MFD_CLOEXEC);
	char *root = arena_printf(a, "%s/run", c->e->cfg->exec_root);
	const char *argv[] = { "estiba-run", "--root", root, "update", "--resources", "-", c->id, NULL };
	const struct spawn_fd fds[] = { { in, 0 }, { out, 2 } };
	const struct spawn s = { .path = ctr_runtime_path(c), .argv = argv, .fds = fds, .n_fds = ES_N(fds) };
	es_autofree char *error = NULL;
	int status;

	if (in < 0 || out < 0)
		return es_err_sys(errno, "memfd_create");
	ctr_oci_limits(a, hc, &r);
	field_encode_text(&text, oci_resources_fields, &r);
	ES_TRY(es_buf_check(&text));
	ES_TRY(file_write_all(in, text.p, text.len));
	if (lseek(in, 0, SEEK_SET) < 0)
		return es_err_sys(errno, "lseek");
	ES_TRY(spawn_wait(&s, &status));
	if (status == 0)
		return NULL;
	(void)lseek(out, 0, SEEK_SET);
	es_err_drop(file_read_all(out, said.max, &error, NULL));
	return es_err_new(ES_E_INTERNAL, "Cannot update container %s: %s", c->id, error ? str_trim(error) : "the runtime failed");
}

static es_err *tell_restart(struct ctr *c, struct arena *a, const struct docker_host_config *hc)
{
	const struct mon_request req = { .op = "update",
					 .restart = { hc->restart_policy.name, hc->restart_policy.maximum_retry_count } };
	struct mon_reply reply;
	es_err *err = monlink_ask(a, c->run_dirfd, &req, -1, &reply);

	if (err && es_err_class(err) == ES_E_NOT_FOUND) { /* it ended meanwhile */
		es_err_free(err);
		return NULL;
	}
	return err;
}

/* Only these members can be changed; others in the body are docker's business of create. */
static es_err *updated(struct arena *a, const char *id, const struct docker_host_config *old, struct json *body, struct docker_host_config *ret)
{
	static const char *const changeable[] = { "BlkioWeight", "CpuPeriod", "CpuQuota", "CpuRealtimePeriod", "CpuRealtimeRuntime", "CpuShares",
						  "CpusetCpus", "CpusetMems", "Memory", "MemoryReservation", "MemorySwap", "NanoCpus",
						  "PidsLimit", "RestartPolicy" };
	struct json *few = json_new_object(a);

	for (size_t i = 0; i < ES_N(changeable); i++) {
		struct json *v = json_get(body, changeable[i]);
		bool zero = json_is(v, JSON_NUMBER) && json_i64(v, 1) == 0;
		bool empty = json_is(v, JSON_STRING) && v->len == 0;
		bool no_policy = json_is(v, JSON_OBJECT) && str_empty(json_str(json_get(v, "Name")));

		if (v && !json_is(v, JSON_NULL) && !zero && !empty && !no_policy) /* clients send zeros for "as it is" */
			json_set(a, few, changeable[i], json_copy(a, v));
	}
	*ret = *old;
	ES_TRY(field_decode(a, docker_host_config_fields, few, ret));
	if (json_get(few, "Memory") && !json_get(few, "MemorySwap") && old->memory_swap && old->memory_swap < ret->memory)
		return es_err_new(ES_E_INVALID, "Cannot update container %s: Memory limit should be smaller than already set memoryswap limit, "
						"update the memoryswap at the same time", id);
	if (ret->auto_remove && !str_eq(ret->restart_policy.name, "no"))
		return es_err_new(ES_E_INVALID, "Cannot update container %s: Restart policy cannot be updated because AutoRemove is enabled "
						"for the container", id);
	if (ret->pids_limit.set && ret->pids_limit.v < 0)
		ret->pids_limit.v = -1;
	return ctr_host_config_check(ret);
}

es_err *ctr_update(struct engine *e, struct arena *a, const char *ref, struct json *body, struct docker_update_reply *ret)
{
	es_autoctr *c = NULL;
	struct docker_host_config new_config, old_config;
	es_err *err;
	bool up;

	ES_TRY(ctr_find(e, ref, &c));
	(void)pthread_mutex_lock(&c->op);
	err = updated(a, c->id, c->rec->host_config, body, &new_config);
	up = ctr_is_up(c);
	if (!err && up)
		err = write_limits(c, a, &new_config);
	if (!err && up)
		err = tell_restart(c, a, &new_config);
	if (!err) {
		struct docker_host_config *kept = ARENA_NEW(c->arena, struct docker_host_config);

		old_config = *c->rec->host_config;
		(void)pthread_mutex_lock(&c->lock);
		err = field_copy(c->arena, docker_host_config_fields, &new_config, kept);
		if (!err)
			*c->rec->host_config = *kept;
		(void)pthread_mutex_unlock(&c->lock);
		if (!err)
			err = ctr_save(c);
		if (err)
			*c->rec->host_config = old_config;
	}
	(void)pthread_mutex_unlock(&c->op);
	ES_TRY(err);
	ctr_event(c, "update", NULL);
	ret->warnings = NULL;
	return NULL;
}

/* ---- commit ---- */

static es_err *commit_image(struct ctr *c, struct arena *a, const struct ref *name, const char *comment, const char *author,
			    char *const *changes, const struct docker_config *override, const char **ret_id)
{
	struct docker_config *cfg = ARENA_NEW(a, struct docker_config), own = { 0 };
	es_autofree char *command = strv_join(c->rec->args, " ");
	struct image_commit commit = {
		.kind = SNAPSHOT_CONTAINER, .snapshot_id = c->id, .base_id = c->rec->image_id, .config = cfg, .author = author,
		.comment = comment, .created_by = arena_printf(a, "%s%s%s", c->rec->path, *command ? " " : "", command), .ref = name,
	};

	ES_TRY(field_copy(a, docker_config_fields, c->rec->config, &own));
	/* A config that the client sends takes the place of the container's, which then only fills its gaps. */
	*cfg = override ? *override : own;
	ES_TRY(image_apply_changes(a, cfg, changes));
	if (override)
		ctr_config_merge(a, cfg, &own);
	if (!cfg->labels)
		cfg->labels = field_map_new(a); /* a container's are never null, and so are those of what it becomes */
	return image_commit(engine_images(c->e), a, &commit, ret_id);
}

/* Before the pause, so that one that outlives us is known for what it is. */
static void note_commit(struct ctr *c, bool begins)
{
	(void)pthread_mutex_lock(&c->lock);
	c->committing = begins;
	(void)pthread_mutex_unlock(&c->lock);
	ctr_save_live(c);
}

es_err *ctr_commit(struct engine *e, struct arena *a, const char *ref, const char *repo, const char *tag, const char *comment,
		   const char *author, bool pause, char *const *changes, const struct docker_config *override, char **ret_id)
{
	es_autoctr *c = NULL;
	struct ref name = { 0 };
	const char *id = NULL;
	bool paused_here = false;
	es_err *err;

	ES_TRY(ctr_find(e, ref, &c));
	if (!str_empty(repo))
		ES_TRY(image_tag_parse(a, repo, tag, &name));
	if (pause && c->status == CTR_RUNNING) {
		note_commit(c, true);
		err = ctr_pause(e, c->id);
		if (err) {
			note_commit(c, false);
			return err;
		}
		paused_here = true;
		crash_point(e->store, CRASH_COMMIT_PAUSED);
	}
	err = commit_image(c, a, str_empty(repo) ? NULL : &name, comment, author, changes, override, &id);
	if (paused_here) {
		log_err(ctr_unpause(e, c->id), "container %.12s: unpause after commit", c->id);
		note_commit(c, false);
	}
	ES_TRY(err);
	ctr_event(c, "commit", "comment", comment ? comment : "", "imageID", id, "imageRef", str_empty(repo) ? "" : ref_full(a, &name), NULL);
	*ret_id = arena_strdup(a, id);
	return NULL;
}
