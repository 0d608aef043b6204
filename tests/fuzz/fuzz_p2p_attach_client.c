/* Any bytes from a relay, before and after its Grant, and any bytes as what an earlier run kept: the client's invariants
 * hold, and it never does more than send, close and wait. The first byte says how it begins. */
#include "base/clock.h"
#include "fuzz/exact.h"
#include "p2p/attach_client.h"
#include "sim/prng.h"

struct world {
	struct zs_attach_client *client;
	struct zs_prng prng;
	uint64_t now;
};

static void on_link(void *ctx, uint32_t link) {}
static void dial(void *ctx, uint32_t link, const struct zs_attach_target *target) {}
static void send(void *ctx, uint32_t link, const void *bytes, size_t len)
{
	ZS_CHECK(len <= ZS_ATTACH_FRAME + 2);
}
static void close_link(void *ctx, uint32_t link, const char *why) {}
static void keep_alive(void *ctx, uint32_t link, uint64_t silence_ns)
{
	ZS_CHECK(silence_ns > 0);
}
static void export(void *ctx, uint32_t link, const char *label, const void *context, size_t context_len,
		   uint8_t *out, size_t out_len)
{
	memset(out, 1, out_len);
}
static void event(void *ctx, const struct zs_attach_event *e)
{
	struct world *w = ctx;

	if (e->kind == ZS_ATTACH_EVENT_GRANTED)
		zs_attach_client_proved(w->client, e->link, w->now);
}
static void fill(void *ctx, void *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (uint8_t)zs_prng_u64(ctx);
}

static void connect_to(struct world *w, uint32_t link)
{
	static const struct zs_peer_id peer = { .len = 34, .bytes = { 0x12, 0x20 } };

	zs_attach_client_connected(w->client, link, &peer, "X25519", w->now);
	zs_attach_client_opened(w->client, link, w->now);
}

/* A Grant that fits: frame of 1 + 49 bytes. */
static const uint8_t grant[] = { 51, 8,	   1, 0x1a, 47, 8, 3,	 0x18, 1,	    0x20,
				 1,  0x2d, 9, 0,    0,	0, 0x32, 32,   [50] = 0x48, [51] = 1 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct zs_attach_client_ops ops = { dial,	     on_link, send, close_link,
							 keep_alive, export,  event };
	struct world w = { .now = ZS_NS_PER_S };
	struct zs_attach_client_config config = { .home.at = { .host = ZS_DIAL_IP, .port = 1 },
						  .mode = ZS_ATTACH_MODE_tunnel,
						  .random = { .fill = fill, .ctx = &w.prng } };
	uint8_t *exact;

	if (size < 1 || zs_attach_client_new(&w.client, &config, &ops, &w) != 0)
		return 0;
	exact = fuzz_exact(data + 1, size - 1);
	if (data[0] & 2)
		zs_attach_client_restore(w.client, exact, size - 1);
	zs_attach_client_start(w.client, w.now);
	connect_to(&w, 1);
	if (data[0] & 1) {
		zs_attach_client_bytes(w.client, 1, grant, sizeof(grant), w.now);
		ZS_CHECK(zs_attach_client_state(w.client) == ZS_ATTACH_STATE_active);
	}
	zs_attach_client_bytes(w.client, 1, exact, size - 1, w.now);
	zs_attach_client_check(w.client);
	for (uint32_t link = 2; link < 6; link++) {
		w.now = zs_attach_client_deadline(w.client);
		zs_attach_client_advance(w.client, w.now);
		connect_to(&w, link);
		zs_attach_client_bytes(w.client, link, exact, size - 1, w.now);
		zs_attach_client_check(w.client);
	}
	zs_attach_client_detach(w.client, w.now);
	zs_attach_client_delete(w.client);
	free(exact);
	return 0;
}
