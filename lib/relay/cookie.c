#include "relay/cookie.h"

#include <openssl/mem.h>
#include "base/check.h"
#include "base/cursor.h"
#include "crypto/cmac.h"

#define INPUT 30 /* family 1, address 16, port 2, local 1, attachment 4, generation 2, step 4 */

static const uint8_t none[ZS_COOKIE];

bool zs_cookie_ready(const struct zs_cookie_secrets *secrets)
{
	return CRYPTO_memcmp(secrets->now, none, ZS_COOKIE) != 0;
}

void zs_cookie_make(const uint8_t secret[ZS_COOKIE], const struct zs_cookie_of *of, uint32_t step,
		    uint8_t out[ZS_COOKIE])
{
	uint8_t input[INPUT];
	struct zs_writer w = zs_writer_of(input, sizeof(input));

	zs_write_u8(&w, zs_addr_is4(&of->from.addr) ? 4 : 6);
	zs_write_bytes(&w, of->from.addr.ip, sizeof(of->from.addr.ip));
	zs_write_u16(&w, of->from.port);
	zs_write_u8(&w, of->local);
	zs_write_u32(&w, of->attachment);
	zs_write_u16(&w, of->generation);
	zs_write_u32(&w, step);
	ZS_DCHECK(!w.failed && w.at == w.end);
	zs_cmac(secret, input, sizeof(input), out);
}

static unsigned matches(const uint8_t secret[ZS_COOKIE], const struct zs_cookie_of *of, uint32_t step,
			const uint8_t cookie[ZS_COOKIE])
{
	uint8_t made[ZS_COOKIE];

	zs_cookie_make(secret, of, step, made);
	return CRYPTO_memcmp(made, cookie, ZS_COOKIE) == 0 && CRYPTO_memcmp(secret, none, ZS_COOKIE) != 0;
}

bool zs_cookie_verify(const struct zs_cookie_secrets *secrets, const struct zs_cookie_of *of, uint32_t step,
		      const uint8_t cookie[ZS_COOKIE])
{
	return matches(secrets->now, of, step, cookie) | matches(secrets->now, of, step - 1, cookie) |
	       matches(secrets->previous, of, step, cookie) |
	       matches(secrets->previous, of, step - 1, cookie);
}
