/* SPDX-License-Identifier: Apache-2.0 */
/* config.c: the client's config.json, its credentials, and the contexts beside it. */
#include "cli/config.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "base/file.h"
#include "cli/helper.h"
#include "codec/base64.h"
#include "codec/sha256.h"
#include "spec/ref.h"

const char *config_dir(struct cli *c)
{
	const char *env = getenv("DOCKER_CONFIG"), *home = getenv("HOME");

	if (!str_empty(c->globals.config_dir))
		return c->globals.config_dir;
	if (!str_empty(env))
		return env;
	return arena_printf(c->arena, "%s/.docker", str_empty(home) ? "/root" : home);
}

static const char *config_path(struct cli *c)
{
	return arena_printf(c->arena, "%s/config.json", config_dir(c));
}

struct json *config_get(struct cli *c)
{
	es_autofree char *text = NULL;
	es_err *err;
	size_t len;

	if (c->config)
		return c->config;
	c->config = json_new_object(c->arena);
	err = file_read(AT_FDCWD, config_path(c), CONFIG_MAX, &text, &len);
	if (!err && len) {
		struct json *doc;

		err = json_parse(c->arena, text, len, &doc);
		if (!err && json_is(doc, JSON_OBJECT))
			c->config = doc;
	}
	if (err && es_err_class(err) != ES_E_NOT_FOUND)
		cli_log(c, CLI_LOG_WARN, "Error loading config file: %s: %s", config_path(c), es_err_text(err));
	es_err_free(err);
	return c->config;
}

const char *config_str(struct cli *c, const char *key)
{
	return json_str(json_get(config_get(c), key));
}

es_err *config_save(struct cli *c)
{
	es_autobuf text = ES_BUF(CONFIG_MAX);

	json_write_indent(&text, config_get(c), "", "\t", JSON_W_NO_HTML_ESCAPE);
	ES_TRY(es_buf_check(&text));
	ES_TRY(file_mkdir_p(AT_FDCWD, config_dir(c), 0700));
	return file_replace(AT_FDCWD, config_path(c), es_buf_str(&text), text.len, 0600, true);
}

/* Contexts. */

const char *config_context_meta_path(struct cli *c, const char *name)
{
	char hex[SHA256_HEX + 1];
	struct sha256 digest;

	sha256_init(&digest);
	sha256_add(&digest, name, strlen(name));
	sha256_end_hex(&digest, hex);
	return arena_printf(c->arena, "%s/contexts/meta/%s/meta.json", config_dir(c), hex);
}

es_err *config_context_host(struct cli *c, const char *name, const char **ret)
{
	const char *path = config_context_meta_path(c, name);
	es_autofree char *text = NULL;
	struct json *doc;
	size_t len;
	es_err *err = file_read(AT_FDCWD, path, CONFIG_MAX, &text, &len);

	if (err && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_free(err);
		return es_err_new(ES_E_NOT_FOUND, "context \"%s\": context not found: open %s: no such file or directory", name, path);
	}
	ES_TRY(err);
	ES_TRY(es_err_in(json_parse(c->arena, text, len, &doc), "context \"%s\"", name));
	*ret = json_str(json_get(json_get(json_get(doc, "Endpoints"), "docker"), "Host"));
	if (!*ret)
		return es_err_new(ES_E_INVALID, "context \"%s\" names no docker endpoint", name);
	return NULL;
}

