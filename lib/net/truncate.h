/* A captured frame without whole addresses: what may be shown of packets without telling whose they are. Pure. */
#ifndef ZS_NET_TRUNCATE_H
#define ZS_NET_TRUNCATE_H

#include <stddef.h>
#include <stdint.h>

/* In place: IP addresses keep their network (zs_addr_truncate), MAC addresses their maker; checksums follow, right ones stay right
 * and wrong ones wrong. IPv4 options, what an ICMP message quotes and all that is no UDP or ICMP over IP become zeros behind the
 * headers that are understood. UDP's payload is left as it is: capture headers alone. */
void zs_frame_truncate(uint8_t *frame, size_t len);

#endif
