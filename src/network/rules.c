/* SPDX-License-Identifier: Apache-2.0 */
/* rules.c: the daemon's nftables table, as a whole and element by element. */
#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter_ipv4.h>
#include <string.h>

#include "network/network_priv.h"
#include "sys/nft.h"

/* What the table says, in nft's words (NET, BR: each network and its bridge):
 *
 *  raw          iifname @bridges ip daddr 127.0.0.0/8 drop            1. route_localnet must not open loopback services
 *  prerouting   ip daddr 127.0.0.0/8 return; ip6 daddr ::1 return     2. nor must a neighbour on the wire reach them
 *  prerouting, output
 *               dnat to proto . daddr . dport map @ports4             3. published on one address
 *               fib daddr type local dnat to proto . dport map @any4  4. published on all (and the same for IPv6;
 *                                                                        output leaves ::1 alone: refused, not lost)
 *  forward      ct state established,related accept
 *               internal: iifname BR oifname != BR drop, and back     5. internal means internal
 *               iifname BR oifname BR accept                          6. neighbours (icc off: only published ports)
 *               oifname @bridges ct status dnat accept                7. published ports, from everywhere
 *               oifname @bridges drop                                 8. no other way in, from outside or another network
 *               iifname @bridges accept                               9. out
 *               iifname @uplinks drop                                10. forwarding was switched on for our bridges only
 *  postrouting  oifname @bridges ip saddr 127.0.0.0/8 masquerade     11. 127.0.0.1:PORT of the host
 *               oifname BR saddr NET ct status dnat masquerade       12. a neighbour through a published port
 *               oifname @bridges return                              13. else the source stays
 *               saddr NET masquerade                                 14. out
 */

static const struct nft_set bridges = { "bridges", NFT_T_IFNAME, IFNAMSIZ, 0, 0 };
static const struct nft_set uplinks = { "uplinks", NFT_T_IFNAME, IFNAMSIZ, 0, 0 };

/* Keys and data of the port maps: every part begins at a multiple of 4 bytes. */
struct key4 {
	uint8_t proto, pad[3];
	uint8_t addr[4];
	uint8_t port[2], pad2[2];
};
struct key6 {
	uint8_t proto, pad[3];
	uint8_t addr[16];
	uint8_t port[2], pad2[2];
};
struct any {
	uint8_t proto, pad[3];
	uint8_t port[2], pad2[2];
};
struct to4 {
	uint8_t addr[4];
	uint8_t port[2], pad[2];
};
struct to6 {
	uint8_t addr[16];
	uint8_t port[2], pad[2];
};

/* One row per family: its maps and where the destination address stands in the IP header. */
static const struct family {
	uint8_t nfproto;
	uint32_t daddr_offset, addr_len;
	struct nft_set one, any;
} families[] = {
	{ NFPROTO_IPV4, 16, 4,
	  { "ports4", NFT_T_CAT(NFT_T_CAT(NFT_T_PROTO, NFT_T_IP4), NFT_T_PORT), sizeof(struct key4),
	    NFT_T_CAT(NFT_T_IP4, NFT_T_PORT), sizeof(struct to4) },
	  { "any4", NFT_T_CAT(NFT_T_PROTO, NFT_T_PORT), sizeof(struct any), NFT_T_CAT(NFT_T_IP4, NFT_T_PORT), sizeof(struct to4) } },
	{ NFPROTO_IPV6, 24, 16,
	  { "ports6", NFT_T_CAT(NFT_T_CAT(NFT_T_PROTO, NFT_T_IP6), NFT_T_PORT), sizeof(struct key6),
	    NFT_T_CAT(NFT_T_IP6, NFT_T_PORT), sizeof(struct to6) },
	  { "any6", NFT_T_CAT(NFT_T_PROTO, NFT_T_PORT), sizeof(struct any), NFT_T_CAT(NFT_T_IP6, NFT_T_PORT), sizeof(struct to6) } },
};

