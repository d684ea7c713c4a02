/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_login.c: estiba login and logout. */
#include "base/file.h"
#include "cli/client.h"
#include "cli/config.h"
#include "cli/tty.h"

#define PASSWORD_MAX 65536

struct values {
	const char *username, *password;
	bool password_stdin;
};

static const struct opt options[] = {
	O_STR(struct values, password, "password", 'p', .help = "Password or access token"),
	O_BOOL(struct values, password_stdin, "password-stdin", 0, .help = "Read the password from STDIN"),
	O_STR(struct values, username, "username", 'u', .help = "Name of the user"),
	O_END,
};

static es_err *check(struct cli *c, struct values *v)
{
	if (v->password && v->password_stdin)
		return es_err_new(ES_E_INVALID, "conflicting options: cannot specify both --password and --password-stdin");
	if (v->password)
		cli_warn("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
	if (v->password_stdin && str_empty(v->username))
		return es_err_new(ES_E_INVALID, "the --password-stdin option requires --username to be set");
	return NULL;
}

static es_err *read_password(struct cli *c, struct values *v)
{
	char *text;
	size_t len;

	ES_TRY(file_read_all(STDIN_FILENO, PASSWORD_MAX, &text, &len));
	arena_own(c->arena, text);
	while (len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		text[--len] = '\0';
	v->password = text;
	return NULL;
}

static es_err *ask(struct cli *c, struct values *v)
{
	char *text;

	if (!isatty(STDIN_FILENO) && (str_empty(v->username) || str_empty(v->password)))
		return es_err_new(ES_E_INVALID, "Error: Cannot perform an interactive login from a non TTY device");
	if (str_empty(v->username)) {
		ES_TRY(tty_ask("Username: ", true, &text));
		arena_own(c->arena, text);
		v->username = str_trim(text);
		if (str_empty(v->username))
			return es_err_new(ES_E_INVALID, "Error: Non-null Username Required");
	}
	if (str_empty(v->password)) {
		ES_TRY(tty_ask("Password: ", false, &text));
		arena_own(c->arena, text);
		v->password = text;
		if (str_empty(v->password))
			return es_err_new(ES_E_INVALID, "Error: Password Required");
	}
	return NULL;
}

static const char *registry_of(struct cli *c)
{
	const char *server = c->n_args ? c->args[0] : NULL, *rest;

	if (str_empty(server))
		return "docker.io";
	rest = str_after(server, "https://");
	if (!rest)
		rest = str_after(server, "http://");
	rest = rest ? rest : server;
	return arena_strndup(c->arena, rest, strcspn(rest, "/"));
}

static es_err *run_login(struct cli *c)
{
	struct values *v = c->values;
	const char *registry = registry_of(c), *token, *status;
	struct json *body = json_new_object(c->arena), *reply;

	ES_TRY(check(c, v));
	if (v->password_stdin)
		ES_TRY(read_password(c, v));
	ES_TRY(ask(c, v));
	json_set_str(c->arena, body, "username", v->username);
	json_set_str(c->arena, body, "password", v->password);
	json_set_str(c->arena, body, "serveraddress", config_auth_key(registry));
	ES_TRY(client_call(c, "POST", "/auth", NULL, body, &reply));
	token = json_str(json_get(reply, "IdentityToken"));
	ES_TRY(es_err_in(config_store_auth(c, registry, v->username, v->password, token), "Error saving credentials"));
	if (str_empty(config_str(c, "credsStore")))
		cli_warn("\nWARNING! Your credentials are stored unencrypted in '%s/config.json'.\n"
			 "A credential helper (docker-credential-…, named by \"credsStore\") keeps them safely.\n",
			 config_dir(c));
	status = json_str(json_get(reply, "Status"));
	if (!str_empty(status))
		cli_puts(status);
	return NULL;
}

static es_err *run_logout(struct cli *c)
{
	const char *registry = registry_of(c), *key = config_auth_key(registry);
	bool known = json_get(json_get(config_get(c), "auths"), key) != NULL;

	if (!known && str_empty(config_str(c, "credsStore"))) {
		cli_printf("Not logged in to %s\n", registry);
		return NULL;
	}
	cli_printf("Removing login credentials for %s\n", key);
	return config_erase_auth(c, registry);
}

const struct cmd cmd_login = {
	.paths = "login",
	.usage = "[OPTIONS] [SERVER]",
	.summary = "Prove who you are to a registry",
	.section = CMD_COMMON,
	.mode = OPT_INTERSPERSED,
	.max_args = 1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run_login,
};

const struct cmd cmd_logout = {
	.paths = "logout",
	.usage = "[SERVER]",
	.summary = "Forget the credentials for a registry",
	.section = CMD_COMMON,
	.mode = OPT_INTERSPERSED,
	.max_args = 1,
	.run = run_logout,
};
