/* SPDX-License-Identifier: Apache-2.0 */
/* ctr_oci.c: a container's record as an OCI runtime configuration: docker's defaults, then what its user said. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/passwd.h"
#include "engine/ctr_priv.h"
#include "engine/secprofile.h"
#include "spec/oci_runtime.h"
#include "sys/caps.h"
#include "sys/cgroup.h"
#include "sys/mntns.h"
#include "sys/mount.h"
#include "sys/mountinfo.h"
#include "sys/ns.h"
#include "sys/pidfd.h"

/* Docker's default set; whoever runs as another user than root gets it as a bounding set only. */
static const char *const default_caps[] = {
	"CAP_CHOWN",  "CAP_DAC_OVERRIDE", "CAP_FSETID",		"CAP_FOWNER",	  "CAP_MKNOD", "CAP_NET_RAW",	 "CAP_SETGID",
	"CAP_SETUID", "CAP_SETFCAP",	  "CAP_SETPCAP",	"CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
};

struct build {
	struct ctr *c;
	struct arena *a;
	struct ctr_start *s;
	struct oci_spec *spec;
	const struct docker_config *cfg;
	const struct docker_host_config *hc;
	struct oci_mount *mounts;
	size_t n_mounts, cap_mounts;
};

/* ---- words and lists ---- */

static char **words(struct arena *a, const char *text)
{
	es_autostrv v = strv_split(text, ',');

	return strv_arena_dup(a, v);
}

static void add_mount(struct build *b, const char *destination, const char *type, const char *source, const char *options)
{
	if (b->n_mounts == b->cap_mounts) {
		size_t cap = b->cap_mounts ? 2 * b->cap_mounts : 16;
		struct oci_mount *more = ARENA_ARRAY(b->a, struct oci_mount, cap);

		if (b->n_mounts)
			memcpy(more, b->mounts, b->n_mounts * sizeof *more);
		b->mounts = more;
		b->cap_mounts = cap;
	}
	b->mounts[b->n_mounts++] = (struct oci_mount){
		.destination = destination, .type = type, .source = source, .options = words(b->a, options),
	};
}

static bool has_mount_at(const struct build *b, const char *destination)
{
	FIELD_LIST_EACH(struct ctr_mount, m, &b->c->rec->mounts)
		if (strcmp(m->destination, destination) == 0)
			return true;
	return false;
}

/* ---- capabilities ---- */

es_err *ctr_security_check(const struct docker_host_config *hc)
{
	const struct {
		char **list;
		const char *what;
	} lists[] = { { hc->cap_add, "CapAdd" }, { hc->cap_drop, "CapDrop" } };
	static const char *const known[] = { "no-new-privileges", "seccomp=", "apparmor=", "label=", "systempaths=" };

	for (size_t i = 0; i < ES_N(lists); i++)
		for (char **at = lists[i].list; at && *at; at++)
			if (!str_eq_nocase(*at, "ALL") && !str_eq_nocase(*at, "CAP_ALL") && caps_number(*at) < 0) {
				es_autofree char *upper = es_xstrdup(strncasecmp(*at, "cap_", 4) == 0 ? *at + 4 : *at);

				for (char *p = upper; *p; p++)
					*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
				return es_err_new(ES_E_INVALID, "invalid %s: unknown capability: \"CAP_%s\"", lists[i].what, upper);
			}
	for (char **at = hc->security_opt; at && *at; at++) {
		size_t i = 0;

		while (i < ES_N(known) && !str_starts(*at, known[i]))
			i++;
		if (i == ES_N(known))
			return es_err_new(ES_E_INVALID, "invalid --security-opt 2: \"%s\"", *at);
		if (str_starts(*at, "apparmor=") && strcmp(*at, "apparmor=unconfined") != 0 &&
		    access("/sys/kernel/security/apparmor", F_OK) < 0)
			return es_err_new(ES_E_INVALID, "AppArmor is not enabled on this host, but %s was asked for", *at);
	}
	return NULL;
}

static bool lists_cap(char *const *list, unsigned cap)
{
	for (; list && *list; list++)
		if (str_eq_nocase(*list, "ALL") || str_eq_nocase(*list, "CAP_ALL") || caps_number(*list) == (int)cap)
			return true;
	return false;
}

static bool names_all(char *const *list)
{
	for (; list && *list; list++)
		if (str_eq_nocase(*list, "ALL") || str_eq_nocase(*list, "CAP_ALL"))
			return true;
	return false;
}

/* What docker computes from --privileged, --cap-add and --cap-drop; what is in both lists is added. */
char **ctr_caps(struct arena *a, const struct docker_host_config *hc)
{
	char **out = NULL;

	for (unsigned cap = 0; cap <= CAPS_LAST; cap++) {
		bool on = hc->privileged && caps_in_bounds(cap);

		for (size_t i = 0; i < ES_N(default_caps); i++)
			on |= caps_number(default_caps[i]) == (int)cap && !hc->privileged;
		if (!hc->privileged) {
			bool dropped = lists_cap(hc->cap_drop, cap);
			bool added = lists_cap(hc->cap_add, cap);
			bool by_name = added && !names_all(hc->cap_add);

			on = (on || added) && (!dropped || by_name);
		}
		if (on)
			out = strv_arena_add(a, out, caps_name(cap));
	}
	return out ? out : ARENA_ARRAY(a, char *, 1);
}

