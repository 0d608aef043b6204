/* Health codes: one cell per code of lib/defs/health.def. A code is raised with a short
 * detail and cleared when its cause ends; both planes keep such a board. */
#ifndef ZS_SHM_HEALTH_H
#define ZS_SHM_HEALTH_H

#include <stdatomic.h>
#include <stdint.h>
#include "shm/seqlock.h"

enum zs_health_severity { ZS_HEALTH_WARN, ZS_HEALTH_ERROR };

enum zs_health {
#define ZS_HEALTH(name, code, severity, text, action) ZS_HEALTH_##name,
#include "defs/health.def"
#undef ZS_HEALTH
	ZS_HEALTHS
};

struct zs_health_cell {
	_Atomic uint32_t seq;
	uint32_t raised;   /* 0 = fine */
	uint64_t since_ns; /* wall clock */
	uint64_t count;	   /* times raised */
	char detail[104];
};
_Static_assert(sizeof(struct zs_health_cell) == 128, "two lines");

struct zs_health_info {
	const char *name, *code, *text, *action;
	enum zs_health_severity severity;
};
const struct zs_health_info *zs_health_info(enum zs_health h);

/* Owner of the board alone. Raising a raised code refreshes its detail and does not count. */
__attribute__((format(printf, 3, 4))) void zs_health_raise(struct zs_health_cell *board, enum zs_health h,
							   const char *fmt, ...);
void zs_health_clear(struct zs_health_cell *board, enum zs_health h);
/* Any reader: a whole copy of one cell (all zero when it cannot be had). detail is terminated. */
void zs_health_read(const struct zs_health_cell *board, enum zs_health h, struct zs_health_cell *out);

#endif
