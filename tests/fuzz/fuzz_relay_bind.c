/* BIND from both ends: whatever bytes come, the readers stay inside them, the relay's decision changes an entry only for requests
 * that are authentic, and the peer's side neither believes nor repeats what it should not. The first byte chooses:
 *   0 the relay reads the bytes as they are     1 the same with a tag that is right     2 the peer's side reads them
 *   3 the same with a tag that is right         4 the peer's side is told it sent them */
#include <stdlib.h>
#include "base/check.h"
#include "relay/binder.h"
#include "unit/relay/bind_relay.h"
#include "fuzz/exact.h"

struct world {
	struct zs_gcm_engine engine;
	struct bind_relay relay;
	struct zs_binder binder;
	struct zs_bind_keys keys;
	struct zs_endpoint at;
};

static struct world *world_new(void)
{
	static const uint8_t root[32] = { 1 };
	struct world *w = aligned_alloc(64, ZS_ALIGN_UP(sizeof(*w), 64));

	memset(w, 0, sizeof(*w));
	zs_gcm_engine_best(&w->engine);
	w->relay = (struct bind_relay){ .generation = 1, .engine = &w->engine, .secrets.now = { 7 } };
	bind_relay_session(&w->relay, 0, 3, 9, root);
	zs_bind_keys_make(&w->engine, root, &w->keys);
	w->at = (struct zs_endpoint){ zs_addr_from4(0x01020304), 4433 };
	zs_binder_init(&w->binder, &w->at, &w->engine);
	return w;
}

/* The tag that its sender would have put. */
static void seal(struct world *w, uint8_t *bytes, size_t len, const struct zs_gcm_key *key)
{
	uint64_t counter = 0;

	if (len != ZS_BIND_BYTES)
		return;
	for (int i = 28; i < 36; i++)
		counter = counter << 8 | bytes[i];
	zs_gcm_seal(&w->engine, &(struct zs_gcm_job){ .key = key,
						      .counter = counter,
						      .aad = bytes,
						      .aad_len = ZS_BIND_SIGNED,
						      .tag = bytes + ZS_BIND_SIGNED });
}

static void at_relay(struct world *w, const uint8_t *bytes, size_t len)
{
	static const struct zs_binding none;
	struct zs_binding before;
	struct zs_bind_verdict v;
	struct zs_bind m;

	w->relay.entry = none;
	before = w->relay.entry;
	v = bind_relay_take(&w->relay, bytes, len, 1, &w->at, 0);
	ZS_CHECK((v.outcome == ZS_BIND_DROPPED) == (v.fault != ZS_BIND_OK));
	if (v.outcome == ZS_BIND_DROPPED) {
		ZS_CHECK(memcmp(&before, &w->relay.entry, sizeof(before)) == 0 && v.fault < ZS_BIND_FAULTS);
		return;
	}
	ZS_CHECK(len == ZS_BIND_BYTES && zs_bind_read_answer(v.answer, ZS_BIND_BYTES, &m) == ZS_BIND_OK);
	ZS_CHECK(memcmp(bytes, v.answer, 24) == 0 && m.counter == w->relay.entry.counter[0]);
	v = bind_relay_take(&w->relay, bytes, len, 1, &w->at, 0);
	ZS_CHECK(v.fault == ZS_BIND_FAULT_counter);
}

static void pull(struct zs_binder *b, uint64_t now)
{
	uint64_t before = b->counter;
	uint8_t out[ZS_BIND_BYTES];
	struct zs_bind m;

	while (zs_binder_pull(b, out, now)) {
		ZS_CHECK(zs_bind_read_request(out, sizeof(out), &m) == ZS_BIND_OK && m.counter == ++before);
		ZS_CHECK(zs_binder_deadline(b) > now);
	}
}

/* Its first request is out, and one datagram to the connection ID that a NUDGE in the bytes would name. */
static void at_peer(struct world *w, const uint8_t *bytes, size_t len)
{
	static const uint8_t root[32] = { 1 }, cid[17] = { 0x50, 1 };
	uint64_t now = 10 * ZS_NS_PER_S;
	uint8_t sent[40] = { 0x40 };

	zs_binder_init(&w->binder, &w->at, &w->engine);
	zs_binder_session(&w->binder, root, 9, now);
	zs_binder_cid(&w->binder, cid, now);
	pull(&w->binder, now);
	if (len >= 23)
		memcpy(sent + 1, bytes + 6, 17);
	zs_binder_sent(&w->binder, sent, sizeof(sent), now);
	if (zs_binder_receive(&w->binder, bytes, len, &w->at, now) == ZS_BINDER_TAKEN)
		ZS_CHECK(zs_binder_receive(&w->binder, bytes, len, &w->at, now) == ZS_BINDER_DROPPED);
	for (int i = 0; i < 8; i++, now += 10 * ZS_NS_PER_S)
		pull(&w->binder, now);
	zs_binder_unbind(&w->binder, now);
	pull(&w->binder, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world *w;
	uint8_t *bytes;

	if (!w)
		w = world_new();
	if (size < 1 || size > 2048)
		return 0;
	size--;
	bytes = fuzz_exact(data + 1, size);
	if (data[0] == 1)
		seal(w, bytes, size, &w->keys.request);
	else if (data[0] == 3)
		seal(w, bytes, size, &w->keys.answer);
	if (data[0] < 2)
		at_relay(w, bytes, size);
	else if (data[0] < 4)
		at_peer(w, bytes, size);
	else
		zs_binder_sent(&w->binder, bytes, size, ZS_NS_PER_S);
	free(bytes);
	return 0;
}
