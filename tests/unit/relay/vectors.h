/* tests/vectors/wire.json in a test's hands: a field as bytes, or compared with bytes. */
#ifndef ZS_TEST_VECTORS_H
#define ZS_TEST_VECTORS_H

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/p2p/hex.h"

/* The caller json_decref()s it. */
static inline json_t *vectors_load(void)
{
	json_t *v = json_load_file("tests/vectors/wire.json", 0, NULL);

	assert_non_null(v);
	return v;
}

static inline const char *vector_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	ZS_CHECK(text, "wire.json lost its %s", name);
	return text;
}

static inline size_t vector_bytes(const json_t *object, const char *name, uint8_t *out, size_t capacity)
{
	return hex_read(out, capacity, vector_text(object, name));
}

static inline void assert_vector(const uint8_t *got, size_t len, const json_t *object, const char *name)
{
	uint8_t want[256];

	assert_int_equal(vector_bytes(object, name, want, sizeof(want)), len);
	assert_memory_equal(got, want, len);
}

#endif
