/* SPDX-License-Identifier: Apache-2.0 */
/* nft.c: nf_tables batches by raw netlink. */
#include "sys/nft.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>

#define MSG(type) ((uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | (type)))
#define UDATA_RULE_COMMENT 0 /* libnftnl's type number; a TLV of one byte each, then the text with its NUL */
#define RTN_LOCAL_TYPE 2     /* RTN_LOCAL of rtnetlink */

/* Only nft(8) reads these: how to print what is in a set. TLVs of one byte each and a number of 4. */
enum { UDATA_SET_KEY_ORDER = 0, UDATA_SET_DATA_ORDER = 1, ORDER_HOST = 1, ORDER_BIG = 2 };

/* ---- batches ---- */

static void begin_msg(struct nft_batch *b, uint16_t type, uint16_t flags)
{
	const struct nfgenmsg head = { .nfgen_family = b->family, .version = NFNETLINK_V0 };

	nl_begin(&b->msgs, MSG(type), flags, &head, sizeof head);
}

static void batch_msg(struct nft_batch *b, uint16_t type)
{
	const struct nfgenmsg head = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	nl_begin(&b->msgs, type, 0, &head, sizeof head);
	nl_end(&b->msgs);
}

void nft_begin(struct nft_batch *b, uint8_t family, const char *table)
{
	*b = (struct nft_batch){ .msgs = NL_MSGS, .family = family, .table = table };
	batch_msg(b, NFNL_MSG_BATCH_BEGIN);
}

void nft_done(struct nft_batch *b)
{
	nl_msgs_done(&b->msgs);
}

es_err *nft_commit(struct nft_batch *b, struct nl *nl)
{
	struct nl_msgs *m = &b->msgs;
	es_err *err;

	if (m->n <= 1)
		return NULL;
	/* The end of a batch is not acknowledged before Linux 6.10, so the last message inside it is. */
	if (!m->buf.overflow)
		((struct nlmsghdr *)(void *)(m->buf.p + m->at))->nlmsg_flags |= NLM_F_ACK;
	batch_msg(b, NFNL_MSG_BATCH_END);
	err = nl_talk(nl, m, NULL);
	return es_err_in(err, "nftables table %s", b->table);
}

