/* Records of the store about attachments, rules and connection IDs: what is read is whole, and written again it is the same
 * bytes. First byte: which; of a rule, second byte: how much of the rest is its key's peer id. */
#include "attach/internal.h"
#include "fuzz/exact.h"

#undef NEVER /* each room has its own */
#include "cid/internal.h"

static void same(const uint8_t *out, size_t out_len, const uint8_t *in, size_t len)
{
	ZS_CHECK(out_len == len && !memcmp(out, in, len), "what was read is written otherwise");
}

/* Its owner is told of it when it comes. */
static void told(const struct zs_attach_port *p)
{
	struct zs_attach_frame f = { .kind = ZS_ATTACH_PORT };
	uint8_t bytes[ZS_ATTACH_FRAME];
	struct zs_span raw;

	f.port = (zs_pb_Port){ .port = p->port, .service = p->service, .protection = p->protection };
	memcpy(f.port.name, p->name, sizeof(p->name));
	ZS_CHECK(zs_attach_encode(&f, bytes, sizeof(bytes), &raw), "a port that no edge can be told");
}

/* The same bytes but for a record without prefix and for ports that are left out: what is written of those is stable. */
static void slot(const uint8_t *in, size_t len)
{
	uint8_t out[ATTACH_RECORD], second[ATTACH_RECORD];
	struct kept k, again;
	size_t out_len;

	if (!zs_attach_record_read_slot(&k, in, len))
		return;
	ZS_CHECK(k.generation && k.hashes <= 2 && k.ports.count <= ZS_ATTACH_PORTS, "out of bounds");
	ZS_CHECK(k.owner.len ? !k.freed_s : k.freed_s && !k.ports.count, "neither owned nor free");
	for (uint32_t i = 0; i < k.ports.count; i++)
		told(&k.ports.at[i]);
	out_len = zs_attach_record_write_slot(&k, out);
	if (in[0] == out[0] && !k.untold)
		same(out, out_len, in, len);
	ZS_CHECK(zs_attach_record_read_slot(&again, out, out_len), "what was written is not read");
	same(second, zs_attach_record_write_slot(&again, second), out, out_len);
}

static void rule(const uint8_t *in, size_t len)
{
	size_t peer = len ? in[0] : 0;
	uint8_t out[ATTACH_RECORD];
	struct zs_attach_rule r;

	if (!len || peer > len - 1 ||
	    !zs_attach_record_read_rule(&r, in + 1, peer, in + 1 + peer, len - 1 - peer))
		return;
	same(r.peer.bytes, r.peer.len, in + 1, peer);
	same(out, zs_attach_record_write_rule(&r, out), in + 1 + peer, len - 1 - peer);
}

/* Names of a later version are passed over, so the bytes may be fewer. */
static void limits(const uint8_t *in, size_t len)
{
	struct zs_attach_limits l, again;
	uint8_t out[ATTACH_RECORD];

	if (!zs_attach_record_read_limits(&l, in, len))
		return;
	ZS_CHECK(zs_attach_record_read_limits(&again, out, zs_attach_record_write_limits(&l, out)) &&
		     !memcmp(&l, &again, sizeof(l)),
		 "what was read is written otherwise");
}

static void config(const uint8_t *in, size_t len)
{
	uint8_t out[CID_RECORD];
	struct config c;

	if (!zs_config_read(&c, in, len))
		return;
	ZS_CHECK(c.serial && c.live == !c.withdrawn_s, "neither live nor withdrawn");
	zs_config_write(&c, out);
	same(out, sizeof(out), in, len);
}

static void reserved(const uint8_t *in, size_t len)
{
	uint8_t out[NONCE_RECORD];
	struct reserved r;

	if (zs_reserved_read(&r, in, len))
		same(out, zs_reserved_write(&r, out), in, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(const uint8_t *in, size_t len) = { slot, rule, config, reserved,
									  limits };
	uint8_t *exact;

	if (!size)
		return 0;
	exact = fuzz_exact(data + 1, size - 1);
	readers[data[0] % ZS_ARRAY_LEN(readers)](exact, size - 1);
	free(exact);
	return 0;
}
