/* SPDX-License-Identifier: Apache-2.0 */
/* foreign.c: other programs' firewalls: a forward policy in our way, and docker's hook for exceptions. */
#include <string.h>

#include "network/network_priv.h"
#include "sys/nft.h"

#define HOOK_CHAIN "DOCKER-USER" /* docker reads it before its own rules and never changes it */
#define HOOK_TABLE "filter"
#define HANDLES_MAX 256

struct survey {
	const struct network *n;
	bool has_hook;
	char *drop; /* heap */
};

static const char *family_name(uint8_t family)
{
	return family == NFPROTO_IPV4 ? "ip" : family == NFPROTO_IPV6 ? "ip6" : family == NFPROTO_INET ? "inet" : "?";
}

static es_err *look(void *self, const struct nft_chain *c)
{
	struct survey *s = self;
	bool ours = c->family == NFPROTO_INET && strcmp(c->table, s->n->name) == 0;

	if (c->family == NFPROTO_IPV4 && strcmp(c->table, HOOK_TABLE) == 0 && strcmp(c->name, HOOK_CHAIN) == 0)
		s->has_hook = true;
	if (c->family != NFPROTO_IPV4 && c->family != NFPROTO_INET && c->family != NFPROTO_IPV6)
		return NULL;
	if (!s->drop && c->is_base && c->hook == NF_INET_FORWARD && c->policy == NF_DROP && !ours)
		s->drop = es_xasprintf("nftables table %s %s, chain %s, drops forwarded packets by policy: containers may not reach the "
				       "outside nor be reached; accept there what comes from and goes to our bridges",
				       family_name(c->family), c->table, c->name);
	return NULL;
}

char *network_foreign_drop(struct network *n)
{
	struct survey s = { .n = n };

	(void)pthread_mutex_lock(&n->lock);
	es_err_drop(nft_chains(&n->nft, look, &s));
	(void)pthread_mutex_unlock(&n->lock);
	if (s.has_hook) { /* our rules are in it */
		free(s.drop);
		s.drop = NULL;
	}
	return s.drop;
}

/* Written as iptables-nft writes "-i BR -j ACCEPT", so that iptables still lists the chain. */
static void accept_rule(struct nft_batch *b, uint32_t key, const char *ifname, const char *comment)
{
	nft_rule_first(b, HOOK_CHAIN);
	nft_meta(b, key, NFT_REG_1);
	nft_cmp(b, NFT_CMP_EQ, NFT_REG_1, ifname, (uint32_t)strlen(ifname) + 1);
	nft_counter(b);
	nft_verdict(b, NF_ACCEPT, NULL);
	nft_rule_end(b, comment);
}

es_err *foreign_hook(struct network *n, bool on)
{
	uint64_t handles[HANDLES_MAX];
	struct survey s = { .n = n };
	size_t n_old = 0;
	es_autonft b;

	nft_begin(&b, NFPROTO_IPV4, HOOK_TABLE);
	ES_TRY(nft_chains(&n->nft, look, &s));
	free(s.drop);
	if (!s.has_hook)
		return NULL;
	ES_TRY(nft_rules_tagged(&n->nft, NFPROTO_IPV4, HOOK_TABLE, HOOK_CHAIN, n->name, handles, HANDLES_MAX, &n_old));
	for (size_t i = 0; i < n_old; i++)
		nft_rule_del(&b, HOOK_CHAIN, handles[i]);
	for (size_t i = 0; on && i < n->bridges.n; i++) {
		const struct bridge *br = n->bridges.p[i];

		accept_rule(&b, NFT_META_OIFNAME, br->ifname, n->name);
		accept_rule(&b, NFT_META_IIFNAME, br->ifname, n->name);
	}
	return es_err_in(nft_commit(&b, &n->nft), "rule in " HOOK_CHAIN);
}
