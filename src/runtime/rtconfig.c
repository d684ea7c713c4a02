/* SPDX-License-Identifier: Apache-2.0 */
/* rtconfig.c: load, refuse by name, and get the system call filter compiled. */
#include "runtime/rtconfig.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/str.h"
#include "sys/seccomp.h"
#include "sys/spawn.h"

es_err *rtconfig_load(struct arena *a, int bundle, struct oci_spec *ret)
{
	es_autofree char *text = NULL;
	size_t len;
	es_err *err = file_read(bundle, "config.json", OCI_RUNTIME_CONFIG_MAX, &text, &len);

	if (err && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_free(err);
		return es_err_new(ES_E_NOT_FOUND, "JSON specification file config.json not found");
	}
	ES_TRY(err);
	return es_err_in(oci_runtime_parse(a, text, len, ret), "config.json");
}

static bool has_ns(const struct oci_linux *l, const char *type, bool with_path)
{
	FIELD_LIST_EACH(const struct oci_namespace, n, &l->namespaces)
		if (str_eq(n->type, type))
			return with_path ? !str_empty(n->path) : str_empty(n->path);
	return false;
}

static es_err *check_namespaces(const struct oci_spec *s)
{
	const struct oci_linux *l = s->linux_;
	bool userns = has_ns(l, "user", false);

	if (!has_ns(l, "mount", false))
		return es_err_new(ES_E_UNSUPPORTED, "linux.namespaces: a container without a new mount namespace is not supported");
	if (!has_ns(l, "user", true) && userns != (l->uid_mappings.n && l->gid_mappings.n))
		return es_err_new(ES_E_INVALID, userns ? "linux.uidMappings and gidMappings are needed for a new user namespace"
						       : "linux.uidMappings needs a new user namespace");
	if (!str_empty(s->hostname) && !has_ns(l, "uts", false) && !has_ns(l, "uts", true))
		return es_err_new(ES_E_INVALID, "unable to set hostname without a private UTS namespace");
	if (!str_empty(s->domainname) && !has_ns(l, "uts", false) && !has_ns(l, "uts", true))
		return es_err_new(ES_E_INVALID, "unable to set domainname without a private UTS namespace");
	if (l->time_offsets && l->time_offsets->n && !has_ns(l, "time", false))
		return es_err_new(ES_E_INVALID, "linux.timeOffsets needs a new time namespace");
	return NULL;
}

char *rtconfig_sysctl_name(const char *key)
{
	char *name = es_xstrdup(key), *first = strpbrk(name, "./");

	if (first && *first == '/')
		for (char *p = name; *p; p++)
			*p = *p == '.' ? '/' : *p == '/' ? '.' : *p;
	return name;
}

static bool has_own(const struct oci_linux *l, const char *type)
{
	return has_ns(l, type, false) || has_ns(l, type, true);
}

/* A network namespace by path may be the one we are in. */
static bool is_own_netns(const struct oci_linux *l)
{
	FIELD_LIST_EACH(const struct oci_namespace, n, &l->namespaces) {
		struct stat here, there;

		if (!str_eq(n->type, "network"))
			continue;
		if (str_empty(n->path) || stat("/proc/self/ns/net", &here) < 0 || stat(n->path, &there) < 0)
			return true;
		return here.st_dev != there.st_dev || here.st_ino != there.st_ino;
	}
	return false;
}

/* A sysctl that no namespace of the container holds would change the host. */
static es_err *check_sysctl(const struct oci_linux *l)
{
	static const char *const ipc[] = { "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall",
					   "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced", NULL };

	FIELD_MAP_EACH(e, l->sysctl) {
		es_autofree char *key = rtconfig_sysctl_name(e->key);
		bool own = false;

		if (strv_has((char *const *)(uintptr_t)ipc, key) || str_starts(key, "fs.mqueue."))
			own = has_own(l, "ipc");
		else if (str_starts(key, "net."))
			own = is_own_netns(l);
		else if (str_eq(key, "kernel.domainname"))
			own = has_own(l, "uts");
		else if (str_starts(key, "user."))
			own = has_own(l, "user");
		else if (str_eq(key, "kernel.hostname") && has_own(l, "uts"))
			return es_err_new(ES_E_INVALID, "sysctl \"%s\" is not allowed as it conflicts with the OCI \"hostname\" field", key);
		if (!own)
			return es_err_new(ES_E_INVALID, "sysctl \"%s\" is not in a separate kernel namespace", e->key);
	}
	return NULL;
}

