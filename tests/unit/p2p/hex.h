/* Bytes of a test written as hex; spaces are skipped. */
#ifndef ZS_TEST_HEX_H
#define ZS_TEST_HEX_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static inline size_t hex_read(uint8_t *out, size_t capacity, const char *text)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 0;

	for (; *text; text++) {
		if (*text == ' ')
			continue;
		const char *hi = strchr(digits, text[0]), *lo = strchr(digits, text[1]);
		ZS_CHECK(hi && lo && text[1] && n < capacity, "hex of a test: %s", text);
		out[n++] = (uint8_t)((hi - digits) << 4 | (lo - digits));
		text++;
	}
	return n;
}

/* Exactly `len` bytes on the heap, so that ASan sees a read of one too many; free() it. */
static inline uint8_t *exact_copy(const void *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (len)
		memcpy(copy, bytes, len);
	return copy;
}

#endif