es_err *config_context_check_name(const char *name)
{
	if (str_empty(name))
		return es_err_new(ES_E_INVALID, "context name cannot be empty");
	if (str_eq(name, "default"))
		return es_err_new(ES_E_INVALID, "\"default\" is a reserved context name");
	if (strlen(name) < 2 || strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-") != strlen(name) || strchr("_.+-", *name))
		return es_err_new(ES_E_INVALID, "context name \"%s\" is invalid, names are validated against regexp \"^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$\"", name);
	return NULL;
}

es_err *config_context_save(struct cli *c, const char *name, const struct json *doc)
{
	const char *path = config_context_meta_path(c, name);
	es_autobuf text = ES_BUF(CONFIG_MAX);
	char *dir = arena_strdup(c->arena, path);

	*strrchr(dir, '/') = '\0';
	json_write(&text, doc, JSON_W_NO_HTML_ESCAPE);
	ES_TRY(file_mkdir_p(AT_FDCWD, dir, 0755));
	return file_replace(AT_FDCWD, path, es_buf_str(&text), text.len, 0644, true);
}

/* Credentials. */

const char *config_registry_of(struct cli *c, const char *reference)
{
	struct ref r;
	es_err *err = ref_parse(c->arena, reference, &r);

	if (err) {
		es_err_free(err);
		return "docker.io";
	}
	return r.domain;
}

const char *config_auth_key(const char *registry)
{
	return str_eq(registry, "docker.io") || str_eq(registry, "index.docker.io") || str_eq(registry, "registry-1.docker.io") ? CONFIG_INDEX :
																 registry;
}

/* The program that keeps the secrets of KEY, or NULL when config.json does. */
static const char *helper_of(struct cli *c, const char *key)
{
	const char *name = json_str(json_get(json_get(config_get(c), "credHelpers"), key));

	return str_empty(name) ? config_str(c, "credsStore") : name;
}

/* {"username","password","serveraddress"} or {"identitytoken",…}: what X-Registry-Auth carries. */
static struct json *auth_document(struct cli *c, const char *key, const char *user, const char *secret, const char *token)
{
	struct json *doc = json_new_object(c->arena);

	if (!str_empty(user))
		json_set_str(c->arena, doc, "username", user);
	if (!str_empty(secret))
		json_set_str(c->arena, doc, "password", secret);
	json_set_str(c->arena, doc, "serveraddress", key);
	if (!str_empty(token))
		json_set_str(c->arena, doc, "identitytoken", token);
	return doc;
}

/* "user:secret" in base64, as "auth" of config.json has it. */
static struct json *auth_from_basic(struct cli *c, const char *key, const char *basic, const char *token)
{
	size_t n = strlen(basic);
	char *plain = arena_alloc(c->arena, base64_decoded_max(n) + 1), *colon;

	if (!base64_decode(basic, n, BASE64_STD, (unsigned char *)plain, &n))
		return NULL;
	plain[n] = '\0';
	colon = strchr(plain, ':');
	if (colon)
		*colon++ = '\0';
	return auth_document(c, key, plain, colon, token);
}

static es_err *auth_from_helper(struct cli *c, const char *helper, const char *key, struct json **ret)
{
	const char *reply;
	struct json *doc;
	const char *user;

	*ret = NULL;
	ES_TRY(helper_call(c, helper, "get", key, &reply));
	if (!reply)
		return NULL;
	ES_TRY(es_err_in(json_parse(c->arena, reply, strlen(reply), &doc), "credential helper %s", helper));
	user = json_str(json_get(doc, "Username"));
	if (str_eq(user, "<token>"))
		*ret = auth_document(c, key, NULL, NULL, json_str(json_get(doc, "Secret")));
	else
		*ret = auth_document(c, key, user, json_str(json_get(doc, "Secret")), NULL);
	return NULL;
}

/* NULL in *RET when nothing is known. */
static es_err *auth_of(struct cli *c, const char *key, struct json **ret)
{
	const char *helper = helper_of(c, key);
	struct json *entry = json_get(json_get(config_get(c), "auths"), key);
	const char *basic = json_str(json_get(entry, "auth"));

	if (!str_empty(helper))
		return auth_from_helper(c, helper, key, ret);
	*ret = str_empty(basic) ? NULL : auth_from_basic(c, key, basic, json_str(json_get(entry, "identitytoken")));
	return NULL;
}

static const char *header_text(struct cli *c, const struct json *doc)
{
	es_autobuf text = ES_BUF(CONFIG_MAX);
	char *out;

	json_write(&text, doc, JSON_W_NO_HTML_ESCAPE);
	out = arena_alloc(c->arena, base64_encoded_len(text.len) + 1);
	base64_encode(es_buf_str(&text), text.len, BASE64_URL, out);
	return out;
}

es_err *config_auth_header(struct cli *c, const char *registry, const char **ret)
{
	struct json *doc;

	ES_TRY(auth_of(c, config_auth_key(registry), &doc));
	*ret = header_text(c, doc ? doc : json_new_object(c->arena));
	return NULL;
}

es_err *config_auths_header(struct cli *c, const char **ret)
{
	struct json *all = json_new_object(c->arena);

	JSON_EACH(entry, json_get(config_get(c), "auths"))
	{
		struct json *doc;

		ES_TRY(auth_of(c, entry->key, &doc));
		if (doc)
			json_set(c->arena, all, entry->key, doc);
	}
	JSON_EACH(entry, json_get(config_get(c), "credHelpers"))
	{
		struct json *doc;

		ES_TRY(auth_of(c, entry->key, &doc));
		if (doc)
			json_set(c->arena, all, entry->key, doc);
	}
	*ret = header_text(c, all);
	return NULL;
}

static struct json *auths_for_writing(struct cli *c)
{
	struct json *auths = json_get(config_get(c), "auths");

	if (!auths) {
		auths = json_new_object(c->arena);
		json_set(c->arena, c->config, "auths", auths);
	}
	return auths;
}

es_err *config_store_auth(struct cli *c, const char *registry, const char *user, const char *secret, const char *token)
{
	const char *key = config_auth_key(registry), *helper = helper_of(c, key);
	struct json *auths = auths_for_writing(c), *entry = json_new_object(c->arena);

	if (!str_empty(helper)) {
		es_autobuf text = ES_BUF(CONFIG_MAX);
		struct json *doc = json_new_object(c->arena);
		const char *reply;

		json_set_str(c->arena, doc, "ServerURL", key);
		json_set_str(c->arena, doc, "Username", str_empty(token) ? user : "<token>");
		json_set_str(c->arena, doc, "Secret", str_empty(token) ? secret : token);
		json_write(&text, doc, JSON_W_NO_HTML_ESCAPE);
		ES_TRY(helper_call(c, helper, "store", es_buf_str(&text), &reply));
	} else {
		char *plain = arena_printf(c->arena, "%s:%s", user, str_empty(token) ? secret : "");
		char *basic = arena_alloc(c->arena, base64_encoded_len(strlen(plain)) + 1);

		base64_encode(plain, strlen(plain), BASE64_STD, basic);
		json_set_str(c->arena, entry, "auth", basic);
		if (!str_empty(token))
			json_set_str(c->arena, entry, "identitytoken", token);
	}
	json_set(c->arena, auths, key, entry);
	return config_save(c);
}

es_err *config_erase_auth(struct cli *c, const char *registry)
{
	const char *key = config_auth_key(registry), *helper = helper_of(c, key), *reply;
	struct json *auths = auths_for_writing(c), *left = json_new_object(c->arena);

	if (!str_empty(helper))
		ES_TRY(helper_call(c, helper, "erase", key, &reply));
	for (struct json *entry = auths->first, *next; entry; entry = next) {
		next = entry->next;
		if (!str_eq(entry->key, key))
			json_set(c->arena, left, entry->key, entry);
	}
	json_set(c->arena, c->config, "auths", left);
	return config_save(c);
}

/* Proxies. */

char **config_proxy_env(struct cli *c, const char *host)
{
	static const struct {
		const char *key, *upper, *lower;
	} rows[] = {
		{ "httpProxy", "HTTP_PROXY", "http_proxy" },
		{ "httpsProxy", "HTTPS_PROXY", "https_proxy" },
		{ "noProxy", "NO_PROXY", "no_proxy" },
		{ "ftpProxy", "FTP_PROXY", "ftp_proxy" },
		{ "allProxy", "ALL_PROXY", "all_proxy" },
	};
	struct json *proxies = json_get(config_get(c), "proxies"), *entry = json_get(proxies, host);
	char **env = NULL;

	if (!entry)
		entry = json_get(proxies, "default");
	for (size_t i = 0; i < ES_N(rows); i++) {
		const char *value = json_str(json_get(entry, rows[i].key));

		if (str_empty(value))
			continue;
		env = strv_arena_add(c->arena, env, arena_printf(c->arena, "%s=%s", rows[i].upper, value));
		env = strv_arena_add(c->arena, env, arena_printf(c->arena, "%s=%s", rows[i].lower, value));
	}
	return env;
}