es_err *rtconfig_check(const struct oci_spec *s)
{
	const struct {
		const char *field;
		bool used;
	} missing[] = {
		{ "process", !s->process },
		{ "linux", !s->linux_ },
		{ "root", !s->root && !oci_runtime_annotation(s, OCI_RUNTIME_ROOTFS_FD) },
	};

	for (size_t i = 0; i < ES_N(missing); i++)
		if (missing[i].used)
			return es_err_new(ES_E_INVALID, "config.json: %s is missing", missing[i].field);
	if (!str_empty(s->linux_->mount_label) && access("/sys/fs/selinux", F_OK) < 0)
		return es_err_new(ES_E_UNSUPPORTED, "linux.mountLabel: SELinux is not enabled in this kernel");
	if (s->linux_->net_devices && s->linux_->net_devices->n && !has_own(s->linux_, "network"))
		return es_err_new(ES_E_INVALID, "linux.netDevices: unable to move network devices without a private NET namespace");
	ES_TRY(check_namespaces(s));
	return check_sysctl(s->linux_);
}

es_err *rtconfig_fd(const struct oci_spec *spec, const char *annotation, int *ret_fd)
{
	const char *text = oci_runtime_annotation(spec, annotation);
	uint64_t v;

	*ret_fd = -1;
	if (!text)
		return NULL;
	ES_TRY(es_err_in(str_to_u64(text, 10, &v), "annotation %s", annotation));
	if (v < 3 || v > 65535 || fcntl((int)v, F_GETFD) < 0)
		return es_err_new(ES_E_INVALID, "annotation %s: %s is not an open descriptor", annotation, text);
	*ret_fd = (int)v;
	return NULL;
}

/* argv[0] where that is a path, for /proc/self/exe may lead through a mount of our own. */
es_err *rtconfig_companion(const char *name, char **ret_path)
{
	const char *slash = strrchr(program_invocation_name, '/');
	es_autofree char *path = NULL;

	if (*program_invocation_name != '/')
		return file_companion(name, ret_path);
	path = es_xasprintf("%.*s/%s", (int)(slash - program_invocation_name), program_invocation_name, name);
	if (access(path, X_OK) < 0)
		return file_companion(name, ret_path);
	*ret_path = ES_TAKE(path);
	return NULL;
}

/* The compiler is a program of its own: it hangs on a library, which this one must not. */
static es_err *compile(const struct oci_seccomp *profile, int out)
{
	es_autoclose int in = (int)memfd_create("profile", MFD_CLOEXEC), err_fd = (int)memfd_create("errors", MFD_CLOEXEC);
	es_autobuf json = ES_BUF(OCI_RUNTIME_CONFIG_MAX);
	es_autofree char *path = NULL;
	struct spawn_fd fds[] = { { in, 0 }, { out, 1 }, { err_fd, 2 } };
	char said[512] = "";
	int status;

	if (in < 0 || err_fd < 0)
		return es_err_sys(errno, "memfd");
	field_encode_text(&json, oci_seccomp_fields, profile);
	ES_TRY(es_buf_check(&json));
	ES_TRY(file_write_all(in, json.p, json.len));
	if (lseek(in, 0, SEEK_SET) < 0)
		return es_err_sys(errno, "memfd");
	ES_TRY(rtconfig_companion("estiba-seccomp", &path));
	ES_TRY(spawn_wait(&(struct spawn){ .path = path, .fds = fds, .n_fds = ES_N(fds) }, &status));
	if (status == 0)
		return NULL;
	(void)!pread(err_fd, said, sizeof said - 1, 0);
	return es_err_new(ES_E_INVALID, "linux.seccomp: %s", *said ? str_trim(said) : "estiba-seccomp was killed");
}

es_err *rtconfig_seccomp(struct arena *a, const struct oci_spec *spec, const void **ret, size_t *ret_len)
{
	const struct oci_seccomp *profile = spec->linux_ ? spec->linux_->seccomp : NULL;
	es_autoclose int made = -1;
	void *program = NULL;
	int fd;

	*ret = NULL;
	*ret_len = 0;
	ES_TRY(rtconfig_fd(spec, OCI_RUNTIME_SECCOMP_FD, &fd));
	if (fd < 0 && !profile)
		return NULL;
	if (fd < 0) {
		made = fd = (int)memfd_create("seccomp", MFD_CLOEXEC);
		if (made < 0)
			return es_err_sys(errno, "memfd");
		ES_TRY(compile(profile, made));
	}
	ES_TRY(es_err_in(seccomp_read(fd, &program, ret_len), "linux.seccomp"));
	arena_own(a, program);
	*ret = program;
	return NULL;
}
