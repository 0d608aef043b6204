/* Kind flow: clients of published ports, made by the relay itself from their first packets, answered and confirmed before
 * anything is measured. Packets of drawn flows go both ways in turns; of the relay's source port toward the target a
 * target knows what it has seen. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <rte_ring.h>
#include "forward/forward.h"
#include "targets.h"

#define PUBLISHED  5000 /* the first one */
#define PORTS_MIN  16
#define PORTS_MAX  4096 /* so that a target has source ports for its flows */
#define FLOWS_EACH 2048
#define MAKE                                                                                                 \
	(ZS_BURST -                                                                                          \
	 1) /* at once: full bursts of new clients alone are a flood, and the relay makes no flow then */

enum way { TO_TARGET, TO_CLIENT };

struct own {
	uint32_t ports;
	uint16_t *seen; /* by flow: the relay's port toward the target */
};

static uint32_t smallest(const struct zs_forward *f)
{
	return f->is4 ? 64 : 66;
}

static void shape(const struct zs_forward *f, struct zs_bed_shape *s)
{
	s->attachments = 64;
	s->flows = f->entries;
}

static uint16_t published(const struct zs_forward *f, uint32_t flow)
{
	return (uint16_t)(PUBLISHED + flow % ((const struct own *)f->own)->ports);
}

static struct zs_endpoint target(const struct zs_forward *f, uint32_t flow)
{
	return zs_forward_far(f, published(f, flow));
}

static void publish(struct zs_forward *f, uint32_t ports)
{
	for (uint32_t i = 0; i < ports; i++) {
		struct zs_endpoint at = zs_forward_far(f, PUBLISHED + i);
		struct zs_published p = {
			.used = 1, .generation = 1, .target = at.addr, .target_port = at.port
		};

		ZS_CHECK(zs_tables_set_published(&f->bed->tables, (uint16_t)(PUBLISHED + i), &p) == 0,
			 "a port is published");
	}
	zs_targets_sync(f->bed->dp.targets, &f->bed->tables);
}

void zs_forward_flow_sent(const struct zs_forward *f, const struct zs_made *made, struct zs_ends *ends)
{
	const struct own *own = f->own;

	if (made->way == TO_TARGET) {
		ends->src = zs_forward_near(f, made->entry);
		ends->dst = zs_forward_relay(f, 0, published(f, made->entry));
	} else {
		ends->src = target(f, made->entry);
		ends->dst = zs_forward_relay(f, 1, own->seen[made->entry]);
	}
}

/* A packet of one flow. */
static uint8_t make_one(struct zs_forward *f, struct rte_mbuf *m, struct zs_made *made)
{
	struct zs_ends sent;
	uint8_t in = made->way == TO_TARGET ? 0 : 1;

	zs_forward_flow_sent(f, made, &sent);
	made->out = !in;
	zs_forward_frame(f, m, in, &sent.src, &sent.dst, made);
	return in;
}

/* --- making them --- */

/* A packet of each flow from `first` on, one way; of those alone that are `known` to be there. What came of it stays in the rings. */
static void send(struct zs_forward *f, uint32_t first, uint32_t n, enum way way, bool known)
{
	struct own *own = f->own;
	struct rte_mbuf *m[ZS_FORWARD_BATCH];
	uint32_t count = 0;

	ZS_CHECK(!rte_pktmbuf_alloc_bulk(f->bed->dp.pool, m, n), "a leak of packets");
	for (uint32_t i = 0; i < n; i++) {
		struct zs_made made = { .entry = first + i, .way = (uint8_t)way };

		if (known && !own->seen[first + i])
			rte_pktmbuf_free(m[i]);
		else {
			make_one(f, m[i], &made);
			m[count++] = m[i];
		}
	}
	ZS_CHECK(rte_ring_sp_enqueue_bulk(f->queues.in[way], (void **)m, count, NULL) == count, "room");
	zs_forward_turns(f, count);
}

/* The target's host notes where a client's packet came from. Whose it is says its number, the packet's order does not: one may
 * have been refused. */
