/* Long:  form 1, 7 bits, version 32, DCID length 8, DCID, SCID length 8, SCID, …
 * Short: form 0, 7 bits, DCID, …                                        (RFC 8999, 5.1 and 5.2) */
#include "net/quic.h"

#define LONG_MIN 7 /* first byte, version, two lengths */

bool zs_quic_read(const uint8_t *bytes, size_t len, uint8_t short_dcid_len, struct zs_quic_head *out)
{
	if (len < 1)
		return false;
	out->is_long = bytes[0] & 0x80;
	if (!out->is_long) {
		out->version = 0;
		out->dcid = bytes + 1;
		out->dcid_len = short_dcid_len;
		out->scid = NULL;
		out->scid_len = 0;
		return len - 1 >= short_dcid_len;
	}
	if (len < LONG_MIN)
		return false;
	out->version = (uint32_t)bytes[1] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 8 |
		       bytes[4];
	out->dcid_len = bytes[5];
	out->dcid = bytes + 6;
	if (len < LONG_MIN + (size_t)out->dcid_len)
		return false;
	out->scid_len = out->dcid[out->dcid_len];
	out->scid = out->dcid + out->dcid_len + 1;
	return len >= LONG_MIN + (size_t)out->dcid_len + out->scid_len;
}
