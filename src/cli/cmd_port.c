/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_port.c: estiba port. */
#include "cli/client.h"

static char *address(struct cli *c, const struct json *binding)
{
	const char *ip = json_str(json_get(binding, "HostIp")), *port = json_str(json_get(binding, "HostPort"));

	return arena_printf(c->arena, ip && strchr(ip, ':') ? "[%s]:%s" : "%s:%s", ip ? ip : "", port ? port : "");
}

/* "80/tcp -> 0.0.0.0:8080" by port number, then as text. */
static int by_port(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	long p = strtol(x, NULL, 10), q = strtol(y, NULL, 10);

	return p != q ? (p < q ? -1 : 1) : strcmp(x, y);
}

static es_err *one_port(struct cli *c, const struct json *ports, const char *want)
{
	const char *key = strchr(want, '/') ? want : arena_printf(c->arena, "%s/tcp", want);
	const struct json *bindings = json_get(ports, key);
	size_t digits = strspn(want, "0123456789");

	if (!digits || (want[digits] && want[digits] != '/'))
		return es_err_new(ES_E_INVALID, "Error: invalid port (%.*s): strconv.ParseUint: parsing \"%.*s\": invalid syntax",
				  (int)strcspn(want, "/"), want, (int)strcspn(want, "/"), want);
	if (!json_is(bindings, JSON_ARRAY))
		return es_err_new(ES_E_NOT_FOUND, "Error: No public port '%s' published for %s", want, c->args[0]);
	JSON_EACH(binding, bindings)
		cli_puts(address(c, binding));
	return NULL;
}

static es_err *run(struct cli *c)
{
	es_autostrv lines = NULL;
	const struct json *ports;
	struct json *doc;

	ES_TRY(client_get(c, client_path(c, "/containers/%s/json", c->args[0]), NULL, &doc));
	ports = json_get(json_get(doc, "NetworkSettings"), "Ports");
	if (c->n_args > 1)
		return one_port(c, ports, c->args[1]);
	JSON_EACH(port, ports)
		JSON_EACH(binding, port)
			strv_take(&lines, es_xasprintf("%s -> %s", port->key, address(c, binding)));
	if (lines)
		qsort(lines, strv_len(lines), sizeof *lines, by_port);
	for (size_t i = 0; i < strv_len(lines); i++)
		cli_puts(lines[i]);
	return NULL;
}

const struct cmd cmd_port = {
	.paths = "container port, port",
	.usage = "CONTAINER [PRIVATE_PORT[/PROTO]]",
	.summary = "Show a container's published ports",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = 2,
	.run = run,
};
