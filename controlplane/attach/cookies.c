/* The secrets that BIND's cookies are made with (lib/relay/cookie.h): a new one each step of the wall clock, the last one beside
 * it. They lie in the sessions segment, so the dataplane goes on with them when this process is dead, and the next one goes on
 * with what it finds: a cookie holds across a restart. */
#include "attach/internal.h"

#include <sodium.h>
#include "relay/cookie.h"

_Static_assert(sizeof(((struct zs_cookie_secret *)0)->now) == ZS_COOKIE, "a secret is an AES-128 key");

void zs_attach_cookies_draw(struct zs_attach *s)
{
	uint32_t step = zs_cookie_step(s->wall_s) +
			!zs_cookie_step(s->wall_s); /* 0 says that there is none */
	struct zs_cookie_secret v = { 0 };
	bool there = zs_sessions_cookie_secret(&s->shm, &v);

	if (there && v.step == step)
		return;
	memcpy(v.previous, v.now, sizeof(v.previous));
	s->random.fill(s->random.ctx, v.now, sizeof(v.now));
	v.step = step;
	ZS_CHECK(!zs_sessions_set_cookie_secret(&s->shm, &v));
	sodium_memzero(&v, sizeof(v));
}
