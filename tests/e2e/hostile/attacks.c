/* What is done over connections that are well-behaved as such, and floods of frames. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "base/clock.h"
#include "hostile.h"
#include "p2p/envelope.h"
#include "p2p/identify.h"

#define STREAMS	      4096
#define FLOOD_STREAMS 16
#define FULL_PACKET   1100

void tell(const struct end *e, uint64_t n)
{
	printf("{\"n\": %llu, \"established\": %u, \"closed\": %u, \"code\": %llu, \"reason\": \"%s\", "
	       "\"resets\": %u, \"reset_code\": %llu, "
	       "\"sent_bytes\": %llu, \"got_bytes\": %llu}\n",
	       (unsigned long long)n, e->established, e->closed, (unsigned long long)e->why.code,
	       e->why.reason, e->resets, (unsigned long long)e->reset_code, (unsigned long long)e->tx_bytes,
	       (unsigned long long)e->rx_bytes);
}

static bool is_closed(const struct end *e)
{
	return e->closed;
}

/* Closes what stands, and is heard. */
static int finish(struct end *e)
{
	if (e->conn)
		zs_quic_close(e->conn, 0, NULL);
	frames_arm(NULL);
	end_run(e, 50, NULL);
	end_close(e);
	return 0;
}

static bool say(struct end *e, const void *bytes, size_t len, struct zs_quic_stream **out)
{
	struct zs_quic_stream *s;

	if (!e->conn || zs_quic_open(e->conn, NULL, &s) < 0)
		return false;
	zs_quic_write(s, bytes, len);
	if (out)
		*out = s;
	return true;
}

/* `count` streams that name the sink, say one byte more and stay. */
int attack_streams(const struct ask *ask)
{
	struct end e;
	uint32_t n = 0;

	end_open(&e, &ask->victim);
	if (end_connect(&e))
		for (; n < ask->count && say(&e, SINK "x", sizeof(SINK), NULL); n++)
			end_run(&e, 0, NULL);
	end_run(&e, ask->ms, is_closed);
	tell(&e, n);
	return finish(&e);
}

/* Streams that say the header letter by letter and are never done. */
int attack_loris(const struct ask *ask)
{
	struct zs_quic_stream *s[STREAMS];
	struct end e;
	uint32_t n = 0;

	end_open(&e, &ask->victim);
	if (end_connect(&e))
		for (; n < ask->count && n < STREAMS && say(&e, HEADER, 1, &s[n]); n++)
			end_run(&e, 0, NULL);
	for (size_t at = 1; at < sizeof(HEADER) - 1 && e.conn && !e.resets; at++) {
		for (uint32_t i = 0; i < n; i++)
			zs_quic_write(s[i], &HEADER[at], 1);
		end_run(&e, ask->ms / sizeof(HEADER), is_closed);
	}
	end_run(&e, ask->ms, is_closed);
	tell(&e, n);
	return finish(&e);
}

/* Streams opened and reset at once, for so long. */
int attack_rapid(const struct ask *ask)
{
	uint64_t until = zs_clock_ns() + ask->ms * ZS_NS_PER_MS;
	struct zs_quic_stream *s;
	struct end e;
	uint32_t n = 0;

	end_open(&e, &ask->victim);
	end_connect(&e);
	while (e.conn && zs_clock_ns() < until) {
		for (int i = 0; i < 64 && say(&e, SINK, sizeof(SINK) - 1, &s); i++, n++) {
			zs_quic_reset(s, 0);
			zs_quic_stop(s, 0);
		}
		end_run(&e, 1, is_closed);
	}
	tell(&e, n);
	return finish(&e);
}

/* Lengths that are too large, or never end, where a length is due; each stream must be reset. */
int attack_bytes(const struct ask *ask)
{
	static const uint8_t endless[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
	uint8_t push[64];
	const struct {
		const char *name;
		const void *bytes;
		size_t len;
	} rows[] = {
		{ "endless", endless, 12 },
		{ "oversize", "\x88\x27", 2 },
		{ "empty", "\0", 1 },
		{ "no newline", HEADER "\x02na", sizeof(HEADER) + 2 },
		{ "http", "\x05HTTP\n", 6 },
		{ "endless push", push, sizeof(PUSH) - 1 + 12 },
		{ "oversize push", PUSH "\xff\xff\xff\x7f", sizeof(PUSH) - 1 + 4 },
		{ "push of garbage", PUSH "\x04\xff\xff\xff\xff", sizeof(PUSH) - 1 + 5 },
	};
	struct end e;

	memcpy(push, PUSH, sizeof(PUSH) - 1);
	memcpy(push + sizeof(PUSH) - 1, endless, 12);
	end_open(&e, &ask->victim);
	end_connect(&e);
	printf("{");
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		uint32_t before = e.resets;
		bool said = say(&e, rows[i].bytes, rows[i].len, NULL);
		end_run(&e, 200, NULL);
		printf("%s\"%s\": %lld", i ? ", " : "", rows[i].name,
		       said && e.resets == before + 1 ? (long long)e.reset_code : -1);
	}
	printf("}\n");
	return finish(&e);
}

