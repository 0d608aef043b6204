/* Answers without state on their way out: a rate for each kind, for resets one of each network too, and a
 * bounded queue whose second half only Retry may use. */
#include "p2p/quic/reply.h"

#include <string.h>

static const char *const names[] = {
#define ZS_REPLY_KIND(name, per_s, text) #name,
#include "defs/p2p_replies.def"
};

const char *zs_reply_kind_name(enum zs_reply_kind kind)
{
	return (unsigned)kind < ZS_REPLY_KINDS ? names[kind] : "unknown";
}

int zs_replies_init(struct zs_replies *r, const struct zs_quic_config *config, const uint64_t key[2])
{
	const uint32_t network = config->resets_per_network_s, address = (network + 1) / 2;
	const struct zs_prefix_config sources = {
		.rate = { [ZS_NEW_RATE_address] = { 32, 64, address, address, address },
			  [ZS_NEW_RATE_prefix] = { 24, 48, network, network, network } },
		.half_open_max = 1, /* not a matter of handshakes */
		.sources = ZS_RESET_SOURCES,
		.key = { key[0], key[1] },
	};

	for (int k = 0; k < ZS_REPLY_KINDS; k++)
		zs_gcra_init(&r->rate[k], config->replies_per_s[k], config->replies_per_s[k]);
	return zs_prefix_rates_new(&r->resets, &sources);
}

void zs_replies_free(struct zs_replies *r)
{
	zs_prefix_rates_delete(&r->resets);
}

static bool may(struct zs_replies *r, enum zs_reply_kind kind, const struct zs_addr *to, uint64_t now)
{
	enum zs_arrival_why why;

	if (r->count >= (kind == ZS_REPLY_KIND_retry ? ZS_REPLIES : ZS_REPLIES / 2))
		return false;
	if (kind == ZS_REPLY_KIND_reset &&
	    zs_prefix_judge(&r->resets, to, true, 0, now, &why) != ZS_ARRIVAL_ACCEPT)
		return false;
	return zs_gcra_allow(&r->bucket[kind], &r->rate[kind], now, 1);
}

uint8_t *zs_reply_room(struct zs_replies *r, enum zs_reply_kind kind, const struct zs_addr *to, uint64_t now)
{
	if (!may(r, kind, to, now)) {
		r->held[kind]++;
		return NULL;
	}
	return r->queue[(r->head + r->count) % ZS_REPLIES].bytes;
}

void zs_reply_commit(struct zs_replies *r, const struct zs_udp_datagram *to, size_t len)
{
	struct zs_reply *last = &r->queue[(r->head + r->count) % ZS_REPLIES];

	last->peer = to->peer;
	last->local = to->local;
	last->ifindex = to->ifindex;
	last->len = (uint16_t)len;
	r->count++;
}

size_t zs_reply_take(struct zs_replies *r, struct zs_udp_datagram *out, uint8_t *buf)
{
	const struct zs_reply *first = &r->queue[r->head];

	if (!r->count)
		return 0;
	memcpy(buf, first->bytes, first->len);
	*out = (struct zs_udp_datagram){ .peer = first->peer,
					 .local = first->local,
					 .ifindex = first->ifindex,
					 .data = buf,
					 .len = first->len };
	r->head = (r->head + 1) % ZS_REPLIES;
	r->count--;
	return first->len;
}