static const struct chain {
	const char *name;
	struct nft_hook hook;
} chains[] = {
	{ "raw", { "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_RAW } },
	{ "prerouting", { "nat", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST } },
	{ "output", { "nat", NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST } },
	{ "forward", { "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER } },
	{ "postrouting", { "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC } },
};

static const uint8_t loopback4[4] = { 127 }, loopback6[16] = { [15] = 1 };
#define LOOPBACK4_BITS 8

#define CT_ESTABLISHED_RELATED (NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED))

/* ---- small phrases ---- */

static void end(struct nft_batch *b, int verdict)
{
	nft_verdict(b, verdict, NULL);
	nft_rule_end(b, NULL);
}

static void match_dnat(struct nft_batch *b)
{
	nft_match_ct(b, NFT_CT_STATUS, IPS_DST_NAT, true);
}

static void match_source(struct nft_batch *b, const struct ipnet *net)
{
	nft_match_net(b, true, net->addr.family == AF_INET6 ? NFPROTO_IPV6 : NFPROTO_IPV4, net->addr.b, net->bits);
}

/* ---- chains ---- */

static void rule_dnat_one(struct nft_batch *b, const char *chain, const struct family *f)
{
	const uint32_t port_reg = NFT_REG32_01 + f->addr_len / 4;

	nft_rule(b, chain);
	nft_match_family(b, f->nfproto);
	nft_meta(b, NFT_META_L4PROTO, NFT_REG32_00);
	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, f->daddr_offset, f->addr_len, NFT_REG32_01);
	nft_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, port_reg);
	nft_map(b, f->one.name, NFT_REG32_00, NFT_REG32_08);
	nft_dnat(b, f->nfproto, NFT_REG32_08, NFT_REG32_08 + f->addr_len / 4);
	nft_rule_end(b, NULL);
}

static void rule_dnat_any(struct nft_batch *b, const char *chain, const struct family *f)
{
	nft_rule(b, chain);
	nft_match_family(b, f->nfproto);
	nft_fib_local(b);
	nft_meta(b, NFT_META_L4PROTO, NFT_REG32_00);
	nft_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, NFT_REG32_01);
	nft_map(b, f->any.name, NFT_REG32_00, NFT_REG32_08);
	nft_dnat(b, f->nfproto, NFT_REG32_08, NFT_REG32_08 + f->addr_len / 4);
	nft_rule_end(b, NULL);
}

static void fill_nat(struct nft_batch *b)
{
	nft_rule(b, "prerouting");
	nft_match_net(b, false, NFPROTO_IPV4, loopback4, LOOPBACK4_BITS);
	end(b, NFT_RETURN);
	for (size_t i = 0; i < 2; i++) {
		nft_rule(b, i ? "output" : "prerouting");
		nft_match_net(b, false, NFPROTO_IPV6, loopback6, 128);
		end(b, NFT_RETURN);
	}
	for (size_t i = 0; i < ES_N(families); i++) {
		rule_dnat_one(b, "prerouting", &families[i]);
		rule_dnat_any(b, "prerouting", &families[i]);
		rule_dnat_one(b, "output", &families[i]);
		rule_dnat_any(b, "output", &families[i]);
	}
}

static void forward_internal(struct nft_batch *b, const char *ifname)
{
	nft_rule(b, "forward");
	nft_match_if(b, NFT_META_IIFNAME, ifname, false);
	nft_match_if(b, NFT_META_OIFNAME, ifname, true);
	end(b, NF_DROP);
	nft_rule(b, "forward");
	nft_match_if(b, NFT_META_IIFNAME, ifname, true);
	nft_match_if(b, NFT_META_OIFNAME, ifname, false);
	end(b, NF_DROP);
}

static void forward_neighbours(struct nft_batch *b, const struct network_bridge *br)
{
	if (br->icc_off)
		return; /* only rule 7 lets anything in; frames between ports stop at the ports' isolation */
	nft_rule(b, "forward");
	nft_match_if(b, NFT_META_IIFNAME, br->ifname, false);
	nft_match_if(b, NFT_META_OIFNAME, br->ifname, false);
	end(b, NF_ACCEPT);
}

static void fill_forward(struct nft_batch *b, const struct network *n)
{
	nft_rule(b, "forward");
	nft_match_ct(b, NFT_CT_STATE, CT_ESTABLISHED_RELATED, true);
	end(b, NF_ACCEPT);
	for (size_t i = 0; i < n->bridges.n; i++) {
		const struct bridge *br = n->bridges.p[i];

		if (br->spec.internal)
			forward_internal(b, br->ifname);
		forward_neighbours(b, &br->spec);
	}
	nft_rule(b, "forward");
	nft_match_if_in(b, NFT_META_OIFNAME, bridges.name, false);
	match_dnat(b);
	end(b, NF_ACCEPT);
	nft_rule(b, "forward");
	nft_match_if_in(b, NFT_META_OIFNAME, bridges.name, false);
	end(b, NF_DROP);
	nft_rule(b, "forward");
	nft_match_if_in(b, NFT_META_IIFNAME, bridges.name, false);
	end(b, NF_ACCEPT);
	/* What somebody translated on purpose (another engine's published port) is not ours to stop. */
	nft_rule(b, "forward");
	nft_match_if_in(b, NFT_META_IIFNAME, uplinks.name, false);
	nft_match_ct(b, NFT_CT_STATUS, IPS_DST_NAT, false);
	end(b, NF_DROP);
}

static void masquerade(struct nft_batch *b)
{
	nft_masquerade(b);
	nft_rule_end(b, NULL);
}

static void fill_postrouting(struct nft_batch *b, const struct network *n)
{
	nft_rule(b, "postrouting");
	nft_match_if_in(b, NFT_META_OIFNAME, bridges.name, false);
	nft_match_net(b, true, NFPROTO_IPV4, loopback4, LOOPBACK4_BITS);
	masquerade(b);
	for (size_t i = 0; i < 2 * n->bridges.n; i++) {
		const struct bridge *br = n->bridges.p[i / 2];
		const struct ipnet *net = i % 2 ? &br->spec.subnet6 : &br->spec.subnet4;

		if (!net->addr.family)
			continue;
		nft_rule(b, "postrouting");
		nft_match_if(b, NFT_META_OIFNAME, br->ifname, false);
		match_source(b, net);
		match_dnat(b);
		masquerade(b);
	}
	nft_rule(b, "postrouting");
	nft_match_if_in(b, NFT_META_OIFNAME, bridges.name, false);
	end(b, NFT_RETURN);
	for (size_t i = 0; i < 2 * n->bridges.n; i++) {
		const struct bridge *br = n->bridges.p[i / 2];
		const struct ipnet *net = i % 2 ? &br->spec.subnet6 : &br->spec.subnet4;

		if (!net->addr.family || br->spec.internal || br->spec.masq_off)
			continue;
		nft_rule(b, "postrouting");
		match_source(b, net);
		masquerade(b);
	}
}

/* ---- elements ---- */

static void name_elem(struct nft_batch *b, const struct nft_set *set, const char *ifname)
{
	char padded[IFNAMSIZ] = { 0 };

	memcpy(padded, ifname, strnlen(ifname, IFNAMSIZ - 1));
	nft_elem_add(b, set, padded, NULL);
}

static void put_port(uint8_t out[2], uint16_t port)
{
	out[0] = (uint8_t)(port >> 8);
	out[1] = (uint8_t)port;
}

static void elem(struct nft_batch *b, bool on, const struct nft_set *set, const void *key, const void *data)
{
	if (on)
		nft_elem_add(b, set, key, data);
	else
		nft_elem_del(b, set, key);
}

static void port_elem(struct nft_batch *b, const struct family *f, const struct network_port *p, const struct ipaddr *to, bool on)
{
	struct to6 to6 = { 0 };
	struct to4 to4 = { 0 };
	const void *data = f->addr_len == 4 ? (const void *)&to4 : &to6;

	memcpy(f->addr_len == 4 ? to4.addr : to6.addr, to->b, f->addr_len);
	put_port(f->addr_len == 4 ? to4.port : to6.port, p->container_port);
	if (p->host_ip.family == 0 || ipaddr_is_any(&p->host_ip)) {
		struct any key = { .proto = p->proto };

		put_port(key.port, p->host_port);
		elem(b, on, &f->any, &key, data);
	} else if (f->addr_len == 4) {
		struct key4 key = { .proto = p->proto };

		memcpy(key.addr, p->host_ip.b, sizeof key.addr);
		put_port(key.port, p->host_port);
		elem(b, on, &f->one, &key, data);
	} else {
		struct key6 key = { .proto = p->proto };

		memcpy(key.addr, p->host_ip.b, sizeof key.addr);
		put_port(key.port, p->host_port);
		elem(b, on, &f->one, &key, data);
	}
}

static void port_elems(struct nft_batch *b, const struct network_port *p, bool on)
{
	if (p->to4.family && p->host_ip.family != AF_INET6)
		port_elem(b, &families[0], p, &p->to4, on);
	if (p->to6.family && p->host_ip.family != AF_INET)
		port_elem(b, &families[1], p, &p->to6, on);
}

/* ---- the whole ---- */

es_err *rules_apply(struct network *n)
{
	es_autonft b;

	nft_begin(&b, NFPROTO_INET, n->name);
	nft_table_add(&b); /* so that there is one to delete */
	nft_table_del(&b);
	nft_table_add(&b);
	for (size_t i = 0; i < ES_N(chains); i++)
		nft_chain_add(&b, chains[i].name, &chains[i].hook);
	nft_set_add(&b, &bridges);
	nft_set_add(&b, &uplinks);
	for (size_t i = 0; i < ES_N(families); i++) {
		nft_set_add(&b, &families[i].one);
		nft_set_add(&b, &families[i].any);
	}
	for (size_t i = 0; i < n->bridges.n; i++)
		name_elem(&b, &bridges, ((struct bridge *)n->bridges.p[i])->ifname);
	for (size_t i = 0; n->uplinks && n->uplinks[i]; i++)
		name_elem(&b, &uplinks, n->uplinks[i]);
	nft_rule(&b, "raw");
	nft_match_if_in(&b, NFT_META_IIFNAME, bridges.name, false);
	nft_match_net(&b, false, NFPROTO_IPV4, loopback4, LOOPBACK4_BITS);
	end(&b, NF_DROP);
	fill_nat(&b);
	fill_forward(&b, n);
	fill_postrouting(&b, n);
	for (size_t i = 0; i < n->published.n; i++) {
		const struct published *p = n->published.p[i];

		for (size_t k = 0; k < p->n; k++)
			port_elems(&b, &p->ports[k], true);
	}
	return nft_commit(&b, &n->nft);
}

es_err *rules_publish(struct network *n, const struct network_port *ports, size_t n_ports, bool on)
{
	es_autonft b;

	nft_begin(&b, NFPROTO_INET, n->name);
	for (size_t i = 0; i < n_ports; i++)
		port_elems(&b, &ports[i], on);
	return nft_commit(&b, &n->nft);
}

es_err *rules_delete(struct network *n)
{
	es_autonft b;

	nft_begin(&b, NFPROTO_INET, n->name);
	nft_table_add(&b);
	nft_table_del(&b);
	return nft_commit(&b, &n->nft);
}
