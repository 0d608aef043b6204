/* Any bytes and any text as a multiaddr: what is taken goes through text and comes back as the same bytes. */
#include <errno.h>

#include "fuzz/exact.h"
#include "p2p/multiaddr.h"

static bool has_draft_quic(const struct zs_multiaddr *addr)
{
	struct zs_reader r = zs_reader_of(addr->bytes, addr->len);
	struct zs_multiaddr_part part;

	while (zs_multiaddr_next(&r, &part) == 1)
		if (part.code == ZS_MA_QUIC_DRAFT)
			return true;
	return false;
}

static void check(const struct zs_multiaddr *addr)
{
	struct zs_dial_target target;
	struct zs_multiaddr back;
	char text[ZS_MULTIADDR_TEXT];

	ZS_CHECK(zs_multiaddr_format(addr, text));
	ZS_CHECK((zs_multiaddr_parse(&back, text) == 0) == !has_draft_quic(addr), "%s", text);
	if (!has_draft_quic(addr))
		ZS_CHECK(back.len == addr->len && memcmp(back.bytes, addr->bytes, addr->len) == 0, "%s",
			 text);
	if (zs_multiaddr_dial(addr, &target) == 0 && target.host == ZS_DIAL_IP) {
		struct zs_endpoint ep = { target.addr, target.port };
		zs_multiaddr_quic(&back, &ep, target.peer.len ? &target.peer : NULL);
		ZS_CHECK(back.len == addr->len && memcmp(back.bytes, addr->bytes, addr->len) == 0, "%s",
			 text);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact = fuzz_exact(data, size);
	char *text = strndup((const char *)data, size);
	struct zs_dial_target target;
	struct zs_multiaddr addr;
	int ret = zs_multiaddr_decode(&addr, exact, size);

	if (ret == 0)
		check(&addr);
	else if (ret != -EINVAL)
		ZS_CHECK(addr.len == size && zs_multiaddr_dial(&addr, &target) != 0);
	if (zs_multiaddr_parse(&addr, text) == 0)
		check(&addr);
	free(text);
	free(exact);
	return 0;
}