/* `count` connections of one identity. */
int attack_conns(const struct ask *ask)
{
	struct end e;

	end_open(&e, &ask->victim);
	for (uint32_t i = 0; i < ask->count; i++) {
		end_dial(&e);
		end_run(&e, 5, NULL);
	}
	end_run(&e, ask->ms, NULL);
	tell(&e, e.established);
	end_close(&e);
	return 0;
}

/* One connection of packets full of other frames. */
static void flood(struct end *e, uint64_t ms)
{
	static const uint8_t zeros[FULL_PACKET];
	uint64_t until = zs_clock_ns() + ms * ZS_NS_PER_MS;
	size_t len = frames_are_single() ? 100 : sizeof(zeros);
	struct zs_quic_stream *s[FLOOD_STREAMS];
	uint32_t n = 0;

	while (n < (frames_are_single() ? 1 : FLOOD_STREAMS) && say(e, HEADER, 1, &s[n]))
		n++;
	while (e->conn && zs_clock_ns() < until) {
		for (uint32_t i = 0; i < n; i++)
			zs_quic_write(s[i], zeros, len);
		end_run(e, 2, is_closed);
	}
	end_run(e, 300, is_closed);
}

/* `count` of them one after the other, each an identity of its own. */
int attack_frames(const struct ask *ask)
{
	struct end e, sum = { 0 };
	uint64_t sent = 0;

	for (uint32_t round = 0; round < ask->count; round++) {
		end_open(&e, &ask->victim);
		if (end_connect(&e)) {
			end_run(&e, 20, NULL);
			if (!frames_arm(ask->word))
				return 2;
			flood(&e, ask->ms);
			sent += frames_sent();
		}
		sum.established += e.established;
		sum.closed += e.closed;
		sum.tx_bytes += e.tx_bytes;
		sum.rx_bytes += e.rx_bytes;
		if (e.closed)
			sum.why = e.why;
		finish(&e);
	}
	tell(&sum, sent);
	return 0;
}

/* --- forged records ------------------------------------------------------------------------- */

/* Ours, but of another peer: signed rightly by the wrong key. */
static size_t seal_for(const struct end *e, const struct zs_peer_id *whose, const uint8_t *own,
		       size_t own_len, uint8_t *out, size_t capacity)
{
	static const uint8_t type[] = { 3, 1 };
	const struct zs_envelope_kind kind = { "libp2p-peer-record", type, sizeof(type) };
	struct zs_public_key key = zs_identity_public(&e->identity), signer;
	uint8_t payload[1024], *at;
	struct zs_peer_id me;
	struct zs_span span;

	zs_peer_id_of(&me, &key);
	ZS_CHECK(zs_envelope_open(own, own_len, &kind, &signer, &span) == 0 && me.len == whose->len);
	memcpy(payload, span.bytes, span.len);
	at = memmem(payload, span.len, me.bytes, me.len);
	ZS_CHECK(at);
	memcpy(at, whose->bytes, whose->len);
	return zs_envelope_seal(&e->identity, &kind, payload, span.len, out, capacity);
}

/* identify/push with a record that lies: `word` is the peer whose name is borrowed, "": a broken signature, "true":
 * no lie. */
int attack_forged(const struct ask *ask)
{
	uint8_t own[1024], other[1024], message[2048], framed[2200];
	struct zs_multiaddr addr;
	struct zs_peer_id whose;
	struct zs_quic_stream *s;
	struct end e;

	end_open(&e, &ask->victim);
	struct zs_public_key key = zs_identity_public(&e.identity);
	ZS_CHECK(zs_multiaddr_parse(&addr, "/ip4/127.6.6.6/udp/666/quic-v1") == 0);
	size_t len = zs_peer_record_seal(&e.identity, 1ull << 40, &addr, 1, own, sizeof(own));
	struct zs_span record = { own, len };
	if (zs_peer_id_parse(&whose, ask->word) == 0)
		record = (struct zs_span){ other, seal_for(&e, &whose, own, len, other, sizeof(other)) };
	else if (strcmp(ask->word, "true") != 0)
		own[len - 1] ^= 1;
	const struct zs_identify_own say_own = {
		.key = &key, .agent = "hostile", .protocol_version = "0", .record = record
	};
	len = zs_identify_encode(&say_own, message, sizeof(message));
	size_t at = sizeof(PUSH) - 1;
	memcpy(framed, PUSH, at);
	framed[at++] = (uint8_t)(0x80 | (len & 0x7f));
	framed[at++] = (uint8_t)(len >> 7);
	memcpy(framed + at, message, len);
	if (end_connect(&e) && say(&e, framed, at + len, &s))
		zs_quic_fin(s);
	end_run(&e, 500, NULL);
	char text[ZS_PEER_ID_TEXT];
	struct zs_peer_id me;
	zs_peer_id_of(&me, &key);
	printf("{\"peer\": \"%s\", \"resets\": %u, \"closed\": %u}\n", zs_peer_id_format(&me, text), e.resets,
	       e.closed);
	fflush(stdout);
	end_run(&e, ask->ms, NULL);
	return finish(&e);
}
