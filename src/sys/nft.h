/* SPDX-License-Identifier: Apache-2.0 */
/* nft.h: nf_tables by raw netlink: a batch of tables, chains, rules made of expressions, sets and maps; applied as a whole or not. */
#pragma once

#include <netinet/in.h> /* before the kernel's, which then leaves out what both define */

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdbool.h>
#include <stdint.h>

#include "sys/netlink.h"

/* One transaction over one table. Names are borrowed until it is sent. */
struct nft_batch {
	struct nl_msgs msgs;
	uint8_t family; /* NFPROTO_INET, NFPROTO_IPV4 … */
	const char *table;
	size_t exprs;   /* nest of the rule under way */
	uint32_t sets;  /* ids given so far */
};

void nft_begin(struct nft_batch *b, uint8_t family, const char *table);
void nft_done(struct nft_batch *b);
#define es_autonft es_auto(nft_done) struct nft_batch
/* All or nothing. An empty batch is success. */
es_err *nft_commit(struct nft_batch *b, struct nl *nl) ES_CHECKED;

/* Adding what exists is success. */
void nft_table_add(struct nft_batch *b);
void nft_table_del(struct nft_batch *b); /* must exist: nft_table_add before it makes sure */

struct nft_hook {
	const char *type; /* "filter", "nat" */
	uint32_t num;     /* NF_INET_* */
	int32_t priority; /* NF_IP_PRI_* */
};
/* HOOK NULL: a chain to jump to. The policy is accept. */
void nft_chain_add(struct nft_batch *b, const char *name, const struct nft_hook *hook);

/* --- sets and maps --- */

struct nft_set {
	const char *name;
	uint32_t key_type, key_len;   /* nft's type number (NFT_T_*, for its listing) and bytes */
	uint32_t data_type, data_len; /* 0: a set, else a map */
};
/* Type numbers of nft(8); a concatenation is NFT_T_CAT of several, each padded to 4 bytes. */
enum { NFT_T_IP4 = 7, NFT_T_IP6 = 8, NFT_T_PROTO = 12, NFT_T_PORT = 13, NFT_T_IFNAME = 41 };
#define NFT_T_CAT(a, b) ((uint32_t)(a) << 6 | (uint32_t)(b))
void nft_set_add(struct nft_batch *b, const struct nft_set *s);
/* DATA NULL for a set. Adding the same element again is success, the same key with other data an error. */
void nft_elem_add(struct nft_batch *b, const struct nft_set *s, const void *key, const void *data);
void nft_elem_del(struct nft_batch *b, const struct nft_set *s, const void *key);

/* --- rules: expressions between nft_rule and nft_rule_end, worked off until one does not match --- */

void nft_rule(struct nft_batch *b, const char *chain);       /* behind the others */
void nft_rule_first(struct nft_batch *b, const char *chain); /* before them */
/* COMMENT as nft lists it; NULL: none. */
void nft_rule_end(struct nft_batch *b, const char *comment);
void nft_rule_del(struct nft_batch *b, const char *chain, uint64_t handle);

/* Loading into a register (NFT_REG_1…4 of 16 bytes, NFT_REG32_00…15 of 4; they overlap). */
void nft_meta(struct nft_batch *b, uint32_t key, uint32_t reg);                                  /* NFT_META_* */
void nft_ct(struct nft_batch *b, uint32_t key, uint32_t reg);                                    /* NFT_CT_* */
void nft_payload(struct nft_batch *b, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg); /* NFT_PAYLOAD_* */
/* Deciding. */
void nft_cmp(struct nft_batch *b, uint32_t op, uint32_t reg, const void *bytes, uint32_t len);   /* NFT_CMP_EQ, NEQ */
void nft_mask(struct nft_batch *b, uint32_t reg, const void *mask, uint32_t len);                /* reg &= mask */
void nft_in_set(struct nft_batch *b, const char *set, uint32_t reg, bool invert);
void nft_map(struct nft_batch *b, const char *map, uint32_t key_reg, uint32_t data_reg);         /* no element: no match */
void nft_fib_local(struct nft_batch *b); /* the destination is an address of this host */
/* Acting. */
void nft_counter(struct nft_batch *b);
void nft_verdict(struct nft_batch *b, int verdict, const char *chain); /* NF_ACCEPT, NF_DROP, NFT_JUMP, NFT_RETURN */
void nft_dnat(struct nft_batch *b, uint8_t family, uint32_t addr_reg, uint32_t port_reg);
void nft_masquerade(struct nft_batch *b);

/* Two or three of them, often wanted together. */
void nft_match_family(struct nft_batch *b, uint8_t family);                         /* NFPROTO_* */
void nft_match_if(struct nft_batch *b, uint32_t key, const char *name, bool invert); /* key: NFT_META_IIFNAME, OIFNAME */
void nft_match_if_in(struct nft_batch *b, uint32_t key, const char *set, bool invert);
/* SRC: the source address, else the destination, is in the subnet; matches the family as well. */
void nft_match_net(struct nft_batch *b, bool src, uint8_t family, const void *addr, unsigned bits);
void nft_match_ct(struct nft_batch *b, uint32_t key, uint32_t bits, bool any); /* NFT_CT_STATE, STATUS: has any / none of the bits */

/* --- reading --- */

struct nft_chain {
	uint8_t family;
	char table[64], name[64];
	bool is_base;
	uint32_t hook, policy; /* NF_INET_*, NF_ACCEPT or NF_DROP */
	int32_t priority;
};
es_err *nft_chains(struct nl *nl, es_err *(*fn)(void *self, const struct nft_chain *c), void *self) ES_CHECKED;
/* Rules of CHAIN whose comment is COMMENT: their handles, at most MAX; *RET_N how many. */
es_err *nft_rules_tagged(struct nl *nl, uint8_t family, const char *table, const char *chain, const char *comment,
			 uint64_t *handles, size_t max, size_t *ret_n) ES_CHECKED;
/* The table a message of NFNLGRP_NFTABLES is about, and whether something was taken away; NULL: not about a table. */
const char *nft_event_table(const struct nlmsghdr *h, bool *ret_removal);
