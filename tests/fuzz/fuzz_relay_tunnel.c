/* Any bytes as a tunnel datagram: header and forms, no read out of bounds; what the reader lets pass the writer writes
 * again byte for byte. The first byte: who sent it, and whether the body is taken as opened. */
#include "exact.h"
#include "relay/tunnel.h"

static void judge(const struct zs_tunnel_head *head, enum zs_tunnel_side from, const uint8_t *d, size_t len)
{
	const uint8_t *payload = d + ZS_TUNNEL_HEADER;
	uint16_t port;

	if (zs_tunnel_form(head, from, payload, len - ZS_TUNNEL_OVERHEAD) != ZS_DROPS)
		return;
	if (head->type == ZS_TUNNEL_TYPE_OPEN) {
		uint8_t again[ZS_TUNNEL_OPEN];
		struct zs_endpoint who = zs_tunnel_read_open(payload, &port);
		zs_tunnel_write_open(again, &who, port);
		ZS_CHECK(!memcmp(again, payload, sizeof(again)));
		ZS_CHECK(from == ZS_TUNNEL_RELAY || !port);
	} else if (head->type == ZS_TUNNEL_TYPE_CLOSE) {
		uint8_t again[ZS_TUNNEL_CLOSE];
		zs_tunnel_write_close(again, zs_tunnel_read_close(payload));
		ZS_CHECK(!memcmp(again, payload, sizeof(again)));
	}
	ZS_CHECK(head->type != ZS_TUNNEL_KEEPALIVE || from == ZS_TUNNEL_EDGE);
	ZS_CHECK(!head->ecn || head->type == ZS_TUNNEL_DATA);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct zs_gcm_key key;
	struct zs_tunnel_head head;
	uint8_t again[ZS_TUNNEL_HEADER], aad[ZS_TUNNEL_AAD];
	struct zs_gcm_job job;

	if (size < 1)
		return 0;
	size_t len = size - 1;
	uint8_t *d = fuzz_exact(data + 1, len);
	if (zs_tunnel_read(&head, d, len) == ZS_DROPS) {
		zs_tunnel_write(&head, again);
		ZS_CHECK(!memcmp(again, d, sizeof(again)));
		zs_tunnel_job(&job, &head, d, len, &key, aad);
		ZS_CHECK(job.tag == d + len - ZS_GCM_TAG && job.text + job.len <= job.tag);
		ZS_CHECK(job.aad_len == (head.auth ? ZS_TUNNEL_AAD : ZS_TUNNEL_HEADER));
		judge(&head, data[0] & 1, d, len);
	}
	free(d);
	return 0;
}