static struct oci_caps *process_caps(struct arena *a, char **caps, uint32_t uid)
{
	struct oci_caps *sets = ARENA_NEW(a, struct oci_caps);
	char **none = ARENA_ARRAY(a, char *, 1);

	sets->bounding = caps;
	sets->effective = sets->permitted = uid == 0 ? caps : none;
	sets->inheritable = sets->ambient = none;
	return sets;
}

/* ---- process ---- */

static es_err *container_file(struct arena *a, int root_fd, const char *path, char **ret)
{
	es_autoclose int fd = mount_open_in(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	es_autofree char *text = NULL;

	*ret = NULL;
	if (fd < 0)
		return NULL; /* no such file is a fact, not an error */
	ES_TRY(es_err_in(file_read_all(fd, PASSWD_FILE_MAX, &text, NULL), "%s", path));
	*ret = arena_strdup(a, text);
	return NULL;
}

es_err *ctr_user(struct arena *a, int root_fd, const char *user, char *const *extra, struct passwd_user *ret)
{
	char *passwd, *group;

	ES_TRY(container_file(a, root_fd, "etc/passwd", &passwd));
	ES_TRY(container_file(a, root_fd, "etc/group", &group));
	return passwd_lookup(a, user, passwd, group, extra, ret);
}

/* The primary group is among the additional ones: else a set-group-id program could drop it, and with it what is denied to that
 * group (CVE-2022-36109). */
static struct oci_user process_user(struct arena *a, const struct passwd_user *u)
{
	uint32_t *groups = ARENA_ARRAY(a, uint32_t, u->n_groups + 1);
	size_t n = 0;

	groups[n++] = u->gid;
	for (size_t i = 0; i < u->n_groups; i++)
		if (u->groups[i] != u->gid)
			groups[n++] = u->groups[i];
	return (struct oci_user){ .uid = u->uid, .gid = u->gid, .additional_gids = oci_runtime_gids_json(a, groups, n) };
}

static char **process_env(struct arena *a, const struct docker_config *cfg, bool tty, const char *home)
{
	char **env = NULL;
	bool has_home = false;

	if (!strv_env_get(cfg->env, "PATH"))
		env = strv_arena_add(a, env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	for (size_t i = 0; cfg->env && cfg->env[i]; i++)
		if (str_starts(cfg->env[i], "PATH="))
			env = strv_arena_add(a, env, cfg->env[i]);
	if (!strv_env_get(cfg->env, "HOSTNAME"))
		env = strv_arena_add(a, env, arena_printf(a, "HOSTNAME=%s", cfg->hostname));
	if (tty && !strv_env_get(cfg->env, "TERM"))
		env = strv_arena_add(a, env, "TERM=xterm");
	for (size_t i = 0; cfg->env && cfg->env[i]; i++) {
		if (str_starts(cfg->env[i], "PATH=") || !strchr(cfg->env[i], '='))
			continue; /* "NAME" alone takes a variable of the image away */
		env = strv_arena_add(a, env, cfg->env[i]);
		has_home |= str_starts(cfg->env[i], "HOME=");
	}
	if (!has_home)
		env = strv_arena_add(a, env, arena_printf(a, "HOME=%s", str_empty(home) ? "/" : home));
	return env;
}

static void add_rlimit(struct arena *a, struct oci_rlimit *list, size_t *n, const char *name, int64_t soft, int64_t hard)
{
	char *type = arena_printf(a, "RLIMIT_%s", name);
	size_t i = 0;

	for (char *p = type; *p; p++)
		*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
	while (i < *n && strcmp(list[i].type, type) != 0)
		i++;
	list[i] = (struct oci_rlimit){ .type = type, .soft = (uint64_t)soft, .hard = (uint64_t)hard };
	if (i == *n)
		(*n)++;
}

static es_err *rlimits(struct build *b, struct oci_process *p)
{
	char **defaults = b->c->e->cfg->default_ulimits;
	size_t max = strv_len(defaults) + b->hc->ulimits.n, n = 0;
	struct oci_rlimit *list = ARENA_ARRAY(b->a, struct oci_rlimit, max + 1);

	for (; defaults && *defaults; defaults++) {
		es_autofree char *name = es_xstrdup(*defaults);
		char *value = strchr(name, '='), *hard_text;
		int64_t soft, hard;

		if (!value)
			return es_err_new(ES_E_INVALID, "default-ulimit \"%s\": no value", *defaults);
		*value++ = '\0';
		hard_text = strchr(value, ':');
		if (hard_text)
			*hard_text++ = '\0';
		ES_TRY(str_to_i64(value, 10, &soft));
		ES_TRY(str_to_i64(hard_text ? hard_text : value, 10, &hard));
		add_rlimit(b->a, list, &n, name, soft, hard);
	}
	FIELD_LIST_EACH(struct docker_ulimit, u, &b->hc->ulimits)
		add_rlimit(b->a, list, &n, u->name, u->soft, u->hard);
	p->rlimits = (struct field_list){ .items = list, .n = n, .set = n > 0 };
	return NULL;
}

bool ctr_no_new_privileges(const struct engine_config *cfg, const struct docker_host_config *hc)
{
	bool on = cfg->no_new_privileges;

	for (char **at = hc->security_opt; at && *at; at++) {
		const char *rest = str_after(*at, "no-new-privileges");

		if (rest)
			on = !*rest || strcmp(rest + 1, "true") == 0;
	}
	return on;
}

static es_err *process(struct build *b)
{
	struct oci_process *p = ARENA_NEW(b->a, struct oci_process);
	struct ctr_record *rec = b->c->rec;
	struct passwd_user u;
	char **args = ARENA_ARRAY(b->a, char *, strv_len(rec->args) + 2);
	size_t n = 0;

	ES_TRY(ctr_user(b->a, b->s->rootfs_fd, b->cfg->user, b->hc->group_add, &u));
	if (b->hc->init.set && b->hc->init.v) {
		args = ARENA_ARRAY(b->a, char *, strv_len(rec->args) + 4);
		args[n++] = arena_strdup(b->a, "/sbin/docker-init");
		args[n++] = arena_strdup(b->a, "--");
	}
	args[n++] = arena_strdup(b->a, rec->path);
	for (size_t i = 0; rec->args && rec->args[i]; i++)
		args[n++] = rec->args[i];
	p->terminal = b->cfg->tty;
	p->cwd = str_empty(b->cfg->working_dir) ? "/" : b->cfg->working_dir;
	p->args = args;
	p->env = process_env(b->a, b->cfg, b->cfg->tty, u.home);
	p->user = process_user(b->a, &u);
	p->capabilities = process_caps(b->a, ctr_caps(b->a, b->hc), u.uid);
	p->no_new_privileges = ctr_no_new_privileges(b->c->e->cfg, b->hc);
	p->oom_score_adj = (struct field_opt_i64){ .set = true, .v = b->hc->oom_score_adj };
	if (json_is(b->hc->console_size, JSON_ARRAY) && b->hc->console_size->n == 2 &&
	    json_i64(json_at(b->hc->console_size, 0), 0) > 0) {
		p->console_size = ARENA_NEW(b->a, struct oci_console_size);
		p->console_size->height = (uint32_t)json_i64(json_at(b->hc->console_size, 0), 0);
		p->console_size->width = (uint32_t)json_i64(json_at(b->hc->console_size, 1), 0);
	}
	ES_TRY(rlimits(b, p));
	b->s->uid = u.uid;
	b->s->gid = u.gid;
	b->spec->process = p;
	return NULL;
}

/* ---- namespaces ---- */

/* A namespace of another container, as a descriptor: a path by its pid would be another process's by the time of a restart. */
static es_err *join_open(struct build *b, const char *mode, enum ns_kind kind, int *ret_fd, int64_t *ret_pid)
{
	es_autoctr *other = NULL;
	es_autoclose int fd = -1, proof = -1;
	es_autofree char *path = NULL;
	uint64_t ticks;
	int64_t pid;

	ES_TRY(ctr_find(b->c->e, mode + strlen("container:"), &other));
	(void)pthread_mutex_lock(&other->lock);
	pid = ctr_is_up(other) ? other->pid : 0;
	ticks = other->start_ticks;
	(void)pthread_mutex_unlock(&other->lock);
	if (!pid)
		return es_err_new(ES_E_CONFLICT, "cannot join namespace of a non running container: container %.12s is not running",
				  other->id);
	path = es_xasprintf("/proc/%lld/ns/%s", (long long)pid, ns_rows[kind].file);
	ES_TRY(ns_open(kind, path, &fd));
	ES_TRY(es_err_in(pidfd_of_proven((pid_t)pid, ticks, &proof), "container %.12s", other->id)); /* it was the same process all the time */
	*ret_fd = ES_TAKE_FD(fd);
	*ret_pid = pid;
	return NULL;
}

/* Takes FD; a name for it in *RET. */
static es_err *give_fd(struct build *b, int fd, const char *use, const char **ret)
{
	int number = ctr_give_fd(b->s, fd, use, true);

	if (number < 0) {
		es_close(fd);
		return es_err_new(ES_E_LIMIT, "more than %d volumes, ports and clients", CTR_FDS_MAX);
	}
	*ret = arena_printf(b->a, "/proc/self/fd/%d", number);
	return NULL;
}

static es_err *join_namespace(struct build *b, const char *mode, enum ns_kind kind, const char **ret_path)
{
	int64_t pid;
	int fd;

	ES_TRY(join_open(b, mode, kind, &fd, &pid));
	if (ctr_runtime_is_ours(b->c))
		return give_fd(b, fd, "runtime", ret_path);
	es_close(fd);
	*ret_path = arena_printf(b->a, "/proc/%lld/ns/%s", (long long)pid, ns_rows[kind].file);
	return NULL;
}

/* The one that start_network opened; of another container when MODE says so. */
static es_err *network_namespace(struct build *b, const char *mode, const char **ret_path)
{
	const char *ref = str_after(mode, "container:");
	es_autoctr *other = NULL;

	if (ctr_runtime_is_ours(b->c)) {
		*ret_path = arena_printf(b->a, "/proc/self/fd/%d", CTR_FD_NETNS);
		return NULL;
	}
	if (ref)
		ES_TRY(ctr_find(b->c->e, ref, &other));
	*ret_path = arena_printf(b->a, "%s/netns/%s", b->c->e->cfg->exec_root, other ? other->id : b->c->id);
	return NULL;
}

static es_err *namespaces(struct build *b)
{
	const struct {
		enum ns_kind kind;
		const char *mode;
	} rows[] = {
		{ NS_MOUNT, "" },
		{ NS_NET, b->hc->network_mode },
		{ NS_UTS, b->hc->uts_mode },
		{ NS_PID, b->hc->pid_mode },
		{ NS_IPC, b->hc->ipc_mode },
		{ NS_CGROUP, b->hc->cgroupns_mode },
	};
	struct oci_namespace *list = ARENA_ARRAY(b->a, struct oci_namespace, ES_N(rows));
	size_t n = 0;

	for (size_t i = 0; i < ES_N(rows); i++) {
		const char *mode = rows[i].mode ? rows[i].mode : "";
		const char *path = NULL;

		if (strcmp(mode, "host") == 0)
			continue;
		if (rows[i].kind == NS_NET && b->s->netns_fd >= 0)
			ES_TRY(network_namespace(b, mode, &path));
		else if (str_starts(mode, "container:"))
			ES_TRY(join_namespace(b, mode, rows[i].kind, &path));
		list[n++] = (struct oci_namespace){ .type = ns_rows[rows[i].kind].name, .path = path };
	}
	b->spec->linux_->namespaces = (struct field_list){ .items = list, .n = n, .set = true };
	return NULL;
}

/* ---- mounts ---- */

/* The other container's tmpfs, as it shows it. */
static es_err *join_shm(struct build *b, const char *ipc)
{
	es_autoclose int ns = -1;
	const char *path;
	int64_t pid;
	int fd;

	if (!ctr_runtime_is_ours(b->c)) /* a mount of another namespace has no path */
		return es_err_new(ES_E_UNSUPPORTED, "--ipc %s needs this engine's own runtime", ipc);
	ES_TRY(join_open(b, ipc, NS_MOUNT, &ns, &pid));
	ES_TRY(es_err_in(mntns_clone(ns, "/dev/shm", &fd), "/dev/shm of the other container"));
	ES_TRY(give_fd(b, fd, "mount", &path));
	add_mount(b, "/dev/shm", "bind", path, "bind,rprivate");
	return NULL;
}

static es_err *ipc_mounts(struct build *b)
{
	const char *ipc = b->hc->ipc_mode;

	if (has_mount_at(b, "/dev/shm"))
		return NULL;
	if (strcmp(ipc, "host") == 0) {
		add_mount(b, "/dev/shm", "bind", "/dev/shm", "rbind,rprivate");
		if (access("/dev/mqueue", F_OK) == 0)
			add_mount(b, "/dev/mqueue", "bind", "/dev/mqueue", "rbind,rprivate");
		return NULL;
	}
	if (str_starts(ipc, "container:")) {
		ES_TRY(join_shm(b, ipc));
	} else if (strcmp(ipc, "none") != 0) {
		add_mount(b, "/dev/shm", "tmpfs", "shm",
			  arena_printf(b->a, "nosuid,noexec,nodev,mode=1777,size=%lld", (long long)b->hc->shm_size));
	}
	add_mount(b, "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev");
	return NULL;
}

static es_err *kernel_mounts(struct build *b)
{
	bool privileged = b->hc->privileged;

	add_mount(b, "/proc", "proc", "proc", "nosuid,noexec,nodev");
	add_mount(b, "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k");
	add_mount(b, "/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5");
	add_mount(b, "/sys", "sysfs", "sysfs", privileged ? "nosuid,noexec,nodev,rw" : "nosuid,noexec,nodev,ro");
	add_mount(b, "/sys/fs/cgroup", "cgroup", "cgroup", privileged ? "nosuid,noexec,nodev,rw" : "nosuid,noexec,nodev,ro");
	return ipc_mounts(b);
}

/* The engine's own three files, unless the user mounts something there. */
static void network_files(struct build *b)
{
	static const struct {
		const char *file, *at;
	} rows[] = { { "resolv.conf", "/etc/resolv.conf" }, { "hostname", "/etc/hostname" }, { "hosts", "/etc/hosts" } };
	const char *root = store_root(b->c->e->store);

	for (size_t i = 0; i < ES_N(rows); i++) {
		char *path = arena_printf(b->a, "%s/containers/%s/%s", root, b->c->id, rows[i].file);

		if (has_mount_at(b, rows[i].at) || access(path, F_OK) < 0)
			continue;
		add_mount(b, rows[i].at, "bind", path, b->hc->readonly_rootfs ? "rbind,rprivate,ro" : "rbind,rprivate");
	}
}

/* Propagation needs a source that has peers, and a root that lets it through; docker's words. */
static es_err *propagate(struct build *b, const struct ctr_mount *m)
{
	const char *how = m->propagation ? m->propagation : "";
	bool shared = str_ends(how, "shared"), slave = str_ends(how, "slave");
	const char *root = store_root(b->c->e->store);
	struct oci_linux *l = b->spec->linux_;
	struct mountinfo at;

	if (strcmp(m->type, "bind") != 0 || (!shared && !slave))
		return NULL;
	ES_TRY(mountinfo_of(b->a, m->source, &at));
	if (shared && !at.shared)
		return es_err_new(ES_E_INTERNAL, "path %s is mounted on %s but it is not a shared mount", m->source, at.point);
	if (slave && !at.shared && !at.slave && !str_starts(m->source, root) && !str_starts(root, m->source))
		return es_err_new(ES_E_INTERNAL, "path %s is mounted on %s but it is not a shared or slave mount", m->source, at.point);
	if (shared)
		l->rootfs_propagation = "shared";
	else if (!l->rootfs_propagation)
		l->rootfs_propagation = "rslave";
	return NULL;
}

static es_err *user_mount(struct build *b, const struct ctr_mount *m)
{
	const char *by_fd = field_map_get(b->s->volume_fds, m->destination);

	if (strcmp(m->type, "tmpfs") == 0) {
		const char *more = str_empty(m->options) ? "" : m->options;

		add_mount(b, m->destination, "tmpfs", "tmpfs",
			  arena_printf(b->a, "%s%s%s%s", "noexec,nosuid,nodev", *more ? "," : "", more,
				       m->rw ? "" : ",ro"));
		return NULL;
	}
	ES_TRY(propagate(b, m));
	add_mount(b, m->destination, "bind", by_fd ? by_fd : m->source,
		  arena_printf(b->a, "%s,%s%s", m->non_recursive ? "bind" : "rbind",
			       str_empty(m->propagation) ? "rprivate" : m->propagation,
			       m->rw ? "" : m->ro_shallow ? ",ro" : ",rro"));
	return NULL;
}

static size_t depth(const char *path)
{
	size_t n = 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

/* Outer destinations first; otherwise in the order given. */
static es_err *user_mounts(struct build *b)
{
	size_t deepest = 0;

	FIELD_LIST_EACH(struct ctr_mount, m, &b->c->rec->mounts)
		if (depth(m->destination) > deepest)
			deepest = depth(m->destination);
	for (size_t d = 0; d <= deepest; d++)
		FIELD_LIST_EACH(struct ctr_mount, m, &b->c->rec->mounts)
			if (depth(m->destination) == d)
				ES_TRY(user_mount(b, m));
	return NULL;
}

static es_err *init_mount(struct build *b)
{
	const char *path = b->c->e->cfg->init_path;
	char *found = NULL;

	if (!b->hc->init.set || !b->hc->init.v)
		return NULL;
	if (!path) {
		es_err *err = file_companion("estiba-init", &found);

		if (err)
			return es_err_in(err, "--init");
		arena_own(b->a, found);
		path = found;
	}
	add_mount(b, "/sbin/docker-init", "bind", path, "bind,rprivate,ro");
	return NULL;
}

/* ---- devices ---- */

struct devices {
	struct oci_device *nodes;
	struct oci_device_rule *rules;
	size_t n_nodes, n_rules, cap;
};

static void add_rule(struct devices *d, bool allow, const char *type, int64_t major, int64_t minor, const char *access)
{
	d->rules[d->n_rules++] = (struct oci_device_rule){
		.allow = allow, .type = type, .access = access,
		.major = { .set = major >= 0, .v = major }, .minor = { .set = minor >= 0, .v = minor },
	};
}

static void add_node(struct arena *a, struct devices *d, const struct stat *st, const char *path)
{
	(void)a;
	d->nodes[d->n_nodes++] = (struct oci_device){
		.type = S_ISBLK(st->st_mode) ? "b" : "c", .path = path,
		.major = major(st->st_rdev), .minor = minor(st->st_rdev),
		.file_mode = { .set = true, .v = st->st_mode & 07777 },
		.uid = { .set = true, .v = st->st_uid }, .gid = { .set = true, .v = st->st_gid },
	};
}

#define DEVICES_MAX 4096u /* of one container; a host's whole /dev has some hundreds */

static es_err *host_devices(struct build *b, struct devices *d, const char *dir, const char *target, unsigned level)
{
	static const char *const skip[] = { ".", "..", "pts", "shm", "fd", "mqueue", "console", "ptmx", "core", "stdin", "stdout",
					    "stderr", ".udev", ".lxc", ".lxd-mounts" };
	DIR *dp = opendir(dir);
	es_err *err = NULL;
	struct dirent *de;

	if (!dp)
		return es_err_sys(errno, "open %s", dir);
	while (!err && (de = readdir(dp))) {
		char *path = arena_printf(b->a, "%s/%s", dir, de->d_name);
		char *at = arena_printf(b->a, "%s/%s", target, de->d_name);
		struct stat st;
		bool skipped = false;

		for (size_t i = 0; i < ES_N(skip); i++)
			skipped |= strcmp(de->d_name, skip[i]) == 0;
		if (skipped || lstat(path, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode) && level < 8)
			err = host_devices(b, d, path, at, level + 1);
		else if ((S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) && d->n_nodes < d->cap)
			add_node(b->a, d, &st, at);
	}
	(void)closedir(dp);
	return err;
}

static es_err *one_device(struct build *b, struct devices *d, const struct docker_device *dev)
{
	const char *in = str_empty(dev->path_in_container) ? dev->path_on_host : dev->path_in_container;
	const char *access = str_empty(dev->cgroup_permissions) ? "rwm" : dev->cgroup_permissions;
	struct stat st;
	size_t from = d->n_nodes;

	if (stat(dev->path_on_host, &st) < 0)
		return es_err_new(ES_E_INVALID, "error gathering device information while adding custom device \"%s\": %s",
				  dev->path_on_host, errno == ENOENT ? "no such file or directory" : strerror(errno));
	if (S_ISDIR(st.st_mode))
		ES_TRY(host_devices(b, d, dev->path_on_host, in, 0));
	else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		add_node(b->a, d, &st, in);
	else
		return es_err_new(ES_E_INVALID, "error gathering device information while adding custom device \"%s\": not a device node",
				  dev->path_on_host);
	for (size_t i = from; i < d->n_nodes; i++)
		add_rule(d, true, d->nodes[i].type, d->nodes[i].major, d->nodes[i].minor, access);
	return NULL;
}

/* "c 189:* rwm" */
static es_err *cgroup_rule(struct arena *a, struct devices *d, const char *text)
{
	char type[2], major_text[12], minor_text[12], access[4];
	int used = 0;

	if (sscanf(text, "%1[abc] %11[0-9*]:%11[0-9*] %3[rwm]%n", type, major_text, minor_text, access, &used) != 4 || text[used])
		return es_err_new(ES_E_INVALID, "invalid device cgroup rule format: '%s'", text);
	add_rule(d, true, arena_strdup(a, type), *major_text == '*' ? -1 : atoll(major_text),
		 *minor_text == '*' ? -1 : atoll(minor_text), arena_strdup(a, access));
	return NULL;
}

/* Lists of lists of words as Go prints them: [[gpu nvidia]]. */
static void add_words(struct es_buf *b, const struct json *v)
{
	const char *between = "";

	if (!json_is(v, JSON_ARRAY)) {
		es_buf_adds(b, json_str(v) ? json_str(v) : "");
		return;
	}
	es_buf_addc(b, '[');
	JSON_EACH(at, v) {
		es_buf_adds(b, between);
		add_words(b, at);
		between = " ";
	}
	es_buf_addc(b, ']');
}

/* There are no drivers of devices (--gpus): what asks for one does not start, as with docker on a machine that has none. */
static es_err *check_device_requests(const struct docker_host_config *hc)
{
	es_autobuf caps = ES_BUF(4096);

	FIELD_LIST_EACH(struct docker_device_request, r, &hc->device_requests) {
		add_words(&caps, r->capabilities);
		return es_err_new(ES_E_INVALID, "could not select device driver \"%s\" with capabilities: %s", r->driver ? r->driver : "",
				  es_buf_str(&caps));
	}
	return NULL;
}

static es_err *devices(struct build *b)
{
	static const struct {
		const char *type;
		int64_t major, minor;
		const char *access;
	} defaults[] = {
		{ "c", -1, -1, "m" },  { "b", -1, -1, "m" },  { "c", 1, 3, "rwm" },   { "c", 1, 5, "rwm" },  { "c", 1, 7, "rwm" },
		{ "c", 1, 8, "rwm" },  { "c", 1, 9, "rwm" },  { "c", 5, 0, "rwm" },   { "c", 5, 1, "rwm" },  { "c", 5, 2, "rwm" },
		{ "c", 136, -1, "rwm" },
	};
	struct devices d = { .cap = DEVICES_MAX };
	struct oci_resources *r = b->spec->linux_->resources;
	size_t max = DEVICES_MAX + ES_N(defaults) + b->hc->devices.n + strv_len(b->hc->device_cgroup_rules) + 2;

	ES_TRY(check_device_requests(b->hc));
	d.nodes = ARENA_ARRAY(b->a, struct oci_device, b->hc->privileged || b->hc->devices.n ? DEVICES_MAX : 1);
	d.rules = ARENA_ARRAY(b->a, struct oci_device_rule, b->hc->devices.n ? max : max - DEVICES_MAX);
	if (b->hc->privileged) {
		add_rule(&d, true, "a", -1, -1, "rwm");
		ES_TRY(host_devices(b, &d, "/dev", "/dev", 0));
	} else {
		add_rule(&d, false, "a", -1, -1, "rwm");
		for (size_t i = 0; i < ES_N(defaults); i++)
			add_rule(&d, true, defaults[i].type, defaults[i].major, defaults[i].minor, defaults[i].access);
		FIELD_LIST_EACH(struct docker_device, dev, &b->hc->devices)
			ES_TRY(one_device(b, &d, dev));
		for (size_t i = 0; b->hc->device_cgroup_rules && b->hc->device_cgroup_rules[i]; i++)
			ES_TRY(cgroup_rule(b->a, &d, b->hc->device_cgroup_rules[i]));
	}
	b->spec->linux_->devices = (struct field_list){ .items = d.nodes, .n = d.n_nodes, .set = true };
	r->devices = (struct field_list){ .items = d.rules, .n = d.n_rules, .set = true };
	return NULL;
}

/* ---- limits ---- */

static struct field_opt_i64 positive(int64_t v)
{
	return (struct field_opt_i64){ .set = v != 0, .v = v };
}

static es_err *throttle(struct build *b, const struct field_list *in, struct field_list *out)
{
	struct oci_throttle_device *list = ARENA_ARRAY(b->a, struct oci_throttle_device, in->n + 1);
	size_t n = 0;

	FIELD_LIST_EACH(struct docker_throttle_device, t, in) {
		struct stat st;

		if (stat(t->path, &st) < 0)
			return es_err_new(ES_E_INVALID, "%s: %s", t->path, strerror(errno));
		list[n++] = (struct oci_throttle_device){ major(st.st_rdev), minor(st.st_rdev), t->rate };
	}
	*out = (struct field_list){ .items = list, .n = n, .set = n > 0 };
	return NULL;
}

static es_err *block_io(struct build *b, struct oci_resources *r)
{
	const struct docker_host_config *hc = b->hc;
	struct oci_block_io *io = ARENA_NEW(b->a, struct oci_block_io);
	struct oci_weight_device *list = ARENA_ARRAY(b->a, struct oci_weight_device, hc->blkio_weight_device.n + 1);
	size_t n = 0;

	if (!hc->blkio_weight && !hc->blkio_weight_device.n && !hc->blkio_device_read_bps.n && !hc->blkio_device_write_bps.n &&
	    !hc->blkio_device_read_iops.n && !hc->blkio_device_write_iops.n)
		return NULL;
	io->weight = positive(hc->blkio_weight);
	FIELD_LIST_EACH(struct docker_weight_device, w, &hc->blkio_weight_device) {
		struct stat st;

		if (stat(w->path, &st) < 0)
			return es_err_new(ES_E_INVALID, "%s: %s", w->path, strerror(errno));
		list[n++] = (struct oci_weight_device){ .major = major(st.st_rdev), .minor = minor(st.st_rdev),
							.weight = positive(w->weight) };
	}
	io->weight_device = (struct field_list){ .items = list, .n = n, .set = n > 0 };
	ES_TRY(throttle(b, &hc->blkio_device_read_bps, &io->read_bps));
	ES_TRY(throttle(b, &hc->blkio_device_write_bps, &io->write_bps));
	ES_TRY(throttle(b, &hc->blkio_device_read_iops, &io->read_iops));
	ES_TRY(throttle(b, &hc->blkio_device_write_iops, &io->write_iops));
	r->block_io = io;
	return NULL;
}

/* Also what `update` writes to a running container. */
void ctr_oci_limits(struct arena *a, const struct docker_host_config *hc, struct oci_resources *r)
{
	struct oci_memory *m = ARENA_NEW(a, struct oci_memory);
	struct oci_cpu *cpu = ARENA_NEW(a, struct oci_cpu);

	m->limit = positive(hc->memory);
	m->reservation = positive(hc->memory_reservation);
	m->swap = positive(hc->memory_swap);
	m->swappiness = hc->memory_swappiness;
	if (hc->oom_kill_disable.set && hc->oom_kill_disable.v)
		m->disable_oom_killer = hc->oom_kill_disable;
	cpu->shares = positive(hc->cpu_shares);
	cpu->period = positive(hc->cpu_period);
	cpu->quota = positive(hc->cpu_quota);
	if (hc->nano_cpus) { /* 10⁻⁹ CPUs over docker's period of 100 ms */
		cpu->period = positive(100000);
		cpu->quota = positive(hc->nano_cpus / 10000);
	}
	cpu->cpus = str_empty(hc->cpuset_cpus) ? NULL : hc->cpuset_cpus;
	cpu->mems = str_empty(hc->cpuset_mems) ? NULL : hc->cpuset_mems;
	r->memory = m;
	r->cpu = cpu;
	if (hc->pids_limit.set) {
		r->pids = ARENA_NEW(a, struct oci_pids);
		r->pids->limit = (struct field_opt_i64){ true, hc->pids_limit.v > 0 ? hc->pids_limit.v : -1 };
	}
}

static void sysctls(struct build *b)
{
	struct field_map *m = field_map_new(b->a);
	bool own_net = strcmp(b->hc->network_mode, "host") != 0 && !str_starts(b->hc->network_mode, "container:");

	FIELD_MAP_EACH(at, b->hc->sysctls)
		field_map_put(b->a, m, at->key, at->value);
	if (own_net && !field_map_has(m, "net.ipv4.ip_unprivileged_port_start"))
		field_map_put(b->a, m, "net.ipv4.ip_unprivileged_port_start", arena_strdup(b->a, "0"));
	if (own_net && !field_map_has(m, "net.ipv4.ping_group_range"))
		field_map_put(b->a, m, "net.ipv4.ping_group_range", arena_strdup(b->a, "0 2147483647"));
	b->spec->linux_->sysctl = m;
}

#define SCOPE_PREFIX "estiba"

static const char *cgroup_parent(const struct engine_config *cfg, const struct docker_host_config *hc)
{
	const char *parent = !str_empty(hc->cgroup_parent) ? hc->cgroup_parent : cfg->cgroup_parent;

	if (!str_empty(parent))
		return parent;
	return cfg->systemd_cgroup ? "system.slice" : ENGINE_CGROUP;
}

es_err *ctr_check_cgroup_parent(const struct engine_config *cfg, const char *parent)
{
	if (!cfg->systemd_cgroup || str_empty(parent))
		return NULL;
	if (strchr(parent, '/') || !str_ends(parent, ".slice") || str_eq(parent, ".slice"))
		return es_err_new(ES_E_INVALID, "cgroup-parent for systemd cgroup should be a valid slice named as \"xxx.slice\"");
	return NULL;
}

/* "a-b.slice" lies in "a.slice", "-.slice" is the root. */
static char *slice_path(struct arena *a, const char *slice)
{
	size_t len = strlen(slice) - strlen(".slice");
	char *path = arena_strdup(a, "");

	if (str_eq(slice, "-.slice"))
		return path;
	for (size_t i = 1; i <= len; i++)
		if (i == len || slice[i] == '-')
			path = arena_printf(a, "%s/%.*s.slice", path, (int)i, slice);
	return path;
}

char *ctr_cgroup_path(struct arena *a, const struct engine_config *cfg, const struct docker_host_config *hc, const char *id)
{
	const char *parent = cgroup_parent(cfg, hc);

	if (cfg->systemd_cgroup)
		return arena_printf(a, "%s/" SCOPE_PREFIX "-%s.scope", slice_path(a, parent), id);
	return arena_printf(a, "%s%s/%s", *parent == '/' ? "" : "/", parent, id);
}

char *ctr_cgroups_path(struct arena *a, const struct engine_config *cfg, const struct docker_host_config *hc, const char *id)
{
	if (cfg->systemd_cgroup)
		return arena_printf(a, "%s:" SCOPE_PREFIX ":%s", cgroup_parent(cfg, hc), id);
	return ctr_cgroup_path(a, cfg, hc, id);
}

static bool systempaths_unconfined(const struct docker_host_config *hc)
{
	return strv_has(hc->security_opt, "systempaths=unconfined");
}

static es_err *seccomp_profile(struct build *b)
{
	struct oci_seccomp *s = ARENA_NEW(b->a, struct oci_seccomp);
	struct json *doc;

	ES_TRY(secprofile_of(b->c->e, b->a, b->hc, ctr_caps(b->a, b->hc), &doc));
	if (!doc)
		return NULL;
	ES_TRY(field_decode(b->a, oci_seccomp_fields, doc, s));
	b->spec->linux_->seccomp = s;
	return NULL;
}

es_err *ctr_oci_spec(struct ctr *c, struct arena *a, struct ctr_start *s, struct oci_spec *ret)
{
	struct build b = { .c = c, .a = a, .s = s, .spec = ret, .cfg = c->rec->config, .hc = c->rec->host_config };
	struct oci_linux *l = ARENA_NEW(a, struct oci_linux);
	char *merged = arena_printf(a, "%s/containers/%s/merged", store_root(c->e->store), c->id);

	*ret = (struct oci_spec){ .oci_version = OCI_RUNTIME_VERSION, .linux_ = l, .hostname = b.cfg->hostname };
	ret->domainname = str_empty(b.cfg->domainname) ? NULL : b.cfg->domainname;
	if (str_eq(b.hc->uts_mode, "host"))
		ret->hostname = ret->domainname = NULL;
	ret->root = ARENA_NEW(a, struct oci_root);
	ret->root->path = merged;
	ret->root->readonly = b.hc->readonly_rootfs;
	l->resources = ARENA_NEW(a, struct oci_resources);
	l->cgroups_path = ctr_cgroups_path(a, c->e->cfg, b.hc, c->id);
	if (!b.hc->privileged && !systempaths_unconfined(b.hc)) {
		l->masked_paths = b.hc->masked_paths;
		l->readonly_paths = b.hc->readonly_paths;
	}
	ES_TRY(process(&b));
	ES_TRY(namespaces(&b));
	ES_TRY(kernel_mounts(&b));
	network_files(&b);
	ES_TRY(init_mount(&b));
	ES_TRY(user_mounts(&b));
	ret->mounts = (struct field_list){ .items = b.mounts, .n = b.n_mounts, .set = true };
	ES_TRY(devices(&b));
	ctr_oci_limits(a, b.hc, l->resources);
	ES_TRY(block_io(&b, l->resources));
	sysctls(&b);
	ret->annotations = field_map_new(a);
	FIELD_MAP_EACH(at, b.hc->annotations)
		field_map_put(a, ret->annotations, at->key, at->value);
	if (!ctr_runtime_is_ours(c))
		return seccomp_profile(&b);
	field_map_put(a, ret->annotations, OCI_RUNTIME_ROOTFS_FD, arena_printf(a, "%d", CTR_FD_ROOTFS));
	if (s->seccomp_fd >= 0)
		field_map_put(a, ret->annotations, OCI_RUNTIME_SECCOMP_FD, arena_printf(a, "%d", CTR_FD_SECCOMP));
	return NULL;
}

es_err *ctr_oci_exec(struct ctr *c, struct arena *a, int root_fd, const struct docker_exec_request *req,
		     struct oci_process *ret)
{
	const struct docker_host_config *hc = c->rec->host_config;
	struct docker_config cfg = *c->rec->config;
	struct docker_host_config all = { .privileged = true };
	struct passwd_user u;

	ES_TRY(ctr_user(a, root_fd, str_empty(req->user) ? cfg.user : req->user, str_empty(req->user) ? hc->group_add : NULL, &u));
	for (size_t i = 0; req->env && req->env[i]; i++) { /* the session's variables win over the container's */
		size_t len = strcspn(req->env[i], "=");
		char **env = NULL;

		for (size_t k = 0; cfg.env && cfg.env[k]; k++)
			if (strncmp(cfg.env[k], req->env[i], len) != 0 || (cfg.env[k][len] != '=' && cfg.env[k][len]))
				env = strv_arena_add(a, env, cfg.env[k]);
		cfg.env = strv_arena_add(a, env, req->env[i]);
	}
	*ret = (struct oci_process){
		.terminal = req->tty,
		.cwd = !str_empty(req->working_dir) ? req->working_dir : str_empty(cfg.working_dir) ? "/" : cfg.working_dir,
		.args = req->cmd,
		.env = process_env(a, &cfg, req->tty, u.home),
		.user = process_user(a, &u),
		.capabilities = process_caps(a, ctr_caps(a, req->privileged ? &all : hc), u.uid),
		.no_new_privileges = ctr_no_new_privileges(c->e->cfg, hc),
	};
	return NULL;
}
