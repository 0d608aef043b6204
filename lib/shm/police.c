/* Limits into rates. The only divisions of policing are here. */
#include "shm/police.h"

#include "base/clock.h"

#define DEPTH_MAX_US ((1u << 26) - 1) /* no burst is longer */
#define LEASE_NS     ZS_NS_PER_MS
#define DEPTH_NS     (10 * ZS_NS_PER_MS)

/* ns that `units` take at `per_s`. */
static uint64_t time_of(uint64_t units, uint64_t per_s)
{
	unsigned __int128 ns = (unsigned __int128)units * ZS_NS_PER_S / per_s;

	return ns > UINT64_MAX ? UINT64_MAX : (uint64_t)ns;
}

/* per_s != 0. As many fraction bits as 32 bits have room for: the error is below 2^-30. */
static struct zs_rate rate_of(uint64_t per_s, uint64_t depth_ns)
{
	uint64_t depth_us = depth_ns / 1000 + 1;
	struct zs_rate r = { .depth_us = depth_us > DEPTH_MAX_US ? DEPTH_MAX_US : (uint32_t)depth_us };
	uint32_t shift = 64;
	unsigned __int128 ns;

	do
		ns = (((unsigned __int128)ZS_NS_PER_S << --shift) + per_s / 2) / per_s;
	while (ns > UINT32_MAX); /* a unit a second, the slowest, fits with a shift of 2 */
	r.mult = (uint32_t)ns;
	r.shift = shift & 63;
	return r;
}

static uint64_t depth_of(uint64_t units, uint64_t per_s, uint64_t least)
{
	uint64_t ns = time_of(units, per_s), floor = time_of(least, per_s);

	if (!units)
		ns = DEPTH_NS;
	return units || ns > floor ? ns : floor;
}

/* What a lease takes: 1 ms of the rate, no more than a quarter of the burst. */
static uint16_t quantum_of(uint64_t per_s, const struct zs_rate *r, uint32_t step, uint32_t max)
{
	uint64_t quarter_ns = (uint64_t)r->depth_us * 1000 / 4;
	uint64_t ns = quarter_ns < LEASE_NS ? quarter_ns : LEASE_NS;
	uint64_t units = (uint64_t)((unsigned __int128)per_s * ns / ZS_NS_PER_S);

	units = (units > max ? max : units) / step;
	return units ? (uint16_t)units : 1;
}

uint64_t zs_police_burst_max(uint64_t bit_s)
{
	unsigned __int128 bytes = (unsigned __int128)(bit_s / 8 + (bit_s % 8 != 0)) * ZS_POLICE_DEPTH_S;

	return bytes > UINT64_MAX ? UINT64_MAX : (uint64_t)bytes;
}

void zs_police_of(struct zs_police *out, const struct zs_police_limits *l)
{
	uint64_t bytes = l->bit_s / 8 + (l->bit_s % 8 != 0);

	*out = (struct zs_police){ .flows = l->flows };
	if (bytes) {
		out->bytes = rate_of(bytes, depth_of(l->burst, bytes, 2 * ZS_POLICE_PACKET));
		out->quantum = quantum_of(bytes, &out->bytes, ZS_POLICE_STEP, ZS_POLICE_LEASE);
	}
	if (l->pkt_s) {
		out->packets = rate_of(l->pkt_s, depth_of(0, l->pkt_s, 2));
		out->packet_quantum = quantum_of(l->pkt_s, &out->packets, 1, ZS_POLICE_LEASE / 64);
	}
	if (l->new_flows_s)
		out->new_flows = rate_of(l->new_flows_s, ZS_NS_PER_S);
}

static struct zs_rate part_of(uint64_t per_s, uint32_t members)
{
	uint64_t part = per_s / (members ? members : 1);

	return per_s ? rate_of(part ? part : 1, DEPTH_NS) : (struct zs_rate){ 0 };
}

void zs_police_share(struct zs_rate *bytes, struct zs_rate *packets, const struct zs_police_limits *tenant,
		     uint32_t members)
{
	*bytes = part_of(tenant->bit_s / 8, members);
	*packets = part_of(tenant->pkt_s, members);
}
