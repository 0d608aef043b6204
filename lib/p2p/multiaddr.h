/* Multiaddrs: self-describing addresses, as bytes (identify, records, Notice) and as text (people, TXT
 * records). Parts that we can read stand in lib/defs/multiaddr.def. Behind a part of unknown code nothing
 * can be read, so such an address is opaque: it may be kept and passed on, not shown or dialled.
 * Pure; any thread. */
#ifndef ZS_P2P_MULTIADDR_H
#define ZS_P2P_MULTIADDR_H

#include "base/cursor.h"
#include "net/addr.h"
#include "p2p/peerid.h"

#define ZS_MULTIADDR	   512 /* longest address in bytes; honest ones stay below 200 */
#define ZS_MULTIADDR_PARTS 32  /* in one address; honest ones stay below 12 */
#define ZS_MULTIADDR_TEXT                                                                                    \
	2048		/* room for the text of any; 32 parts of ip4, ip6 and hashes stay below 1,500 */
#define ZS_DNS_NAME 254 /* RFC 1035: 253 characters and the end */

enum zs_multiaddr_code {
#define ZS_MULTIADDR_PART(id, name, code, kind) ZS_MA_##id = code,
#include "defs/multiaddr.def"
#undef ZS_MULTIADDR_PART
};

struct zs_multiaddr {
	uint16_t len;
	uint8_t bytes[ZS_MULTIADDR];
};

struct zs_multiaddr_part {
	enum zs_multiaddr_code code;
	size_t len; /* of the value, its length prefix left out */
	const uint8_t *value;
};

/* 1: the next part, judged; 0: the end; -EINVAL: malformed; -EPROTONOSUPPORT: of unknown code. */
int zs_multiaddr_next(struct zs_reader *r, struct zs_multiaddr_part *part);
/* Copies an address of a peer. 0; -EPROTONOSUPPORT: opaque, *out is filled as well; -EINVAL: empty, too long, malformed. */
int zs_multiaddr_decode(struct zs_multiaddr *out, const void *bytes, size_t len);
/* /name/value/…; -EINVAL and nothing written: not an address, `quic` of the drafts, too long. */
int zs_multiaddr_parse(struct zs_multiaddr *out, const char *text);
/* The text in buf; NULL when the address is opaque or malformed. */
const char *zs_multiaddr_format(const struct zs_multiaddr *addr, char buf[ZS_MULTIADDR_TEXT]);

enum zs_dial_host { ZS_DIAL_IP, ZS_DIAL_DNS, ZS_DIAL_DNS4, ZS_DIAL_DNS6, ZS_DIAL_DNSADDR };

/* What a dialler needs of an address. */
struct zs_dial_target {
	enum zs_dial_host host;
	uint16_t port;		/* 0 for ZS_DIAL_DNSADDR */
	struct zs_addr addr;	/* ZS_DIAL_IP */
	char name[ZS_DNS_NAME]; /* the others */
	struct zs_peer_id peer; /* len 0: not named */
};

/* /(ip4|ip6|dns|dns4|dns6)/udp/PORT/quic-v1[/p2p/ID] or /dnsaddr/NAME[/p2p/ID]. -EPROTONOSUPPORT: a good address of a
 * transport that is not ours; -EINVAL: malformed, port 0, or IPv4 dressed as IPv6. Whether the address is
 * allowed is the gater's question. */
int zs_multiaddr_dial(const struct zs_multiaddr *addr, struct zs_dial_target *out);
/* /ip…/udp/PORT/quic-v1, and /p2p/ID unless peer is NULL. */
void zs_multiaddr_quic(struct zs_multiaddr *out, const struct zs_endpoint *ep, const struct zs_peer_id *peer);

#endif
