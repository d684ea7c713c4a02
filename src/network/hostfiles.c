/* SPDX-License-Identifier: Apache-2.0 */
/* hostfiles.c: the text of a container's /etc/hosts and /etc/resolv.conf. */
#include "network/hostfiles.h"

#include <string.h>

#include "base/buf.h"
#include "base/str.h"

#define STUB "127.0.0.53" /* systemd-resolved's listener; the file it keeps beside it names the real servers */
#define STUB_FREE_PATH "/run/systemd/resolve/resolv.conf"

static const char *const fallback4[] = { "8.8.8.8", "8.8.4.4" };
static const char *const fallback6[] = { "2001:4860:4860::8888", "2001:4860:4860::8844" };

/* ---- /etc/hosts ---- */

static const char fixed_lines[] = "127.0.0.1\tlocalhost\n"
				  "::1\tlocalhost ip6-localhost ip6-loopback\n"
				  "fe00::0\tip6-localnet\n"
				  "ff00::0\tip6-mcastprefix\n"
				  "ff02::1\tip6-allnodes\n"
				  "ff02::2\tip6-allrouters\n";

static es_err *add_extra(struct es_buf *b, const char *entry, const struct ipaddr *host_gateway, bool *ret_is_host)
{
	const char *sep = strpbrk(entry, ":=");
	es_autofree char *address = NULL;
	char text[IPADDR_TEXT_MAX];
	struct ipaddr a;
	size_t len;

	if (!sep || sep == entry || !sep[1])
		return es_err_new(ES_E_INVALID, "bad format for add-host: \"%s\"", entry);
	len = (size_t)(sep - entry);
	address = es_xstrdup(sep[1] == '[' ? sep + 2 : sep + 1);
	if (sep[1] == '[' && str_ends(address, "]"))
		address[strlen(address) - 1] = '\0';
	if (strcmp(address, "host-gateway") == 0) {
		if (!host_gateway->family)
			return es_err_new(ES_E_INVALID, "unable to derive the IP value for host-gateway");
		es_buf_printf(b, "%s\t%.*s\n", ipaddr_text(host_gateway, text), (int)len, entry);
	} else {
		es_err *bad = ipaddr_parse(address, &a);

		if (bad) {
			es_err_drop(bad);
			return es_err_new(ES_E_INVALID, "invalid IP address in add-host: \"%s\"", address);
		}
		es_buf_printf(b, "%s\t%.*s\n", ipaddr_text(&a, text), (int)len, entry);
	}
	*ret_is_host |= len == strlen("host.docker.internal") && strncmp(entry, "host.docker.internal", len) == 0;
	return NULL;
}

es_err *hostfiles_hosts(const struct hostfiles_hosts *in, char **ret_text)
{
	es_autobuf b = ES_BUF(HOSTFILES_MAX);
	char text[IPADDR_TEXT_MAX];
	bool has_host = false;

	es_buf_adds(&b, fixed_lines);
	for (size_t i = 0; in->extra && in->extra[i]; i++)
		ES_TRY(add_extra(&b, in->extra[i], &in->host_gateway, &has_host));
	if (in->host_gateway.family && !has_host)
		es_buf_printf(&b, "%s\thost.docker.internal\n", ipaddr_text(&in->host_gateway, text));
	for (size_t i = 0; i < in->n_own; i++) {
		if (str_empty(in->domainname))
			es_buf_printf(&b, "%s\t%s\n", ipaddr_text(&in->own[i], text), in->hostname);
		else
			es_buf_printf(&b, "%s\t%s.%s %s\n", ipaddr_text(&in->own[i], text), in->hostname, in->domainname, in->hostname);
	}
	return es_buf_finish(&b, ret_text);
}

/* ---- /etc/resolv.conf ---- */

/* What of the host's file is to be kept; NULL-terminated vectors. */
struct parsed {
	char **servers, **search, **options;
};

static void parsed_done(struct parsed *p)
{
	strv_free(p->servers);
	strv_free(p->search);
	strv_free(p->options);
}

static void parse_line(struct parsed *p, char *line)
{
	char *save = NULL, *word = strtok_r(line, " \t", &save);
	char ***into = NULL;

	if (!word || *word == '#' || *word == ';')
		return;
	if (strcmp(word, "nameserver") == 0)
		into = &p->servers;
	else if (strcmp(word, "search") == 0 || strcmp(word, "domain") == 0) { /* resolv.conf(5): the last one counts */
		into = &p->search;
		strv_free(p->search);
		p->search = NULL;
	} else if (strcmp(word, "options") == 0)
		into = &p->options;
	while (into && (word = strtok_r(NULL, " \t", &save)) && *word != '#')
		strv_add(into, word);
}

static void parse(struct parsed *p, const char *text)
{
	es_autostrv lines = strv_split(text, '\n');

	for (size_t i = 0; lines && lines[i]; i++)
		parse_line(p, lines[i]);
}

static bool usable(const char *server, const struct hostfiles_resolv *in)
{
	const char *zone = strchr(server, '%');
	es_autofree char *bare = es_xstrndup(server, zone ? (size_t)(zone - server) : strlen(server));
	struct ipaddr a;
	es_err *err = ipaddr_parse(bare, &a);

	if (err) {
		es_err_drop(err);
		return false;
	}
	return in->host_network || (!ipaddr_is_loopback(&a) && (a.family == AF_INET || (in->ipv6 && !zone)));
}

static void add_servers(struct es_buf *b, const struct hostfiles_resolv *in, char *const *servers)
{
	size_t n = 0;

	for (size_t i = 0; servers && servers[i]; i++)
		if (in->servers || usable(servers[i], in)) {
			es_buf_printf(b, "nameserver %s\n", servers[i]);
			n++;
		}
	if (n || in->host_network)
		return;
	for (size_t i = 0; i < ES_N(fallback4); i++)
		es_buf_printf(b, "nameserver %s\n", fallback4[i]);
	for (size_t i = 0; in->ipv6 && i < ES_N(fallback6); i++)
		es_buf_printf(b, "nameserver %s\n", fallback6[i]);
}

static void add_words(struct es_buf *b, const char *keyword, char *const *words)
{
	es_autofree char *line = words && words[0] ? strv_join(words, " ") : NULL;

	if (line && strcmp(line, ".") != 0)
		es_buf_printf(b, "%s %s\n", keyword, line);
}

es_err *hostfiles_resolv(const struct hostfiles_resolv *in, char **ret_text)
{
	es_autobuf b = ES_BUF(HOSTFILES_MAX);
	struct parsed host = { 0 };

	parse(&host, in->host_text ? in->host_text : "");
	add_servers(&b, in, in->servers ? in->servers : host.servers);
	add_words(&b, "search", in->search ? in->search : host.search);
	add_words(&b, "options", in->options ? in->options : host.options);
	parsed_done(&host);
	return es_buf_finish(&b, ret_text);
}

const char *hostfiles_resolv_path(const char *etc_text)
{
	struct parsed host = { 0 };
	bool only_stub;

	parse(&host, etc_text);
	only_stub = strv_len(host.servers) == 1 && strcmp(host.servers[0], STUB) == 0;
	parsed_done(&host);
	return only_stub ? STUB_FREE_PATH : "/etc/resolv.conf";
}
