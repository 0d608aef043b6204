/* The headers of a group of frames side by side: are they what nearly every packet of a port is (packet_plain.h,
 * struct zs_plain_like), plain in all else too, and what of them differs from sender to sender?
 *
 * Each header word of eight frames is one vector, so a check costs once what it costs a packet. One source (heads_body.h) for
 * vectors of any width; which is run is chosen by what the CPU has. All give the same. */
#ifndef ZS_NET_HEADS_H
#define ZS_NET_HEADS_H

#include "net/packet_plain.h"

#define ZS_HEADS      8	 /* frames of a group */
#define ZS_HEADS_SEEN 40 /* bytes of a frame that are read, whatever its length */

struct zs_heads {
	const uint8_t *frame[ZS_HEADS]; /* in: all of them can be read */
	uint64_t len[ZS_HEADS];		/* in; 0: it is none, look away */
	/* Out. Of what is not plain the columns hold anything. */
	_Alignas(64) uint64_t bad[ZS_HEADS]; /* 0: it is plain */
	uint64_t src[ZS_HEADS];		     /* second half of its struct zs_addr; the first is zero */
	uint64_t ports
	    [ZS_HEADS]; /* host order: source above bit 16, destination above bit 32, UDP's length above bit 48 */
};

/* Any thread. Frames that are like `l` and have right lengths and IPv4 checksum, a TTL above 1, ports, a source that can be. */
typedef void zs_heads_fn(struct zs_heads *h, const struct zs_plain_like *l);

struct zs_heads_engine {
	const char *name;
	bool (*here)(void); /* does this CPU have it? */
	zs_heads_fn *read;
};

/* The widest of this CPU: a few compares, ask once a burst. */
zs_heads_fn *zs_heads_best(void);
/* The n-th that this build has, widest first, whether the CPU has it or not; NULL: no more. */
const struct zs_heads_engine *zs_heads_engine(size_t n);

static inline uint16_t zs_heads_src_port(const struct zs_heads *h, uint32_t i)
{
	return (uint16_t)(h->ports[i] >> 16);
}
static inline uint16_t zs_heads_dst_port(const struct zs_heads *h, uint32_t i)
{
	return (uint16_t)(h->ports[i] >> 32);
}
static inline uint16_t zs_heads_udp_len(const struct zs_heads *h, uint32_t i)
{
	return (uint16_t)(h->ports[i] >> 48);
}

#endif
