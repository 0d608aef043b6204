/* Cookies of CHALLENGE (docs/PROTOCOL.md, BIND): AES-128-CMAC (RFC 4493) over who asked, from where, and when. The relay keeps
 * nothing of a challenge. Pure; any thread. */
#ifndef ZS_RELAY_COOKIE_H
#define ZS_RELAY_COOKIE_H

#include <stdbool.h>
#include <stdint.h>
#include "net/addr.h"

#define ZS_COOKIE	 16
#define ZS_COOKIE_STEP_S 60 /* a step's length; a cookie holds for its own and the next */

/* Drawn every step by the control plane, both all zero before the first time; while it is dead they stay as they are, the step goes on. */
struct zs_cookie_secrets {
	uint8_t now[ZS_COOKIE], previous[ZS_COOKIE];
};

/* What a cookie vouches for. */
struct zs_cookie_of {
	struct zs_endpoint from;
	uint8_t local; /* index of the relay's address that was asked */
	uint32_t attachment;
	uint16_t generation;
};

static inline uint32_t zs_cookie_step(uint64_t unix_s)
{
	return (uint32_t)(unix_s / ZS_COOKIE_STEP_S);
}

bool zs_cookie_ready(const struct zs_cookie_secrets *secrets); /* they were drawn */
void zs_cookie_make(const uint8_t secret[ZS_COOKIE], const struct zs_cookie_of *of, uint32_t step,
		    uint8_t out[ZS_COOKIE]);
/* Of this step or the one before, under either secret. Takes the same time whatever is wrong. */
bool zs_cookie_verify(const struct zs_cookie_secrets *secrets, const struct zs_cookie_of *of, uint32_t step,
		      const uint8_t cookie[ZS_COOKIE]);

#endif
