/* Tests of the short way: packets, what may be wrong with one, what keeps it off the short way whatever its kind. The packet of
 * the barriers is of IPv4, from 10.1.0.2, at interface 0. */
#ifndef ZS_TESTS_EXPRESS_RIG_H
#define ZS_TESTS_EXPRESS_RIG_H

#include "cid_rig.h"
#include "fake_port.h"
#include "net/checksum.h"
#include "net/packet_plain.h"

static const uint8_t express_mac[6] = { 2, 0, 0, 0, 0, 9 };

static inline void express_ports(struct cid_rig *c)
{
	for (uint32_t i = 0; i < 2; i++) {
		struct zs_port *p = &c->r->dp.port[i];

		memcpy(p->mac, express_mac, sizeof(express_mac));
		p->vlans = 1;
		p->mtu = 1500;
	}
}

static inline void express_damage(uint64_t *rng, struct rte_mbuf *m)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t most = m->data_len < 64 ? m->data_len : 64;

	for (uint32_t n = draw(rng) % 3; n; n--)
		frame[draw(rng) % most] ^= (uint8_t)(1u << draw(rng) % 8);
	if (draw(rng) % 8 == 0)
		m->data_len = (uint16_t)(draw(rng) % (m->data_len + 20u)); /* padded, or cut */
	if (frame[12] == 8 && draw(rng) % 2) {
		uint16_t sum;

		frame[24] = frame[25] = 0;
		sum = (uint16_t)~zs_csum_fold(zs_csum_add(0, frame + 14, 20));
		memcpy(frame + 24, &sum, 2);
	}
}

static inline struct rte_mbuf *express_copy(const struct rte_mbuf *m)
{
	struct rte_mbuf *n = fake_new();

	memcpy(n->buf_addr, m->buf_addr, FAKE_ROOM);
	n->data_off = m->data_off;
	n->data_len = m->data_len;
	n->pkt_len = m->pkt_len;
	n->nb_segs = 1;
	n->port = m->port;
	return n;
}

static inline void express_same(const struct rte_mbuf *a, const struct rte_mbuf *b)
{
	assert_int_equal(a->data_len, b->data_len);
	assert_int_equal(a->pkt_len, b->pkt_len);
	assert_memory_equal(rte_pktmbuf_mtod(a, uint8_t *), rte_pktmbuf_mtod(b, uint8_t *), a->data_len);
}

/* One thing at a time that keeps a packet off the short way. */
struct express_barrier {
	const char *what;
	void (*set)(struct cid_rig *c, struct rte_mbuf *m, bool on);
};

static inline void stopped(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	zs_tables_set_stop(&c->r->writer, on);
}

static inline void traced(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	c->r->worker[0].trace = on ? &c->r->worker[0].tracer : NULL;
}

static inline void tagged_port(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	c->r->dp.port[0].vlan[0] = on ? 5 : 0;
}

static inline void other_mac(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	c->r->dp.port[0].mac[5] = express_mac[5] + on;
}

static inline void bad_checksum(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	m->ol_flags = on ? RTE_MBUF_F_RX_L4_CKSUM_BAD : 0;
}

static inline void stripped_tag(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	m->ol_flags = on ? RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED : 0;
}

static inline void segments(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	m->nb_segs = on ? 2 : 1;
}

static inline void source_is(struct rte_mbuf *m, bool on, const char *other)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	uint16_t sum;

	memcpy(frame + 26, on ? other : "\x0a\x01\x00\x02", 4);
	frame[24] = frame[25] = 0;
	sum = (uint16_t)~zs_csum_fold(zs_csum_add(0, frame + 14, 20));
	memcpy(frame + 24, &sum, 2);
}

static inline void broadcast_source(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	source_is(m, on, "\x0a\x01\x00\xff");
}

static inline void own_source(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	source_is(m, on, "\x0a\x01\x00\x01");
}

static const struct express_barrier express_common[] = {
	{ "stopped", stopped },
	{ "traced", traced },
	{ "a port of VLANs alone", tagged_port },
	{ "another's MAC address", other_mac },
	{ "a checksum that the device found wrong", bad_checksum },
	{ "a VLAN that the device took off", stripped_tag },
	{ "segments", segments },
	{ "a broadcast source", broadcast_source },
	{ "our own source", own_source },
};

static inline bool express_takes(struct cid_rig *c, struct rte_mbuf *m)
{
	struct zs_worker *w = &c->r->worker[0];
	struct rte_mbuf *other = express_copy(m), *given = other;
	uint32_t left;

	other->ol_flags = m->ol_flags;
	other->nb_segs = m->nb_segs;
	w->tx[0].count = w->tx[1].count = 0;
	left = zs_stage_express(w, &given, 1);
	assert_int_equal(w->tx[0].count + w->tx[1].count + left, 1);
	other->nb_segs = 1;
	fake_free(other);
	return !left;
}

static inline void express_barriers(struct cid_rig *c, struct rte_mbuf *m, const struct express_barrier *b,
				    size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!express_takes(c, m))
			fail_msg("without %s it is left", b[i].what);
		b[i].set(c, m, true);
		if (express_takes(c, m))
			fail_msg("%s: it goes all the same", b[i].what);
		b[i].set(c, m, false);
	}
	c->r->worker[0].flood.on = true; /* keeps nobody off */
	assert_true(express_takes(c, m));
	c->r->worker[0].flood.on = false;
}

/* One packet by the short way. What was refused since is all that is in `drop` then. */
static inline uint32_t express_one(struct zs_worker *w, struct rte_mbuf *m)
{
	memset(w->drop, 0, ZS_DROPS * sizeof(*w->drop));
	w->tx[0].count = w->tx[1].count = 0;
	return zs_stage_express(w, &m, 1);
}

/* Why that one was refused; ZS_DROPS: it was not. */
static inline enum zs_drop express_why(const struct zs_worker *w)
{
	enum zs_drop why = 0;

	while (why < ZS_DROPS && !w->drop[why])
		why++;
	return why;
}

#endif
