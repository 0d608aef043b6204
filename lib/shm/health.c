/* Health boards: one cell per code, each under its own sequence lock. */
#include "shm/health.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/check.h"
#include "base/clock.h"

const struct zs_health_info *zs_health_info(enum zs_health h)
{
	static const struct zs_health_info info[] = {
#define ZS_HEALTH(name, code, severity, text, action) { #name, code, text, action, ZS_HEALTH_##severity },
#include "defs/health.def"
#undef ZS_HEALTH
	};
	static const struct zs_health_info none = { "?", "?", "?", "?", ZS_HEALTH_ERROR };
	return (uint32_t)h < ZS_ARRAY_LEN(info) ? &info[h] : &none;
}

void zs_health_raise(struct zs_health_cell *board, enum zs_health h, const char *fmt, ...)
{
	struct zs_health_cell *cell, next;
	va_list ap;

	ZS_CHECK((uint32_t)h < ZS_HEALTHS, "no such health code: %d", (int)h);
	cell = &board[h];
	zs_seqlock_copy_out(&next, cell, sizeof(next)); /* our own cell: nobody else writes it */
	if (!next.raised) {
		next.since_ns = zs_clock_wall_ns();
		next.count++;
	}
	next.raised = 1;
	memset(next.detail, 0, sizeof(next.detail));
	va_start(ap, fmt);
	if (vsnprintf(next.detail, sizeof(next.detail), fmt, ap) >= (int)sizeof(next.detail))
		memcpy(next.detail + sizeof(next.detail) - sizeof("..."), "...", sizeof("..."));
	va_end(ap);
	zs_seqlock_put(cell, &next, sizeof(next));
}

void zs_health_clear(struct zs_health_cell *board, enum zs_health h)
{
	struct zs_health_cell next;

	ZS_CHECK((uint32_t)h < ZS_HEALTHS, "no such health code: %d", (int)h);
	zs_seqlock_copy_out(&next, &board[h], sizeof(next));
	if (!next.raised)
		return;
	next.raised = 0;
	memset(next.detail, 0, sizeof(next.detail));
	zs_seqlock_put(&board[h], &next, sizeof(next));
}

void zs_health_read(const struct zs_health_cell *board, enum zs_health h, struct zs_health_cell *out)
{
	if ((uint32_t)h >= ZS_HEALTHS || !zs_seqlock_get(&board[h], out, sizeof(*out)))
		memset(out, 0, sizeof(*out));
	out->detail[sizeof(out->detail) - 1] = '\0';
}
