/* Logs: one record a line, every message with a stable code from lib/defs/logs.def.
 *
 * A record carries time, priority, module, code, text and key=value fields. A context
 * belongs to one thread. A place in the source may speak ZS_LOG_BURST times an interval; what
 * is held back is counted and told with its next record, or by zs_log_flush. Fields are `key=value`
 * pairs made by the format; values from outside are escaped by the writer, so a record
 * is one line whatever a peer sends. Secrets are never fields. */
#ifndef ZS_BASE_LOG_H
#define ZS_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#define ZS_LOG_BURST	   10	       /* records of one site an interval: enough to see a pattern */
#define ZS_LOG_INTERVAL_NS 5000000000u /* 5 s, as the kernel's printk_ratelimit */
#define ZS_LOG_SITES	   256	       /* a program has about a hundred */

/* The levels, the only list of them: ROW(id, syslog priority, name). Configuration, commands and records use it. */
#define ZS_LOG_LEVELS(ROW, SEP)                                                                              \
	ROW(ERR, 3, "err")                                                                                   \
	SEP ROW(WARNING, 4, "warning") SEP ROW(NOTICE, 5, "notice") SEP ROW(INFO, 6, "info") SEP ROW(        \
	    DEBUG, 7, "debug")
#define ZS_LOG_LEVEL_ID_(id, priority, name)   ZS_LOG_##id = priority
#define ZS_LOG_LEVEL_NAME_(id, priority, name) name
#define ZS_LOG_COMMA_			       ,
/* All names as one literal, `sep` (a literal) between them. */
#define ZS_LOG_LEVEL_NAMES(sep)		       ZS_LOG_LEVELS(ZS_LOG_LEVEL_NAME_, sep)

enum zs_log_level { ZS_LOG_LEVELS(ZS_LOG_LEVEL_ID_, ZS_LOG_COMMA_) };

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
	struct zs_log_site {
		const char *where; /* NULL: free */
		uint64_t since_ns;
		uint32_t spoken, held;
		enum zs_log_code code;
	} site[ZS_LOG_SITES];
};

/* All modules at INFO, key=value to fd (journald's when JOURNAL_STREAM names that fd). */
void zs_log_init(struct zs_log *log, int fd, const char *program);
/* `module` NULL or "all" sets every module. -ENOENT: no such module; -EINVAL: no such level. */
int zs_log_set_level(struct zs_log *log, const char *module, const char *level);
const char *zs_log_module_name(enum zs_log_module module);
const char *zs_log_level_name(enum zs_log_level level);
/* Writes one record; log may be NULL (nothing happens). `where` is a literal that stands for the place in the source.
 * Never blocks longer than write(2). */
__attribute__((format(printf, 4, 5))) void zs_log_write(struct zs_log *log, enum zs_log_code code,
							const char *where, const char *fmt, ...);
/* Tells what sites have held back and not told since their interval ended; all of it when `ending`. Call it each
 * second or so, from the context's thread: a burst that stops would stay untold otherwise. */
void zs_log_flush(struct zs_log *log, bool ending);
/* ZS_LOG(log, PORT_UP, "port=%s", name) */
#define ZS_LOG(log, name, ...) zs_log_write((log), ZS_LOG_##name, ZS_LOG_WHERE_(__LINE__), "" __VA_ARGS__)
#define ZS_LOG_WHERE_(line)    ZS_LOG_WHERE__(line)
#define ZS_LOG_WHERE__(line)   __FILE__ ":" #line

#endif
