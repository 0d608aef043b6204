#include "fake_port.h"

#include <stdlib.h>
#include "base/check.h"
#include "tunnels.h"

/* A test may have its own instead. */
#define FAKE __attribute__((weak))

struct rte_mbuf *fake_new(void)
{
	struct rte_mbuf *m = aligned_alloc(64, sizeof(*m) + FAKE_ROOM);

	_Static_assert(FAKE_ROOM % 64 == 0, "whole lines");
	ZS_CHECK(m, "out of memory");
	memset(m, 0, sizeof(*m) + FAKE_ROOM);
	m->buf_addr = m + 1;
	m->buf_len = FAKE_ROOM;
	m->data_off = RTE_PKTMBUF_HEADROOM;
	return m;
}

void fake_free(struct rte_mbuf *m)
{
	free(m);
}

void fake_clear(struct fake_port *p)
{
	while (p->sent)
		fake_free(p->out[--p->sent]);
	while (p->passed)
		fake_free(p->pass[--p->passed].m);
}

FAKE struct rte_mbuf *zs_stage_new(struct zs_worker *w)
{
	return fake_port(w) && !fake_port(w)->empty ? fake_new() : NULL;
}

FAKE void zs_stage_drop(struct zs_worker *w, struct rte_mbuf *m, enum zs_drop reason)
{
	w->drop[reason]++;
	fake_free(m);
}

FAKE void zs_stage_free(struct rte_mbuf **m, uint32_t n)
{
	while (n)
		fake_free(m[--n]);
}

FAKE void zs_consume(struct zs_worker *w, struct rte_mbuf *m)
{
	w->count[ZS_COUNTER_consumed]++;
	fake_free(m);
}

FAKE bool zs_originate(struct zs_worker *w, const struct zs_ends *ends, const void *payload, uint16_t len)
{
	fake_port(w)->answers++;
	return true;
}

FAKE void zs_stage_push(struct zs_worker *w, struct rte_mbuf *m, uint32_t worker)
{
	struct fake_port *p = fake_port(w);

	ZS_CHECK(p && p->passed < FAKE_PACKETS, "no room in the fake");
	p->pass[p->passed].m = m;
	p->pass[p->passed++].worker = worker;
	w->count[ZS_COUNTER_handed_over]++;
}

FAKE void zs_tx_put(struct zs_worker *w, uint8_t iface, struct rte_mbuf *m, const struct zs_sent *sent)
{
	struct fake_port *p = fake_port(w);

	m->port = iface;
	w->count[ZS_COUNTER_tx]++;
	if (p && p->sent < FAKE_PACKETS)
		p->out[p->sent++] = m;
	else
		fake_free(m);
}

/* What stands in w->tx is a test's to look at; nothing comes after a whole burst. */
FAKE void zs_tx_push(struct zs_worker *w, uint8_t iface)
{
	ZS_CHECK(false, "a second burst for port %u", iface);
}
