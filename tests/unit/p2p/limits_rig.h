/* What the resource manager says is in use. */
#ifndef ZS_TESTS_LIMITS_RIG_H
#define ZS_TESTS_LIMITS_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "base/check.h"
#include "base/clock.h"
#include "p2p/limits.h"
#include "unit/p2p/peer_ids.h"
#include "unit/random.h"

#define S ZS_NS_PER_S

static inline void assert_usage(struct zs_usage u, uint32_t ci, uint32_t co, uint32_t si, uint32_t so,
				uint64_t memory)
{
	assert_int_equal(u.conns[ZS_IN], ci);
	assert_int_equal(u.conns[ZS_OUT], co);
	assert_int_equal(u.streams[ZS_IN], si);
	assert_int_equal(u.streams[ZS_OUT], so);
	assert_int_equal(u.memory_bytes, memory);
}

#endif
