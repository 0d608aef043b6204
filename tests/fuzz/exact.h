/* A fuzzer's input copied to exactly its length on the heap, so that ASan sees a read of one byte too many. */
#ifndef ZS_FUZZ_EXACT_H
#define ZS_FUZZ_EXACT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline uint8_t *fuzz_exact(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (size)
		memcpy(copy, data, size);
	return copy;
}

#endif
