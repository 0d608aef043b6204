/* The rig of dp_rig.h with attachments: a sessions segment that a test writes, connection IDs, packets of the service port,
 * and what the stages ask of DPDK written down instead. */
#ifndef ZS_TESTS_CID_RIG_H
#define ZS_TESTS_CID_RIG_H

#include "unit/dataplane/dp_rig.h"

#include "binds.h"
#include "relay/bind.h"

#define CID_POP		7
#define CID_SERVICE	4433
#define CID_ATTACHMENTS RIG_ATTACHMENTS
#define CID_GENERATION	300

struct cid_rig {
	struct rig *r;
	struct zs_sessions shm;
	struct zs_cidset mint;
	uint32_t nonce;
	/* What came of the last packet. */
	enum zs_drop drop; /* ZS_DROPS: none */
	uint32_t drops, handed, consumed, originated;
	struct zs_ends to;
	uint8_t sent[ZS_BIND_BYTES];
	uint16_t sent_len;
};

static struct cid_rig *the_rig; /* for the stubs, which get a worker alone */

void zs_stage_drop(struct zs_worker *w, struct rte_mbuf *m, enum zs_drop reason)
{
	w->drop[reason]++;
	the_rig->drop = reason;
	the_rig->drops++;
}

/* Refused on the short way; a test frees what it made. */
void zs_stage_free(struct rte_mbuf **m, uint32_t n)
{
	the_rig->drops += n;
}

void zs_hand_over(struct zs_worker *w, struct zs_item *it, uint32_t worker)
{
	the_rig->handed++;
}

void zs_consume(struct zs_worker *w, struct rte_mbuf *m)
{
	the_rig->consumed++;
}

bool zs_originate(struct zs_worker *w, const struct zs_ends *ends, const void *payload, uint16_t len)
{
	the_rig->originated++;
	the_rig->to = *ends;
	the_rig->sent_len = len;
	memcpy(the_rig->sent, payload, len);
	return true;
}

/* A third own address, fd00:1::1/64 on interface 0, with a neighbour. */
static inline void cid_world(struct rig *r)
{
	struct zs_local l = { .used = 1, .iface = 0, .prefix_len = 64, .addr = rig_addr("fd00:1::1") };
	struct zs_route to = { .used = 1, .iface = 0, .len = 64, .onlink = 1, .dest = rig_addr("fd00:1::") };
	struct zs_nexthop n = {
		.used = 1, .iface = 0, .valid = 1, .mtu = 1500, .addr = rig_addr("fd00:1::2")
	};
	struct zs_settings s;

	assert_int_equal(zs_tables_set_local(&r->writer, 2, &l), 0);
	assert_int_equal(zs_tables_put_route(&r->writer, &to), 0);
	assert_int_equal(zs_tables_put_nexthop(&r->writer, &n), 0);
	assert_true(zs_tables_settings(&r->writer, &s));
	assert_int_equal(zs_deny_allow(&s.deny, &(struct zs_prefix){ rig_addr("10.0.0.0"), 104 }), 0);
	assert_int_equal(zs_deny_allow(&s.deny, &(struct zs_prefix){ rig_addr("fd00::"), 8 }), 0);
	s.generation++;
	assert_int_equal(zs_tables_set_settings(&r->writer, &s), 0);
}

static inline void cid_secrets(struct cid_rig *c)
{
	struct zs_cid_config config = {
		.used = 1, .keyed = 1, .server_id_len = 12, .nonce_len = 4, .key = "a key, 16 bytes"
	};
	struct zs_cookie_secret cookie = { .step = 1, .now = "cookies, 16 byt" };

	assert_int_equal(zs_sessions_set_cid_config(&c->shm, 2, &config), 0);
	assert_int_equal(zs_sessions_set_cookie_secret(&c->shm, &cookie), 0);
	zs_cidset_init(&c->mint, zs_aes_best());
	zs_cidset_put(&c->mint, 2, config.key);
}

/* What a worker's housekeeping does, until it is up to date. */
static inline void cid_refresh(struct cid_rig *c)
{
	for (uint32_t i = 0; i < c->r->dp.workers; i++) {
		struct zs_worker *w = &c->r->worker[i];

		zs_cids_refresh(&w->cids, w->sessions, w->unix_s);
		for (int k = 0; k < 4; k++)
			zs_hot_refresh(w);
	}
}

static inline void cid_workers(struct cid_rig *c, uint32_t workers)
{
	rig_state(c->r, workers, 64);
	for (uint32_t i = 0; i < workers; i++) {
		struct zs_worker *w = &c->r->worker[i];

		w->sessions = w->policer.v.sessions = &c->shm;
		w->hot_view = (struct zs_hot_view){ 0 };
		w->unix_s = 1700000000;
		w->flood.nudges = UINT8_MAX; /* a test that counts them says how many */
		zs_cids_open(&w->cids, NULL);
	}
	zs_binds_close(&c->r->dp);
	assert_int_equal(zs_binds_open(&c->r->dp, &(struct zs_error){ 0 }), 0);
	cid_refresh(c);
}

