/* Writing ICMP errors; the files icmp*.c alone. */
#ifndef ZS_STAGE_ICMP_H
#define ZS_STAGE_ICMP_H

#include "stage.h"

#define ZS_ICMP_RATE_S	100 /* errors sent a second and worker: path changes are rare */
#define ZS_ICMP_BURST	50
#define ZS_ICMP_QUOTE_4 548 /* so that the whole is 576, what every IPv4 host takes (RFC 1812) */
#define ZS_ICMP_QUOTE_6 1232
#define ZS_ICMP_MTU_MIN 1280 /* RFC 8200's least; what QUIC needs (1,200 bytes of UDP payload) fits */
#define ZS_ICMP_TTL	64

/* An IP header of the least length for `payload` bytes. */
void zs_icmp_write_ip(uint8_t *ip, const struct zs_addr *src, const struct zs_addr *dst, uint8_t proto,
		      uint16_t payload, uint8_t ttl);
/* "Fragmentation needed" or "packet too big" over a quote that is there already; `len` bytes with it. */
void zs_icmp_write(uint8_t *icmp, const struct zs_addr *from, const struct zs_addr *to, uint32_t mtu,
		   uint16_t len);

#endif
