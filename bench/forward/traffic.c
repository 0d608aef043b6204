/* Everybody's place follows from his number, by a mixing that no two numbers share. */
#include "forward/forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "core/draw.h"
#include "net/checksum.h"

#define NEAR4	 0x20000000u /* 32.0.0.0/3 */
#define FAR4	 0x80000000u /* 128.0.0.0/3 */
#define DENIED4	 0x40000000u /* 64.0.0.0/3 */
#define BITS4	 29
#define LOW_PORT 1024
#define PORTS	 60000

static uint64_t mix(uint64_t number)
{
	return zs_draw(&number);
}

/* One to one on so many bits. */
static uint32_t scramble(uint32_t v, uint32_t bits)
{
	uint32_t mask = (1u << bits) - 1;

	v = v * 0x9e3779b1u & mask;
	v ^= v >> bits / 2;
	return v * 0x85ebca6bu & mask;
}

static struct zs_addr addr4(uint32_t ip)
{
	return (struct zs_addr){ { [10] = 0xff,
				   [11] = 0xff,
				   (uint8_t)(ip >> 24),
				   (uint8_t)(ip >> 16),
				   (uint8_t)(ip >> 8),
				   (uint8_t)ip } };
}

/* In FIRST00::/12. */
static struct zs_addr addr6(uint8_t first, uint32_t number)
{
	struct zs_addr a = { { first } };
	uint64_t v = mix(number), w = mix(v);

	memcpy(a.ip + 8, &v, sizeof(v));
	memcpy(a.ip + 2, &w, 6);
	return a;
}

static struct zs_endpoint place(const struct zs_forward *f, uint32_t base4, uint8_t first6, uint32_t number,
				uint16_t port)
{
	struct zs_addr a = f->is4 ? addr4(base4 | scramble(number, BITS4)) : addr6(first6, number);

	return (struct zs_endpoint){ a, port };
}

struct zs_endpoint zs_forward_near(const struct zs_forward *f, uint32_t entry)
{
	return place(f, NEAR4, 0x2a, entry, (uint16_t)(LOW_PORT + scramble(entry, 24) % PORTS));
}

struct zs_endpoint zs_forward_far(const struct zs_forward *f, uint32_t number)
{
	return place(f, FAR4, 0x26, number, 443);
}

struct zs_endpoint zs_forward_relay(const struct zs_forward *f, uint8_t port, uint16_t udp_port)
{
	static const uint8_t local[2][2] = { { ZS_BED_NEAR6, ZS_BED_NEAR }, { ZS_BED_FAR6, ZS_BED_FAR } };

	return (struct zs_endpoint){ f->w->locals.entry[local[port][f->is4]].addr, udp_port };
}

static bool is_unplaced(const struct zs_forward *f, uint32_t entry)
{
	for (uint32_t i = 0; i < f->unplaced; i++)
		if (f->unplaced_at[i] == entry)
			return true;
	return false;
}

/* Ranks are strewn over the entries, so that the popular ones lie apart. */
static uint32_t draw(struct zs_forward *f)
{
	if (!f->zipf.n)
		return zs_draw_below(&f->random, f->entries);
	return (uint32_t)(zs_zipf_draw(&f->zipf, &f->random) * 2654435761u % f->entries);
}

uint32_t zs_forward_draw(struct zs_forward *f)
{
	uint32_t entry;

	do
		entry = draw(f);
	while (f->unplaced && is_unplaced(f, entry));
	return entry;
}

int zs_forward_unplace(struct zs_forward *f, uint32_t entry, struct zs_error *err)
{
	const char *why = "their index is full";

	if (f->unplaced < ZS_FORWARD_UNPLACED) {
		f->unplaced_at[f->unplaced++] = entry;
		return 0;
	}
	zs_bed_dropped(f->bed, &why);
	return zs_error_set(err, -E2BIG, ZS_EXIT_FAILED, "the relay takes no more than %u entries of %u (%s)",
			    entry, f->entries, why);
}

void zs_forward_pattern(struct zs_forward *f)
{
	for (uint32_t i = 0; i < sizeof(f->pattern); i++)
		f->pattern[i] = (uint8_t)(i * 7 + 1);
	for (uint32_t k = 0; k < f->sizes; k++)
		for (uint32_t head = 0; head <= ZS_FORWARD_HEAD_MAX && head <= f->payload[k]; head += 2)
			f->pattern_sum[k][head] = zs_csum_add(0, f->pattern + head, f->payload[k] - head);
}

void zs_forward_frame(struct zs_forward *f, struct rte_mbuf *m, uint8_t in, const struct zs_endpoint *src,
		      const struct zs_endpoint *dst, const struct zs_made *made)
{
	uint32_t header = ZS_ETH_LEN + (f->is4 ? ZS_IP4_MIN : ZS_IP6_LEN) + ZS_UDP_LEN;
	uint32_t len = f->payload[made->mix], sum = f->pattern_sum[made->mix][made->head_len];
	uint8_t *payload = (uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM + header;
	struct zs_header h = { *src, *dst, zs_csum_add(sum, made->head, made->head_len), 0 };
	struct zs_item it = { .m = m };

	memcpy(payload, made->head, made->head_len);
	memcpy(payload + made->head_len, f->pattern + made->head_len, len - made->head_len);
	memcpy(it.hop.dmac, f->bed->dp.port[in].mac, sizeof(it.hop.dmac));
	ZS_CHECK(zs_header_put(&it, &h, payload, (uint16_t)len), "room for headers");
}

void zs_forward_deny(struct zs_forward *f)
{
	struct zs_acl_rule *rule = calloc(f->rules, sizeof(*rule));
	uint64_t epoch;

	ZS_CHECK(rule, "memory for rules");
	for (uint32_t i = 0; i < f->rules; i++) {
		struct zs_prefix p = { addr4(DENIED4 | scramble(i, BITS4 - 8) << 8), 96 + 24 };

		if (i & 1) {
			p = (struct zs_prefix){ addr6(0x24, i), 48 };
			memset(p.addr.ip + 6, 0, 10);
		}
		rule[i] = (struct zs_acl_rule){ .prefix = p, .deny = ZS_ACL_IN | ZS_ACL_OUT };
	}
	ZS_CHECK(zs_tables_put_rules(&f->bed->tables, rule, f->rules, &epoch) == 0, "rules are taken");
	free(rule);
}
