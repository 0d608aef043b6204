/* Writes a pcapng capture, block by block, into the caller's buffer. Links are Ethernet, times ns. One section; the packets of
 * an interface follow its description, its statistics the packets.
 * Reference: draft-ietf-opsawg-pcapng. Pure functions: any thread. */
#ifndef ZS_NET_PCAPNG_H
#define ZS_NET_PCAPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZS_PCAPNG_TEXT 512 /* of an option; longer is cut */

/* Room for any block with `captured` bytes of a packet. */
#define ZS_PCAPNG_BLOCK(captured) ((captured) + 4 * (ZS_PCAPNG_TEXT + 8) + 128)

struct zs_pcapng_interface {
	const char *name, *description, *filter; /* NULL: none */
	uint8_t mac[6];
	uint32_t snap;
};

struct zs_pcapng_packet {
	uint32_t interface; /* in the order of descriptions */
	uint64_t time_ns;   /* since 1970 */
	const void *bytes;
	uint32_t captured, length;
	bool outbound;
	const char *comment; /* NULL: none */
};

struct zs_pcapng_statistics {
	uint32_t interface;
	uint64_t begin_ns, end_ns;
	uint64_t received, lost, delivered;
	const char *comment;
};

/* Each returns the block's bytes, or 0: it does not fit into `cap`. */
size_t zs_pcapng_begin(uint8_t *buf, size_t cap, const char *application, const char *comment);
size_t zs_pcapng_interface(uint8_t *buf, size_t cap, const struct zs_pcapng_interface *i);
size_t zs_pcapng_packet(uint8_t *buf, size_t cap, const struct zs_pcapng_packet *p);
size_t zs_pcapng_statistics(uint8_t *buf, size_t cap, const struct zs_pcapng_statistics *s);

#endif
