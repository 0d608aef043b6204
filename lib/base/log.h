/* Logs: one record a line, every message with a stable code from lib/defs/logs.def.
 *
 * A record carries time, priority, module, code, text and key=value fields. A context
 * belongs to one thread. A code may speak ZS_LOG_BURST times an interval; what is held
 * back is counted and told with the next record of that code. Fields are `key=value`
 * pairs made by the format; values from outside are escaped by the writer, so a record
 * is one line whatever a peer sends. Secrets are never fields. */
#ifndef ZS_BASE_LOG_H
#define ZS_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#define ZS_LOG_BURST	   10	       /* records of one code an interval: enough to see a pattern */
#define ZS_LOG_INTERVAL_NS 5000000000u /* 5 s, as the kernel's printk_ratelimit */

enum zs_log_level {
	ZS_LOG_ERR = 3,
	ZS_LOG_WARNING = 4,
	ZS_LOG_NOTICE = 5,
	ZS_LOG_INFO = 6,
	ZS_LOG_DEBUG = 7
};

enum zs_log_module {
#define ZS_LOG_MODULE(name, text) ZS_LOG_MODULE_##name,
#include "defs/logs.def"
#undef ZS_LOG_MODULE
	ZS_LOG_MODULES
};

enum zs_log_code {
#define ZS_LOG_CODE(name, code, module, level, text) ZS_LOG_##name,
#include "defs/logs.def"
#undef ZS_LOG_CODE
	ZS_LOG_CODES
};

enum zs_log_format { ZS_LOG_KEYVALUE, ZS_LOG_JSON, ZS_LOG_JOURNALD /* key=value behind a <N> priority */ };

struct zs_log {
	int fd;
	enum zs_log_format format;
	const char *program;
	uint8_t level[ZS_LOG_MODULES];
	struct {
		uint64_t since_ns;
		uint32_t spoken, held;
	} site[ZS_LOG_CODES];
};

/* All modules at INFO, key=value to fd (journald's when JOURNAL_STREAM names that fd). */
void zs_log_init(struct zs_log *log, int fd, const char *program);
/* `module` NULL or "all" sets every module. -ENOENT: no such module; -EINVAL: no such level. */
int zs_log_set_level(struct zs_log *log, const char *module, const char *level);
const char *zs_log_module_name(enum zs_log_module module);
const char *zs_log_level_name(enum zs_log_level level);
/* Writes one record; log may be NULL (nothing happens). Never blocks longer than write(2). */
__attribute__((format(printf, 3, 4))) void zs_log_write(struct zs_log *log, enum zs_log_code code,
							const char *fmt, ...);
/* ZS_LOG(log, PORT_UP, "port=%s", name) */
#define ZS_LOG(log, name, ...) zs_log_write((log), ZS_LOG_##name, "" __VA_ARGS__)

#endif
