/* Any bytes as a frame: no read out of bounds, and what zs_packet_parse() says holds. The
 * first byte says whether the IPv4 header checksum is mended, so that the fuzzer gets past it. */
#include <stdlib.h>

#include "net/checksum.h"
#include "packet_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend(uint8_t *frame, size_t len)
{
	uint32_t off = ZS_ETH_LEN;
	uint16_t sum;

	if (len > 14 && frame[12] == 0x81 && frame[13] == 0)
		off += ZS_VLAN_LEN;
	if (len < off + ZS_IP4_MIN || frame[off] >> 4 != 4)
		return;
	uint32_t header = (frame[off] & 15u) * 4;
	if (header < ZS_IP4_MIN || len < off + header)
		return;
	frame[off + 10] = frame[off + 11] = 0;
	sum = (uint16_t)~zs_csum_fold(zs_csum_add(0, frame + off, header));
	memcpy(frame + off + 10, &sum, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct zs_packet p;

	if (size < 1)
		return 0;
	size_t len = size - 1;
	uint8_t *frame = malloc(len ? len : 1); /* exact, so that ASan sees one byte too many */
	memcpy(frame, data + 1, len);
	if (data[0] & 1)
		mend(frame, len);
	memset(&p, 0xa5, sizeof(p));
	enum zs_parse rc = zs_packet_parse(frame, (uint32_t)len, &p);
	packet_check_plain(frame, (uint32_t)len, rc, &p);
	switch (rc) {
	case ZS_PARSE_OK:
		packet_check(frame, (uint32_t)len, &p);
		break;
	case ZS_PARSE_DROP:
		ZS_CHECK(p.drop < ZS_DROPS);
		break;
	case ZS_PARSE_KERNEL:
		break;
	}
	free(frame);
	return 0;
}
