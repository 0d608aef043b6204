/* As much of a TURN client (RFC 8656) as a channel takes. */
#ifndef ZS_BENCH_TURN_H
#define ZS_BENCH_TURN_H

#include "wire.h"

#define ZS_TURN_PORT	3478
#define ZS_TURN_CHANNEL 0x4000
#define ZS_TURN_HEAD	4 /* bytes before the payload */

/* For each client of a load an allocation, and the channel bound to 10.78.2.2:443. The server wants no credentials. 0 or -errno with
 * err. */
int zs_turn_open(const struct zs_wire *w, struct zs_error *err);

#endif
