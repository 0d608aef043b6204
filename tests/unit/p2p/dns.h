/* A DNS server of the tests' own, as the callback of a UDP socket. */
#ifndef ZS_TEST_DNS_H
#define ZS_TEST_DNS_H

#include <string.h>
#include "base/check.h"
#include "base/cursor.h"
#include "loop/resolve.h"
#include "loop/udp.h"

#define TYPE_A	  1
#define TYPE_TXT  16
#define TYPE_AAAA 28
#define DNS_CHUNK 40 /* a text goes in several, as long ones must */

/* What the callback is given, NULL: no texts. */
struct dns_zone {
	const struct dns_text {
		const char *name, *text; /* several of a name: several records */
	} * texts;			 /* up to one without a name */
	unsigned text_questions;	 /* that came */
};

/* The name in dots; returns where it ends. */
static inline size_t dns_name(const uint8_t *q, char name[256])
{
	size_t at = 12, len = 0;

	for (; q[at]; at += 1u + q[at]) {
		memcpy(name + len, q + at + 1, q[at]);
		len += q[at];
		name[len++] = '.';
	}
	name[len ? len - 1 : 0] = '\0';
	return at + 1;
}

static inline void dns_head(struct zs_writer *to, uint16_t type)
{
	zs_write_u16(to, 0xc00c);
	zs_write_u16(to, type);
	zs_write_u16(to, 1);
	zs_write_u32(to, 60);
}

static inline void dns_chunks(struct zs_writer *to, const char *text)
{
	size_t len = strlen(text);

	dns_head(to, TYPE_TXT);
	zs_write_u16(to, (uint16_t)(len + (len + DNS_CHUNK - 1) / DNS_CHUNK));
	for (size_t at = 0; at < len; at += DNS_CHUNK) {
		size_t n = len - at < DNS_CHUNK ? len - at : DNS_CHUNK;
		zs_write_u8(to, (uint8_t)n);
		zs_write_bytes(to, text + at, n);
	}
}

static inline int dns_texts(struct dns_zone *zone, struct zs_writer *to, const char *name)
{
	int n = 0;

	for (const struct dns_text *t = zone ? zone->texts : NULL; t && t->name; t++)
		if (!strcmp(t->name, name)) {
			dns_chunks(to, t->text);
			n++;
		}
	if (zone)
		zone->text_questions++;
	return n;
}

/* nine.test has nine addresses of each family, both.test one, four.test an A alone; dead.test is 127.0.0.2, then 127.0.0.1;
 * -1: there is no such name. */
static inline int dns_addrs(struct zs_writer *to, const char *name, uint16_t type)
{
	static const struct {
		const char *name;
		int a, aaaa;
	} hosts[] = {
		{ "nine.test", 9, 9 }, { "both.test", 1, 1 }, { "four.test", 1, 0 }, { "dead.test", 2, 0 }
	};
	unsigned h = 0;
	int n;

	while (h < 4 && strcmp(hosts[h].name, name))
		h++;
	if (h == 4)
		return -1;
	n = type == TYPE_A ? hosts[h].a : hosts[h].aaaa;
	for (int a = 0; a < n; a++) {
		dns_head(to, type);
		zs_write_u16(to, type == TYPE_A ? 4 : 16);
		if (type == TYPE_AAAA)
			zs_write_bytes(to, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0", 11);
		else
			zs_write_bytes(to, h == 3 ? "\x7f\0\0" : "\xc0\0\x02", 3);
		zs_write_u8(to, (uint8_t)(h == 3 ? 2 - a : a + 1));
		if (type == TYPE_AAAA)
			zs_write_u32(to, 1);
	}
	return n;
}

/* Addresses as above, texts of the zone; mute.test gets no answer; others do not exist. */
static inline void dns_serve(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const uint8_t *q = in[i].data;
		uint8_t out[4096];
		char asked[256];
		size_t name = dns_name(q, asked);
		uint16_t type = (uint16_t)(q[name] << 8 | q[name + 1]);
		struct zs_writer to = zs_writer_of(out + name + 4, sizeof(out) - name - 4);
		int n = type == TYPE_TXT ? dns_texts(ctx, &to, asked) : dns_addrs(&to, asked, type);

		if (!strcmp(asked, "mute.test"))
			continue;
		memcpy(out, q, name + 4);
		out[2] = 0x84;
		out[3] = n < 0 ? 3 : 0;
		out[7] = (uint8_t)(n < 0 ? 0 : n);
		out[11] = 0; /* no EDNS */
		struct zs_udp_datagram d = { .peer = in[i].peer,
					     .data = out,
					     .len = name + 4 + zs_writer_len(&to) };
		zs_udp_send(udp, &d, 1);
	}
}

/* The server on a loop, and who asks it. */
struct dns_bed {
	struct zs_loop *loop;
	struct zs_udp *udp;
	struct zs_resolver *resolver;
};

static inline void dns_open(struct dns_bed *b, struct dns_zone *zone)
{
	struct zs_endpoint local = { .addr = zs_addr_from4(htobe32(0x7f000001)) };
	struct zs_error err = { 0 };
	char text[ZS_ENDPOINT_TEXT];

	ZS_CHECK(!zs_loop_new(&b->loop, ZS_LOOP_AUTO, &err) &&
		     !zs_udp_open(&b->udp, b->loop, &local, 0, dns_serve, zone, &err),
		 "%s", err.text);
	local = zs_udp_local(b->udp);
	ZS_CHECK(!zs_resolver_new(&b->resolver, b->loop, zs_endpoint_format(&local, text), &err), "%s",
		 err.text);
}

static inline void dns_close(struct dns_bed *b)
{
	zs_resolver_delete(b->resolver);
	zs_loop_delete(b->loop);
}

#endif
