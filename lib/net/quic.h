/* What every version of QUIC promises about a datagram's first packet (RFC 8999), and no
 * more: the header form, the version and the connection IDs. The fixed bit is not looked at
 * (RFC 9287 lets peers grease it). */
#ifndef ZS_NET_QUIC_H
#define ZS_NET_QUIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zs_quic_head {
	bool is_long;
	uint8_t dcid_len, scid_len; /* a version unknown to us may use up to 255 */
	uint32_t version;	    /* 0: version negotiation; short headers have none: 0 too */
	const uint8_t *dcid, *scid; /* into the datagram; scid NULL for short headers */
};

/* Any thread, no state. A short header does not tell its length of the connection ID: the
 * receiver knows how long its own are. False, and *out undefined, when the bytes end inside
 * what must be there. */
bool zs_quic_read(const uint8_t *bytes, size_t len, uint8_t short_dcid_len, struct zs_quic_head *out);

#endif