static inline int cid_setup(void **state)
{
	struct zs_sessions_shape shape = { CID_ATTACHMENTS, CID_ATTACHMENTS };
	struct cid_rig *c = calloc(1, sizeof(*c));
	bool fresh;

	assert_int_equal(rig_setup((void **)&c->r), 0);
	c->r->conf.attach.pop = CID_POP;
	c->r->conf.attach.service_port = c->r->dp.service_port = CID_SERVICE;
	c->r->conf.attach.tunnel_port = CID_SERVICE + 1;
	assert_int_equal(zs_sessions_open_writer(&c->shm, c->r->dp.shm_dir, &shape, &fresh, NULL), 0);
	cid_world(c->r);
	cid_secrets(c);
	the_rig = c;
	*state = c;
	cid_workers(c, 2);
	return 0;
}

static inline int cid_teardown(void **state)
{
	struct cid_rig *c = *state;

	zs_binds_close(&c->r->dp);
	zs_sessions_close(&c->shm);
	rig_teardown((void **)&c->r);
	free(c);
	return 0;
}

static inline void cid_root(uint32_t id, uint8_t root[ZS_SESSION_ROOT])
{
	memset(root, 0x40 + (int)id, ZS_SESSION_ROOT);
}

/* An attachment with one session in socket mode; slot and receiver are its id, the bind id 1. */
static inline void cid_attach(struct cid_rig *c, uint32_t id, uint16_t generation,
			      enum zs_strangers strangers)
{
	struct zs_session v = { .used = 1,
				.mode = ZS_SESSION_SOCKET,
				.bind_id = 1,
				.attachment = id,
				.generation = generation,
				.receiver = id,
				.incarnation = c->r->dp.state.seg.base->incarnation };
	struct zs_attachment a = { .used = 1,
				   .strangers = (uint8_t)strangers,
				   .generation = generation,
				   .session = id,
				   .previous = ZS_SESSION_NONE };

	cid_root(id, v.root);
	assert_int_equal(zs_sessions_set_session(&c->shm, id, &v), 0);
	assert_int_equal(zs_sessions_set_attachment(&c->shm, id, &a), 0);
	cid_refresh(c);
}

static inline struct zs_endpoint cid_peer(const char *addr, uint16_t port)
{
	return (struct zs_endpoint){ rig_addr(addr), port };
}

/* Binds an attachment as the binder does when it has decided. */
static inline void cid_bind(struct cid_rig *c, uint32_t id, struct zs_endpoint at, uint8_t local)
{
	struct zs_worker *w = &c->r->worker[ZS_BINDER];
	struct zs_binding before = zs_binds_get(w, id), after = before;
	struct zs_attachment a;

	assert_true(zs_sessions_attachment(&c->shm, id, &a));
	after.receiver[0] = a.session;
	after.bind_id[0] = after.counter[0] = after.holder = 1;
	after.generation = a.generation;
	after.addr = at.addr;
	after.port = at.port;
	after.local = local;
	after.expires_ns = w->now_ns + 75 * ZS_NS_PER_S;
	zs_binds_put(w, id, &before, &after);
	cid_refresh(c);
}

static inline void cid_mint(struct cid_rig *c, uint32_t pop, uint32_t id, uint16_t generation,
			    uint8_t cid[ZS_CID])
{
	zs_cidset_encode(
	    &c->mint,
	    &(struct zs_cid){
		.rotation = 2, .generation = generation, .pop = pop, .attachment = id, .nonce = c->nonce++ },
	    cid);
}

/* A packet on the service port, as classify leaves it. */
struct cid_packet {
	struct zs_item it;
	uint8_t l4[ZS_UDP_LEN + 128];
};

static inline void cid_packet(struct cid_packet *p, struct zs_endpoint from, uint8_t local,
			      const void *payload, uint16_t len)
{
	memset(p, 0, sizeof(*p));
	memcpy(p->l4 + ZS_UDP_LEN, payload, len);
	p->it.l4 = p->l4;
	p->it.l4_len = (uint16_t)(ZS_UDP_LEN + len);
	p->it.class = ZS_CLASS_CID;
	p->it.local = local;
	p->it.p.src = from;
	p->it.p.dst.port = CID_SERVICE;
	p->it.p.payload_len = len;
}

/* Runs it on a worker, its way and what it costs; true when it goes on. */
static inline bool cid_run(struct cid_rig *c, uint32_t worker, struct cid_packet *p)
{
	struct zs_item *at[1] = { &p->it };

	c->drop = ZS_DROPS;
	c->sent_len = 0;
	if (zs_stage_cid(&c->r->worker[worker], at, 1) == 1)
		return zs_stage_police(&c->r->worker[worker], at, 1) == 1;
	assert_int_equal(zs_stage_late(&c->r->worker[worker], at), 0);
	return false;
}

/* A short header with that connection ID and ten bytes more, to attachment `id`. */
static inline bool cid_send(struct cid_rig *c, struct cid_packet *p, struct zs_endpoint from, uint8_t local,
			    uint32_t id, uint16_t generation)
{
	uint8_t bytes[1 + ZS_CID + 10] = { 0 }; /* the fixed bit is greased */

	cid_mint(c, CID_POP, id, generation, bytes + 1);
	cid_packet(p, from, local, bytes, sizeof(bytes));
	return cid_run(c, 0, p);
}

#endif
