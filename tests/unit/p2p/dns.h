/* A DNS server of the tests' own, as the callback of a UDP socket. */
#ifndef ZS_TEST_DNS_H
#define ZS_TEST_DNS_H

#include "base/cursor.h"
#include "loop/udp.h"

#define TYPE_A	  1
#define TYPE_AAAA 28

/* nine.test has nine addresses of each family, both.test one, four.test an A alone; dead.test is 127.0.0.2, then
 * 127.0.0.1; mute.test gets no answer; others do not exist. */
static inline void dns_serve(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const uint8_t *q = in[i].data;
		uint8_t out[1024];
		size_t name = 13 + q[12] + 1 + q[13 + q[12]] + 1; /* two labels and the end */
		bool known = !memcmp(q + 13, "nine", 4) || !memcmp(q + 13, "both", 4) ||
			     !memcmp(q + 13, "four", 4) || !memcmp(q + 13, "dead", 4);
		uint16_t type = (uint16_t)(q[name] << 8 | q[name + 1]);
		int n = !known || (strchr("fd", q[13]) && type != TYPE_A) ? 0
			: q[13] == 'n'					  ? 9
			: q[13] == 'd'					  ? 2
									  : 1;

		if (!memcmp(q + 13, "mute", 4))
			continue;
		memcpy(out, q, name + 4);
		out[2] = 0x84;
		out[3] = known ? 0 : 3;
		out[7] = (uint8_t)n;
		out[11] = 0; /* no EDNS */
		struct zs_writer to = zs_writer_of(out + name + 4, sizeof(out) - name - 4);
		for (int a = 0; a < n; a++) {
			zs_write_u16(&to, 0xc00c);
			zs_write_u16(&to, type);
			zs_write_u16(&to, 1);
			zs_write_u32(&to, 60);
			zs_write_u16(&to, type == TYPE_A ? 4 : 16);
			if (type == TYPE_AAAA)
				zs_write_bytes(&to, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0", 11);
			else
				zs_write_bytes(&to, q[13] == 'd' ? "\x7f\0\0" : "\xc0\0\x02", 3);
			zs_write_u8(&to, (uint8_t)(q[13] == 'd' ? 2 - a : a + 1));
			if (type == TYPE_AAAA)
				zs_write_u32(&to, 1);
		}
		struct zs_udp_datagram d = { .peer = in[i].peer,
					     .data = out,
					     .len = name + 4 + zs_writer_len(&to) };
		zs_udp_send(udp, &d, 1);
	}
}

#endif
