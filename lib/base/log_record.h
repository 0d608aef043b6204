/* One log record on its way out: fields in one of the formats, escaped, in a buffer that leaves in one write(2), so records of two
 * processes on one pipe do not mix. One that is too long is cut inside a value and says cut=1. Of log.c alone. */
#ifndef ZS_BASE_LOG_RECORD_H
#define ZS_BASE_LOG_RECORD_H

#include <stddef.h>
#include "base/log.h"

#define ZS_LOG_RECORD 2048 /* below PIPE_BUF */
#define ZS_LOG_KEY    32

struct zs_log_record {
	enum zs_log_format format;
	bool cut;   /* nothing more is put */
	bool first; /* no field yet */
	size_t len;
	char buf[ZS_LOG_RECORD];
};

/* All of the bytes or none, never into the tail. */
void zs_log_put(struct zs_log_record *r, const char *bytes, size_t len);
/* Into the tail: callers add a known handful of bytes. */
void zs_log_force(struct zs_log_record *r, const char *text);
/* `key`: shorter than ZS_LOG_KEY. A number stands without quotes in JSON. Whatever `v` holds, it stays inside its field. */
void zs_log_field(struct zs_log_record *r, const char *key, const char *v, size_t len, bool number);
void zs_log_field_text(struct zs_log_record *r, const char *key, const char *v);

#endif