static uint32_t note(struct zs_forward *f, uint32_t first, uint32_t n)
{
	struct own *own = f->own;
	struct rte_mbuf *m[ZS_FORWARD_BATCH];
	uint32_t got = rte_ring_sc_dequeue_burst(f->queues.out[1], (void **)m, n, NULL);

	for (uint32_t i = 0, at = 0; i < got; i++, at++) {
		const uint8_t *frame = rte_pktmbuf_mtod(m[i], const uint8_t *);
		uint32_t l4 = ZS_ETH_LEN + (f->is4 ? ZS_IP4_MIN : ZS_IP6_LEN);
		struct zs_packet p;

		ZS_CHECK(zs_packet_parse(frame, m[i]->data_len, &p) == ZS_PARSE_OK, "a packet");
		while (at < n) {
			struct zs_endpoint to = target(f, first + at);

			if (zs_endpoint_eq(&p.dst, &to))
				break;
			at++;
		}
		ZS_CHECK(at < n, "a packet to nobody's target");
		own->seen[first + at] = (uint16_t)(frame[l4] << 8 | frame[l4 + 1]);
	}
	rte_pktmbuf_free_bulk(m, got);
	return got;
}

static int make_flows(struct zs_forward *f, struct zs_error *err)
{
	const struct own *own = f->own;
	int rc;

	for (uint32_t first = 0; first < f->entries; first += MAKE) {
		uint32_t left = f->entries - first, n = left < MAKE ? left : MAKE, made;

		send(f, first, n, TO_TARGET, false);
		made = note(f, first, n);
		send(f, first, n, TO_CLIENT, true);
		zs_forward_sink(f, made, NULL);
		send(f, first, n, TO_TARGET, true);
		zs_forward_sink(f, made, NULL);
		for (uint32_t i = first; made < n && i < first + n; i++)
			if (!own->seen[i] && (rc = zs_forward_unplace(f, i, err)))
				return rc;
	}
	return 0;
}

static int open(struct zs_forward *f, struct zs_error *err)
{
	struct own *own = f->own = calloc(1, sizeof(*own));

	if (own)
		own->seen = calloc(f->entries, sizeof(*own->seen));
	if (!own || !own->seen)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for %u flows", f->entries);
	own->ports = f->entries / FLOWS_EACH;
	if (own->ports < PORTS_MIN)
		own->ports = PORTS_MIN;
	else if (own->ports > PORTS_MAX)
		own->ports = PORTS_MAX;
	publish(f, own->ports);
	return make_flows(f, err);
}

/* --- and using them --- */

static uint8_t make(struct zs_forward *f, struct rte_mbuf *m, struct zs_made *made)
{
	uint32_t number = (uint32_t)f->serial++;

	made->way = number & 1;
	made->entry = zs_forward_draw(f);
	if (f->payload[made->mix] >= sizeof(number)) {
		made->head_len = sizeof(number);
		memcpy(made->head, &number, sizeof(number));
	}
	return make_one(f, m, made);
}

static void expect(const struct zs_forward *f, const struct zs_made *made, struct zs_ends *ends)
{
	const struct own *own = f->own;

	if (made->way == TO_TARGET) {
		ends->src = zs_forward_relay(f, 1, own->seen[made->entry]);
		ends->dst = target(f, made->entry);
	} else {
		ends->src = zs_forward_relay(f, 0, published(f, made->entry));
		ends->dst = zs_forward_near(f, made->entry);
	}
}

static uint64_t metered(const struct zs_forward *f)
{
	const struct zs_flow_table *t = &f->bed->dp.partition[0];
	uint64_t n = 0;

	for (uint32_t i = 0; i < t->capacity; i++) {
		struct zs_flow_counts c = zs_flow_counts(&t->flow[i], &t->rest[i]);

		n += t->flow[i].used ? c.packets[ZS_FLOW_TO_TARGET] + c.packets[ZS_FLOW_TO_CLIENT] : 0;
	}
	return n;
}

static void close_(struct zs_forward *f)
{
	struct own *own = f->own;

	if (own)
		free(own->seen);
}

const struct zs_forward_kind zs_forward_flow = {
	.name = "flow",
	.smallest = smallest,
	.shape = shape,
	.open = open,
	.make = make,
	.expect = expect,
	.metered = metered,
	.io = { 1, 0 },
	.close = close_,
};
