/* A batch's life: made, run, taken away. */
#include "forward/forward.h"

#include <rte_ethdev.h>
#include <rte_ring.h>
#include "core/draw.h"
#include "core/tsc.h"
#include "net/checksum.h"

#define TTL 63 /* one less than it was made with */

static uint8_t mix(struct zs_forward *f)
{
	uint32_t of12;

	if (f->sizes == 1)
		return 0;
	of12 = zs_draw_below(&f->random, 12);
	return of12 < 7 ? 0 : of12 < 11 ? 1 : 2;
}

void zs_forward_fill(struct zs_forward *f, uint32_t n)
{
	struct rte_mbuf *m[ZS_FORWARD_BATCH], *side[2][ZS_FORWARD_BATCH];
	uint32_t count[2] = { 0 };

	ZS_CHECK(n <= ZS_FORWARD_BATCH && !rte_pktmbuf_alloc_bulk(f->bed->dp.pool, m, n),
		 "a leak of packets");
	f->made_count[0] = f->made_count[1] = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct zs_made made = { .mix = mix(f) };
		uint8_t in = f->kind->make(f, m[i], &made);

		side[in][count[in]++] = m[i];
		f->made[made.out][f->made_count[made.out]++] = made;
	}
	for (int in = 0; in < 2; in++)
		ZS_CHECK(rte_ring_sp_enqueue_bulk(f->queues.in[in], (void **)side[in], count[in], NULL) ==
			     count[in],
			 "room in a ring");
}

uint64_t zs_forward_turns(struct zs_forward *f, uint32_t n)
{
	struct zs_worker *w = f->w;
	uint64_t start = zs_tsc();

	f->packets += n;
	for (uint32_t done = 0; done < n;)
		done += zs_worker_turn(w, &f->burst, true);
	return zs_tsc() - start;
}

uint32_t zs_forward_io_turn(struct zs_forward *f)
{
	const struct zs_port *port = f->bed->dp.port;
	uint32_t all = 0;

	for (int in = 0; in < 2; in++) {
		const struct zs_queue *from = &port[in].queue[0], *to = &port[f->kind->io[in]].queue[0];
		struct rte_mbuf *m[ZS_BURST];
		uint16_t got = rte_eth_rx_burst(from->ethdev, from->id, m, ZS_BURST), sent;

		if (!got)
			continue;
		sent = rte_eth_tx_burst(to->ethdev, to->id, m, got);
		if (sent < got)
			rte_pktmbuf_free_bulk(m + sent, got - sent);
		all += got;
	}
	return all;
}

uint64_t zs_forward_io(struct zs_forward *f, uint32_t n)
{
	uint64_t start = zs_tsc();

	for (uint32_t done = 0; done < n;)
		done += zs_forward_io_turn(f);
	return zs_tsc() - start;
}

/* --- what left --- */

static bool sums_are_right(const struct zs_packet *p, const uint8_t *frame)
{
	uint32_t udp = zs_header_sum(&p->src, &p->dst, p->udp_len);

	if (p->is4 && zs_csum_fold(zs_csum_add(0, frame + p->l3_off, ZS_IP4_MIN)) != 0xffff)
		return false;
	return zs_csum_fold(zs_csum_add(udp, frame + p->l4_off + 6, p->udp_len - 6u)) == 0xffff;
}

/* NULL: as it must be. */
static const char *fault(const struct zs_forward *f, const struct zs_made *made, zs_forward_expect *expect,
			 const uint8_t *frame, uint32_t len)
{
	static const uint8_t router[6] = { ZS_BED_ROUTER, ZS_BED_ROUTER, ZS_BED_ROUTER,
					   ZS_BED_ROUTER, ZS_BED_ROUTER, ZS_BED_ROUTER };
	struct zs_ends ends;
	struct zs_packet p;

	if (zs_packet_parse(frame, len, &p) != ZS_PARSE_OK)
		return "headers";
	expect(f, made, &ends);
	if (memcmp(frame, router, 6) || memcmp(frame + 6, f->bed->dp.port[made->out].mac, 6))
		return "link addresses";
	if (!zs_endpoint_eq(&p.dst, &ends.dst))
		return "destination";
	if (!zs_endpoint_eq(&p.src, &ends.src))
		return "source";
	if (p.ttl != TTL)
		return "TTL";
	if (p.payload_len != f->payload[made->mix] ||
	    memcmp(frame + p.payload_off, made->head, made->head_len) ||
	    memcmp(frame + p.payload_off + made->head_len, f->pattern + made->head_len,
		   f->payload[made->mix] - made->head_len))
		return "payload";
	return sums_are_right(&p, frame) ? NULL : "checksum";
}

static bool begins_with(const struct zs_forward *f, const struct rte_mbuf *m, const struct zs_made *made)
{
	uint32_t header = ZS_ETH_LEN + (f->is4 ? ZS_IP4_MIN : ZS_IP6_LEN) + ZS_UDP_LEN;

	return m->data_len >= header + made->head_len &&
	       !memcmp(rte_pktmbuf_mtod(m, const uint8_t *) + header, made->head, made->head_len);
}

/* Which of those that were to leave there is the i-th that left? Within its burst a packet on the relay's long way comes behind
 * those on the short one; what its payload begins with tells it. Each is found once. */
static struct zs_made *whose(struct zs_forward *f, int out, uint32_t i, const struct rte_mbuf *m)
{
	uint32_t first = i < ZS_BURST ? 0 : i - ZS_BURST, end = i + ZS_BURST;

	for (uint32_t k = first; k < end && k < f->made_count[out]; k++) {
		struct zs_made *made = &f->made[out][k];

		if (!made->found && begins_with(f, m, made))
			return made;
	}
	return NULL;
}

static void compare(struct zs_forward *f, struct zs_made *made, zs_forward_expect *expect,
		    const struct rte_mbuf *m)
{
	const char *what = "payload";

	f->verified++;
	if (made) {
		made->found = true;
		what = fault(f, made, expect, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
	}
	if (!what)
		return;
	f->wrong++;
	f->wrong_what = what;
}

uint32_t zs_forward_take(struct zs_forward *f)
{
	struct rte_mbuf *m[ZS_FORWARD_BATCH];
	uint32_t got, all = 0;

	for (int out = 0; out < 2; out++)
		while ((got = rte_ring_sc_dequeue_burst(f->queues.out[out], (void **)m, ZS_FORWARD_BATCH,
							NULL))) {
			rte_pktmbuf_free_bulk(m, got);
			all += got;
		}
	return all;
}

void zs_forward_sink(struct zs_forward *f, uint32_t n, zs_forward_expect *look)
{
	for (int out = 0; out < 2; out++) {
		struct rte_mbuf *m[ZS_FORWARD_BATCH];
		uint32_t got = rte_ring_sc_dequeue_burst(f->queues.out[out], (void **)m, ZS_FORWARD_BATCH,
							 NULL);

		for (uint32_t i = 0; look && i < got && i < f->made_count[out]; i++)
			compare(f, whose(f, out, i, m[i]), look, m[i]);
		rte_pktmbuf_free_bulk(m, got);
		n -= got;
	}
	f->lost += n;
}
