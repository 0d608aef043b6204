/* Any bytes as a datagram: the connection IDs lie inside it, one behind the other. First byte: how long ours are. */
#include "fuzz/exact.h"
#include "net/quic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct zs_quic_head h;
	const uint8_t *end;
	uint8_t *exact;
	size_t len;

	if (!size)
		return 0;
	len = size - 1;
	exact = fuzz_exact(data + 1, len);
	end = exact + len;
	if (zs_quic_read(exact, len, data[0], &h)) {
		ZS_CHECK(h.is_long == exact[0] >> 7, "the header form");
		ZS_CHECK(h.dcid == exact + (h.is_long ? 6 : 1) && h.dcid + h.dcid_len <= end, "the DCID");
		if (h.is_long)
			ZS_CHECK(h.scid == h.dcid + h.dcid_len + 1 && h.scid + h.scid_len <= end, "the SCID");
		else
			ZS_CHECK(h.dcid_len == data[0] && !h.scid && !h.scid_len && !h.version,
				 "a short header");
	} else {
		ZS_CHECK(len < 1 + (size_t)data[0] || (exact[0] & 0x80 && len < 7 + 255 + 255),
			 "whole, and refused");
	}
	free(exact);
	return 0;
}
