/* Bytes are taken from the end and wiped as they go. */
#include "entropy.h"

#include <string.h>
#include <sys/random.h>
#include "base/check.h"

static void draw(void *out, size_t len)
{
	ZS_CHECK(getrandom(out, len, 0) == (ssize_t)len, "no random numbers"); /* whole up to 256 bytes */
}

void zs_entropy_refill(struct zs_entropy *e)
{
	while (e->left < sizeof(e->bytes)) {
		size_t n = sizeof(e->bytes) - e->left < 256 ? sizeof(e->bytes) - e->left : 256;

		draw(e->bytes + e->left, n);
		e->left += (uint32_t)n;
	}
}

static void fill(void *ctx, void *out, size_t len)
{
	struct zs_entropy *e = ctx;

	if (len > e->left) {
		draw(out, len);
		return;
	}
	e->left -= (uint32_t)len;
	memcpy(out, e->bytes + e->left, len);
	memset(e->bytes + e->left, 0, len);
}

struct zs_random zs_entropy_random(struct zs_entropy *e)
{
	return (struct zs_random){ fill, e };
}
