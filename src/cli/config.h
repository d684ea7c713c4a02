/* SPDX-License-Identifier: Apache-2.0 */
/* config.h: the client's config.json, its credentials, and the contexts beside it. */
#pragma once

#include "cli/cmd.h"

#define CONFIG_MAX (4u << 20)
#define CONFIG_INDEX "https://index.docker.io/v1/" /* key of Docker Hub's credentials */

/* "~/.docker", $DOCKER_CONFIG or --config. In the arena. */
const char *config_dir(struct cli *c);
/* config.json; an empty object when there is none. A broken one is told once and taken as empty. */
struct json *config_get(struct cli *c);
/* A string setting, or NULL. */
const char *config_str(struct cli *c, const char *key);
/* Write config.json with C->config (mode 0600, old or new after a crash). */
es_err *config_save(struct cli *c) ES_CHECKED;

/* The host of a context. ES_E_NOT_FOUND with docker's text. */
es_err *config_context_host(struct cli *c, const char *name, const char **ret) ES_CHECKED;
/* ES_E_INVALID with docker's texts; "default" is no name for a context on disk. */
es_err *config_context_check_name(const char *name) ES_CHECKED;
es_err *config_context_save(struct cli *c, const char *name, const struct json *doc) ES_CHECKED; /* whole or not at all */
/* contexts/meta/sha256(NAME)/meta.json as a path in the arena. */
const char *config_context_meta_path(struct cli *c, const char *name);

/* X-Registry-Auth for a registry's host name ("docker.io" for the Hub): from credHelpers, credsStore or auths; an empty
 * object's text when nothing is known. In the arena. */
es_err *config_auth_header(struct cli *c, const char *registry, const char **ret) ES_CHECKED;
/* X-Registry-Config: all credentials, for builds. */
es_err *config_auths_header(struct cli *c, const char **ret) ES_CHECKED;
/* Remember or forget credentials (with the helper that the configuration names, else in config.json). */
es_err *config_store_auth(struct cli *c, const char *registry, const char *user, const char *secret, const char *token) ES_CHECKED;
es_err *config_erase_auth(struct cli *c, const char *registry) ES_CHECKED;
/* HOST part of an image reference, "docker.io" when it has none. In the arena. */
const char *config_registry_of(struct cli *c, const char *reference);
/* The key that credentials of REGISTRY have in "auths". */
const char *config_auth_key(const char *registry);
/* Variables of "proxies" for HOST (then "default"), as K=V: HTTP_PROXY and http_proxy … In the arena; NULL when none. */
char **config_proxy_env(struct cli *c, const char *host);
