/* SPDX-License-Identifier: Apache-2.0 */
/* ctr_check.c: what a create request says of variables, ports, hosts and platforms, checked in docker's words. */
#include <arpa/inet.h>
#include <stdio.h>

#include "base/str.h"
#include "engine/ctr_priv.h"
#include "spec/platform.h"

static bool number(const char **at, unsigned *ret)
{
	int used = 0;

	if (**at < '0' || **at > '9' || sscanf(*at, "%5u%n", ret, &used) != 1 || *ret > UINT16_MAX)
		return false;
	*at += used;
	return true;
}

/* "80", "80/tcp", with RANGE "8000-8010" too; without a number ("", "/tcp") it is any port. */
static bool is_port(const char *text, bool range)
{
	unsigned from, to;

	if (!*text || *text == '/')
		return true;
	if (!number(&text, &from))
		return false;
	if (range && *text == '-') {
		text++;
		if (!number(&text, &to) || to < from)
			return false;
	}
	return !*text || *text == '/';
}

static es_err *check_ports(const struct docker_host_config *hc)
{
	FIELD_MAP_EACH(at, hc->port_bindings) {
		const struct field_list *bindings = at->value;

		if (!is_port(at->key, false))
			return es_err_new(ES_E_INVALID, "invalid port specification: \"%.*s\"", (int)strcspn(at->key, "/"), at->key);
		FIELD_LIST_EACH(struct docker_port_binding, b, bindings)
			if (b->host_port && !is_port(b->host_port, true))
				return es_err_new(ES_E_INVALID, "invalid port specification: \"%s\"", b->host_port);
	}
	return NULL;
}

static bool is_address(const char *text)
{
	struct in6_addr addr;

	return inet_pton(AF_INET, text, &addr) == 1 || inet_pton(AF_INET6, text, &addr) == 1;
}

static es_err *check_hosts(char *const *hosts)
{
	for (; hosts && *hosts; hosts++) {
		const char *colon = strchr(*hosts, ':');

		if (!colon || colon == *hosts)
			return es_err_new(ES_E_INVALID, "bad format for add-host: \"%s\"", *hosts);
		if (strcmp(colon + 1, "host-gateway") != 0 && !is_address(colon + 1))
			return es_err_new(ES_E_INVALID, "invalid IP address in add-host: \"%s\"", colon + 1);
	}
	return NULL;
}

static es_err *check_env(char *const *env)
{
	for (; env && *env; env++)
		if (!**env || **env == '=')
			return es_err_new(ES_E_INVALID, "invalid environment variable: %s", *env);
	return NULL;
}

es_err *ctr_check_request(const struct docker_config *c, const struct docker_host_config *hc)
{
	ES_TRY(check_env(c->env));
	ES_TRY(check_hosts(hc->extra_hosts));
	return check_ports(hc);
}

es_err *ctr_check_platform(struct arena *a, const char *wanted, const char *ref, const struct oci_image *image)
{
	struct oci_platform want, is = { .os = image->os, .architecture = image->architecture, .variant = image->variant };

	if (str_empty(wanted))
		return NULL;
	ES_TRY(platform_parse(a, wanted, &want));
	if (str_eq(want.os, is.os) && str_eq(want.architecture, is.architecture) &&
	    (str_empty(want.variant) || str_empty(is.variant) || str_eq(want.variant, is.variant)))
		return NULL;
	return es_err_new(ES_E_NOT_FOUND, "image with reference %s was found but does not match the specified platform: wanted %s, actual: %s",
			  ref, platform_text(a, &want), platform_text(a, &is));
}