void nft_table_add(struct nft_batch *b)
{
	begin_msg(b, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	nl_put_str(&b->msgs, NFTA_TABLE_NAME, b->table);
	nl_end(&b->msgs);
}

void nft_table_del(struct nft_batch *b)
{
	begin_msg(b, NFT_MSG_DELTABLE, 0);
	nl_put_str(&b->msgs, NFTA_TABLE_NAME, b->table);
	nl_end(&b->msgs);
}

void nft_chain_add(struct nft_batch *b, const char *name, const struct nft_hook *hook)
{
	struct nl_msgs *m = &b->msgs;
	size_t nest;

	begin_msg(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	nl_put_str(m, NFTA_CHAIN_TABLE, b->table);
	nl_put_str(m, NFTA_CHAIN_NAME, name);
	if (hook) {
		nest = nl_nest(m, NFTA_CHAIN_HOOK);
		nl_put_be32(m, NFTA_HOOK_HOOKNUM, hook->num);
		nl_put_be32(m, NFTA_HOOK_PRIORITY, (uint32_t)hook->priority);
		nl_nest_end(m, nest);
		nl_put_be32(m, NFTA_CHAIN_POLICY, NF_ACCEPT);
		nl_put_str(m, NFTA_CHAIN_TYPE, hook->type);
	}
	nl_end(m);
}

/* ---- sets ---- */

static void put_orders(struct nl_msgs *m, uint32_t key_order)
{
	const uint32_t data_order = ORDER_BIG;
	char udata[12] = { UDATA_SET_KEY_ORDER, 4, [6] = UDATA_SET_DATA_ORDER, 4 };

	memcpy(udata + 2, &key_order, 4);
	memcpy(udata + 8, &data_order, 4);
	nl_put(m, NFTA_SET_USERDATA, udata, sizeof udata);
}

void nft_set_add(struct nft_batch *b, const struct nft_set *s)
{
	struct nl_msgs *m = &b->msgs;

	begin_msg(b, NFT_MSG_NEWSET, NLM_F_CREATE);
	nl_put_str(m, NFTA_SET_TABLE, b->table);
	nl_put_str(m, NFTA_SET_NAME, s->name);
	nl_put_be32(m, NFTA_SET_ID, ++b->sets);
	nl_put_be32(m, NFTA_SET_FLAGS, s->data_len ? NFT_SET_MAP : 0);
	nl_put_be32(m, NFTA_SET_KEY_TYPE, s->key_type);
	nl_put_be32(m, NFTA_SET_KEY_LEN, s->key_len);
	if (s->data_len) {
		nl_put_be32(m, NFTA_SET_DATA_TYPE, s->data_type);
		nl_put_be32(m, NFTA_SET_DATA_LEN, s->data_len);
	}
	put_orders(m, s->key_type == NFT_T_IFNAME ? ORDER_HOST : ORDER_BIG);
	nl_end(m);
}

static void put_value(struct nl_msgs *m, uint16_t attr, const void *bytes, size_t n)
{
	size_t nest = nl_nest(m, attr);

	nl_put(m, NFTA_DATA_VALUE, bytes, n);
	nl_nest_end(m, nest);
}

static void elem_msg(struct nft_batch *b, uint16_t type, uint16_t flags, const struct nft_set *s, const void *key, const void *data)
{
	struct nl_msgs *m = &b->msgs;
	size_t list, elem;

	begin_msg(b, type, flags);
	nl_put_str(m, NFTA_SET_ELEM_LIST_TABLE, b->table);
	nl_put_str(m, NFTA_SET_ELEM_LIST_SET, s->name);
	list = nl_nest(m, NFTA_SET_ELEM_LIST_ELEMENTS);
	elem = nl_nest(m, NFTA_LIST_ELEM);
	put_value(m, NFTA_SET_ELEM_KEY, key, s->key_len);
	if (data)
		put_value(m, NFTA_SET_ELEM_DATA, data, s->data_len);
	nl_nest_end(m, elem);
	nl_nest_end(m, list);
	nl_end(m);
}

void nft_elem_add(struct nft_batch *b, const struct nft_set *s, const void *key, const void *data)
{
	elem_msg(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, s, key, data);
}

void nft_elem_del(struct nft_batch *b, const struct nft_set *s, const void *key)
{
	elem_msg(b, NFT_MSG_DELSETELEM, 0, s, key, NULL);
}

/* ---- rules ---- */

static void begin_rule(struct nft_batch *b, const char *chain, uint16_t flags)
{
	begin_msg(b, NFT_MSG_NEWRULE, (uint16_t)(NLM_F_CREATE | flags));
	nl_put_str(&b->msgs, NFTA_RULE_TABLE, b->table);
	nl_put_str(&b->msgs, NFTA_RULE_CHAIN, chain);
	b->exprs = nl_nest(&b->msgs, NFTA_RULE_EXPRESSIONS);
}

void nft_rule(struct nft_batch *b, const char *chain)
{
	begin_rule(b, chain, NLM_F_APPEND);
}

void nft_rule_first(struct nft_batch *b, const char *chain)
{
	begin_rule(b, chain, 0);
}

void nft_rule_end(struct nft_batch *b, const char *comment)
{
	nl_nest_end(&b->msgs, b->exprs);
	if (comment) {
		char data[2 + 128];
		int n = snprintf(data + 2, sizeof data - 2, "%s", comment) + 1;

		n = n > 128 ? 128 : n;
		data[0] = UDATA_RULE_COMMENT;
		data[1] = (char)n;
		nl_put(&b->msgs, NFTA_RULE_USERDATA, data, (size_t)n + 2);
	}
	nl_end(&b->msgs);
}

void nft_rule_del(struct nft_batch *b, const char *chain, uint64_t handle)
{
	const uint64_t be = (uint64_t)htonl((uint32_t)(handle >> 32)) | (uint64_t)htonl((uint32_t)handle) << 32;

	begin_msg(b, NFT_MSG_DELRULE, 0);
	nl_put_str(&b->msgs, NFTA_RULE_TABLE, b->table);
	nl_put_str(&b->msgs, NFTA_RULE_CHAIN, chain);
	nl_put(&b->msgs, NFTA_RULE_HANDLE, &be, sizeof be);
	nl_end(&b->msgs);
}

struct expr {
	size_t elem, data;
};

static struct expr expr_begin(struct nft_batch *b, const char *name)
{
	struct expr e;

	e.elem = nl_nest(&b->msgs, NFTA_LIST_ELEM);
	nl_put_str(&b->msgs, NFTA_EXPR_NAME, name);
	e.data = nl_nest(&b->msgs, NFTA_EXPR_DATA);
	return e;
}

static void expr_end(struct nft_batch *b, struct expr e)
{
	nl_nest_end(&b->msgs, e.data);
	nl_nest_end(&b->msgs, e.elem);
}

void nft_meta(struct nft_batch *b, uint32_t key, uint32_t reg)
{
	struct expr e = expr_begin(b, "meta");

	nl_put_be32(&b->msgs, NFTA_META_KEY, key);
	nl_put_be32(&b->msgs, NFTA_META_DREG, reg);
	expr_end(b, e);
}

void nft_ct(struct nft_batch *b, uint32_t key, uint32_t reg)
{
	struct expr e = expr_begin(b, "ct");

	nl_put_be32(&b->msgs, NFTA_CT_KEY, key);
	nl_put_be32(&b->msgs, NFTA_CT_DREG, reg);
	expr_end(b, e);
}

void nft_payload(struct nft_batch *b, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg)
{
	struct expr e = expr_begin(b, "payload");

	nl_put_be32(&b->msgs, NFTA_PAYLOAD_DREG, reg);
	nl_put_be32(&b->msgs, NFTA_PAYLOAD_BASE, base);
	nl_put_be32(&b->msgs, NFTA_PAYLOAD_OFFSET, offset);
	nl_put_be32(&b->msgs, NFTA_PAYLOAD_LEN, len);
	expr_end(b, e);
}

void nft_cmp(struct nft_batch *b, uint32_t op, uint32_t reg, const void *bytes, uint32_t len)
{
	struct expr e = expr_begin(b, "cmp");

	nl_put_be32(&b->msgs, NFTA_CMP_SREG, reg);
	nl_put_be32(&b->msgs, NFTA_CMP_OP, op);
	put_value(&b->msgs, NFTA_CMP_DATA, bytes, len);
	expr_end(b, e);
}

void nft_mask(struct nft_batch *b, uint32_t reg, const void *mask, uint32_t len)
{
	static const uint8_t zero[16];
	struct expr e = expr_begin(b, "bitwise");

	nl_put_be32(&b->msgs, NFTA_BITWISE_SREG, reg);
	nl_put_be32(&b->msgs, NFTA_BITWISE_DREG, reg);
	nl_put_be32(&b->msgs, NFTA_BITWISE_LEN, len);
	put_value(&b->msgs, NFTA_BITWISE_MASK, mask, len);
	put_value(&b->msgs, NFTA_BITWISE_XOR, zero, len);
	expr_end(b, e);
}

void nft_in_set(struct nft_batch *b, const char *set, uint32_t reg, bool invert)
{
	struct expr e = expr_begin(b, "lookup");

	nl_put_str(&b->msgs, NFTA_LOOKUP_SET, set);
	nl_put_be32(&b->msgs, NFTA_LOOKUP_SREG, reg);
	if (invert)
		nl_put_be32(&b->msgs, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	expr_end(b, e);
}

void nft_map(struct nft_batch *b, const char *map, uint32_t key_reg, uint32_t data_reg)
{
	struct expr e = expr_begin(b, "lookup");

	nl_put_str(&b->msgs, NFTA_LOOKUP_SET, map);
	nl_put_be32(&b->msgs, NFTA_LOOKUP_SREG, key_reg);
	nl_put_be32(&b->msgs, NFTA_LOOKUP_DREG, data_reg);
	expr_end(b, e);
}

void nft_fib_local(struct nft_batch *b)
{
	const uint32_t local = RTN_LOCAL_TYPE;
	struct expr e = expr_begin(b, "fib");

	nl_put_be32(&b->msgs, NFTA_FIB_DREG, NFT_REG_1);
	nl_put_be32(&b->msgs, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	nl_put_be32(&b->msgs, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
	expr_end(b, e);
	nft_cmp(b, NFT_CMP_EQ, NFT_REG_1, &local, sizeof local);
}

void nft_counter(struct nft_batch *b)
{
	expr_end(b, expr_begin(b, "counter"));
}

void nft_verdict(struct nft_batch *b, int verdict, const char *chain)
{
	struct nl_msgs *m = &b->msgs;
	struct expr e = expr_begin(b, "immediate");
	size_t data, code;

	nl_put_be32(m, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = nl_nest(m, NFTA_IMMEDIATE_DATA);
	code = nl_nest(m, NFTA_DATA_VERDICT);
	nl_put_be32(m, NFTA_VERDICT_CODE, (uint32_t)verdict);
	if (chain)
		nl_put_str(m, NFTA_VERDICT_CHAIN, chain);
	nl_nest_end(m, code);
	nl_nest_end(m, data);
	expr_end(b, e);
}

void nft_dnat(struct nft_batch *b, uint8_t family, uint32_t addr_reg, uint32_t port_reg)
{
	struct expr e = expr_begin(b, "nat");

	nl_put_be32(&b->msgs, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	nl_put_be32(&b->msgs, NFTA_NAT_FAMILY, family);
	nl_put_be32(&b->msgs, NFTA_NAT_REG_ADDR_MIN, addr_reg);
	nl_put_be32(&b->msgs, NFTA_NAT_REG_PROTO_MIN, port_reg);
	expr_end(b, e);
}

void nft_masquerade(struct nft_batch *b)
{
	expr_end(b, expr_begin(b, "masq"));
}

/* ---- often wanted together ---- */

void nft_match_family(struct nft_batch *b, uint8_t family)
{
	nft_meta(b, NFT_META_NFPROTO, NFT_REG_1);
	nft_cmp(b, NFT_CMP_EQ, NFT_REG_1, &family, sizeof family);
}

void nft_match_if(struct nft_batch *b, uint32_t key, const char *name, bool invert)
{
	char padded[16] = { 0 }; /* IFNAMSIZ */

	(void)snprintf(padded, sizeof padded, "%s", name);
	nft_meta(b, key, NFT_REG_1);
	nft_cmp(b, invert ? NFT_CMP_NEQ : NFT_CMP_EQ, NFT_REG_1, padded, sizeof padded);
}

void nft_match_if_in(struct nft_batch *b, uint32_t key, const char *set, bool invert)
{
	nft_meta(b, key, NFT_REG_1);
	nft_in_set(b, set, NFT_REG_1, invert);
}

void nft_match_net(struct nft_batch *b, bool src, uint8_t family, const void *addr, unsigned bits)
{
	const uint32_t len = family == NFPROTO_IPV6 ? 16 : 4;
	const uint32_t offset = family == NFPROTO_IPV6 ? (src ? 8 : 24) : (src ? 12 : 16); /* in the IP header */
	uint8_t mask[16] = { 0 };

	for (unsigned i = 0; i < bits; i++)
		mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
	nft_match_family(b, family);
	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, offset, len, NFT_REG_1);
	if (bits < 8 * len)
		nft_mask(b, NFT_REG_1, mask, len);
	nft_cmp(b, NFT_CMP_EQ, NFT_REG_1, addr, len);
}

void nft_match_ct(struct nft_batch *b, uint32_t key, uint32_t bits, bool any)
{
	const uint32_t zero = 0;

	nft_ct(b, key, NFT_REG_1);
	nft_mask(b, NFT_REG_1, &bits, sizeof bits);
	nft_cmp(b, any ? NFT_CMP_NEQ : NFT_CMP_EQ, NFT_REG_1, &zero, sizeof zero);
}

/* ---- reading ---- */

struct each_chain {
	es_err *(*fn)(void *self, const struct nft_chain *c);
	void *self;
};

static es_err *each_chain(void *self, const struct nlmsghdr *h)
{
	const struct each_chain *e = self;
	const struct nlattr *tb[NFTA_CHAIN_MAX + 1], *hook[NFTA_HOOK_MAX + 1];
	struct nft_chain c = { .family = ((const struct nfgenmsg *)NLMSG_DATA(h))->nfgen_family };

	if (h->nlmsg_type != MSG(NFT_MSG_NEWCHAIN))
		return NULL;
	nl_attrs(h, sizeof(struct nfgenmsg), tb, NFTA_CHAIN_MAX);
	(void)snprintf(c.table, sizeof c.table, "%s", nl_str(tb[NFTA_CHAIN_TABLE]));
	(void)snprintf(c.name, sizeof c.name, "%s", nl_str(tb[NFTA_CHAIN_NAME]));
	c.is_base = tb[NFTA_CHAIN_HOOK] != NULL;
	if (c.is_base) {
		nl_attrs_in(tb[NFTA_CHAIN_HOOK], hook, NFTA_HOOK_MAX);
		c.hook = nl_be32(hook[NFTA_HOOK_HOOKNUM]);
		c.priority = (int32_t)nl_be32(hook[NFTA_HOOK_PRIORITY]);
		c.policy = nl_be32(tb[NFTA_CHAIN_POLICY]);
	}
	return e->fn(e->self, &c);
}

es_err *nft_chains(struct nl *nl, es_err *(*fn)(void *self, const struct nft_chain *c), void *self)
{
	const struct nfgenmsg head = { .nfgen_family = NFPROTO_UNSPEC };
	struct each_chain e = { fn, self };
	es_automsgs m = NL_MSGS;

	nl_begin(&m, MSG(NFT_MSG_GETCHAIN), NLM_F_DUMP, &head, sizeof head);
	nl_end(&m);
	return es_err_in(nl_ask(nl, &m, each_chain, &e), "list nftables chains");
}

struct tagged {
	const char *comment;
	uint64_t *handles;
	size_t max, n;
};

static es_err *each_rule(void *self, const struct nlmsghdr *h)
{
	struct tagged *t = self;
	const struct nlattr *tb[NFTA_RULE_MAX + 1];
	size_t len = strlen(t->comment) + 1;
	const char *data;
	uint64_t handle;

	if (h->nlmsg_type != MSG(NFT_MSG_NEWRULE))
		return NULL;
	nl_attrs(h, sizeof(struct nfgenmsg), tb, NFTA_RULE_MAX);
	if (!tb[NFTA_RULE_USERDATA] || !tb[NFTA_RULE_HANDLE] || nl_len(tb[NFTA_RULE_USERDATA]) != len + 2)
		return NULL;
	data = nl_data(tb[NFTA_RULE_USERDATA]);
	if (data[0] != UDATA_RULE_COMMENT || memcmp(data + 2, t->comment, len) != 0 || t->n == t->max)
		return NULL;
	memcpy(&handle, nl_data(tb[NFTA_RULE_HANDLE]), sizeof handle);
	t->handles[t->n++] = (uint64_t)ntohl((uint32_t)handle) << 32 | ntohl((uint32_t)(handle >> 32));
	return NULL;
}

es_err *nft_rules_tagged(struct nl *nl, uint8_t family, const char *table, const char *chain, const char *comment,
			 uint64_t *handles, size_t max, size_t *ret_n)
{
	const struct nfgenmsg head = { .nfgen_family = family };
	struct tagged t = { .comment = comment, .handles = handles, .max = max };
	es_automsgs m = NL_MSGS;

	nl_begin(&m, MSG(NFT_MSG_GETRULE), NLM_F_DUMP, &head, sizeof head);
	nl_put_str(&m, NFTA_RULE_TABLE, table);
	nl_put_str(&m, NFTA_RULE_CHAIN, chain);
	nl_end(&m);
	ES_TRY(es_err_in(nl_ask(nl, &m, each_rule, &t), "list rules of chain %s", chain));
	*ret_n = t.n;
	return NULL;
}

const char *nft_event_table(const struct nlmsghdr *h, bool *ret_removal)
{
	/* The table's name is attribute 1 in all of these messages. */
	static const struct {
		uint8_t msg;
		bool removal;
	} rows[] = {
		{ NFT_MSG_NEWTABLE, false }, { NFT_MSG_DELTABLE, true }, { NFT_MSG_NEWCHAIN, false },	{ NFT_MSG_DELCHAIN, true },
		{ NFT_MSG_NEWRULE, false },  { NFT_MSG_DELRULE, true },	 { NFT_MSG_NEWSETELEM, false }, { NFT_MSG_DELSETELEM, true },
		{ NFT_MSG_DELSET, true },
	};
	const struct nlattr *tb[2];

	if (h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES)
		return NULL;
	for (size_t i = 0; i < ES_N(rows); i++) {
		if (rows[i].msg != (h->nlmsg_type & 0xff))
			continue;
		nl_attrs(h, sizeof(struct nfgenmsg), tb, 1);
		*ret_removal = rows[i].removal;
		return tb[1] ? nl_str(tb[1]) : NULL;
	}
	return NULL;
}
