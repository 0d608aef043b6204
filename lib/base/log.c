/* The format is walked conversion by conversion: keys and spaces between fields are taken from
 * the format alone, so whatever a value holds (spaces, quotes, '=', newlines, bytes that are no
 * UTF-8), it stays inside its field. A word of the format without '=' belongs to the value
 * before it, or to the field `detail` when it comes first; "..." in the format keeps words
 * together. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log_record.h"
#include "base/log_sites.h"

#define LOG_VALUE 1024

struct value {
	size_t len;
	uint32_t pieces;
	bool number, cut;
	char buf[LOG_VALUE];
};

static const struct {
	const char *name, *text;
	uint8_t module, level;
} codes[ZS_LOG_CODES] = {
#define ZS_LOG_CODE(name, code, module, level, text) { code, text, ZS_LOG_MODULE_##module, ZS_LOG_##level },
#include "defs/logs.def"
#undef ZS_LOG_CODE
};

static const char *const modules[ZS_LOG_MODULES] = {
#define ZS_LOG_MODULE(name, text) #name,
#include "defs/logs.def"
#undef ZS_LOG_MODULE
};

static const char *const levels[] = {
#define LEVEL(id, priority, name) [priority] = name
	ZS_LOG_LEVELS(LEVEL, ZS_LOG_COMMA_)
#undef LEVEL
};

static void value_add(struct value *v, const char *bytes, size_t len)
{
	size_t room = sizeof(v->buf) - v->len;

	if (len > room) {
		len = room;
		v->cut = true;
	}
	memcpy(v->buf + v->len, bytes, len);
	v->len += len;
}

/* va_list may be an array: a struct around it is passed by pointer everywhere. */
struct args {
	va_list ap;
};

static int convert_integer(char *out, size_t size, const char *spec, const char *size_of, struct args *a)
{
	if (strcmp(size_of, "ll") == 0 || strcmp(size_of, "j") == 0)
		return snprintf(out, size, spec, va_arg(a->ap, long long));
	if (*size_of == 'l' || *size_of == 'z' || *size_of == 't')
		return snprintf(out, size, spec, va_arg(a->ap, long));
	return snprintf(out, size, spec, va_arg(a->ap, int));
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
/* Formats the conversion that starts at p (a '%'), returns what follows it. Strings are
 * copied without a bounce; everything else is short. */
static const char *convert(struct value *v, const char *p, struct args *a)
{
	char spec[24], out[128], size_of[3] = "";
	size_t n = 0, s = 0;
	int precision = -1, len;

	spec[n++] = *p++;
	while (*p && strchr("-+ #0123456789.*", *p) && n < sizeof(spec) - 14) {
		if (*p == '*') {
			int star = va_arg(a->ap, int);
			if (n > 1 && spec[n - 1] == '.')
				precision = star < 0 ? -1 : star;
			n += (size_t)snprintf(spec + n, 12, "%d", star < 0 ? 0 : star > 4096 ? 4096 : star);
			p++;
			continue;
		}
		if (*p == '.')
			precision = atoi(p + 1);
		spec[n++] = *p++;
	}
	while (*p && strchr("hlzjt", *p) && s < 2)
		size_of[s++] = spec[n++] = *p++;
	if (!*p)
		return p;
	spec[n++] = *p, spec[n] = 0;
	switch (*p++) {
	case '%':
		value_add(v, "%", 1);
		return p;
	case 's': {
		const char *text = va_arg(a->ap, const char *);
		text = text ? text : "(null)";
		value_add(v, text, precision < 0 ? strlen(text) : strnlen(text, (size_t)precision));
		v->pieces += 2;
		return p;
	}
	case 'd':
	case 'i':
	case 'u':
		v->number = true;
		__attribute__((fallthrough));
	case 'x':
	case 'X':
	case 'o':
	case 'c':
		len = convert_integer(out, sizeof(out), spec, size_of, a);
		break;
	case 'p':
		len = snprintf(out, sizeof(out), spec, va_arg(a->ap, void *));
		break;
	case 'e':
	case 'f':
	case 'g':
		len = snprintf(out, sizeof(out), spec, va_arg(a->ap, double));
		break;
	default: /* the compiler's format check knows no more that we would write */
		ZS_CHECK(false, "log format %s", spec);
	}
	v->pieces++;
	value_add(v, out, len < 0 ? 0 : (size_t)len < sizeof(out) ? (size_t)len : sizeof(out) - 1);
	return p;
}
#pragma GCC diagnostic pop

/* Does the word at p start with `key=`? Copies the key. */
static const char *take_key(const char *p, char key[ZS_LOG_KEY])
{
	size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	if (n == 0 || n >= ZS_LOG_KEY || p[n] != '=')
		return NULL;
	memcpy(key, p, n);
	key[n] = 0;
	return p + n + 1;
}

/* One field: up to the space before the next `key=` of the format. */
static const char *take_value(struct value *v, const char *p, struct args *a)
{
	bool quoted = false;
	char next[ZS_LOG_KEY];

	*v = (struct value){ .number = false };
	while (*p) {
		if (*p == '%') {
			p = convert(v, p, a);
		} else if (*p == '"') {
			quoted = !quoted;
			v->pieces += 2;
			p++;
		} else if (*p == ' ' && !quoted && (p[1] == ' ' || !p[1] || take_key(p + 1, next))) {
			break;
		} else {
			value_add(v, p++, 1);
			v->pieces += 2;
		}
	}
	v->number = v->number && v->pieces == 1;
	return p;
}

static void fields(struct zs_log_record *r, const char *fmt, struct args *a)
{
	while (*fmt == ' ')
		fmt++;
	while (*fmt) {
		char key[ZS_LOG_KEY] = "detail";
		const char *p = take_key(fmt, key);
		struct value v;

		fmt = take_value(&v, p ? p : fmt, a);
		zs_log_field(r, key, v.buf, v.len, v.number);
		r->cut |= v.cut;
		while (*fmt == ' ')
			fmt++;
	}
}

static void head(struct zs_log_record *r, const struct zs_log *log, enum zs_log_code code)
{
	uint64_t wall = zs_clock_wall_ns();
	time_t s = (time_t)(wall / ZS_NS_PER_S);
	char prefix[8], stamp[40];
	struct tm tm;

	if (r->format == ZS_LOG_JOURNALD)
		zs_log_put(r, prefix, (size_t)snprintf(prefix, sizeof(prefix), "<%u>", codes[code].level));
	else if (r->format == ZS_LOG_JSON)
		zs_log_put(r, "{", 1);
	if (r->format != ZS_LOG_JOURNALD) { /* the journal has its own time and priority */
		gmtime_r(&s, &tm);
		size_t n = strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(stamp + n, sizeof(stamp) - n, ".%06uZ", (unsigned)(wall % ZS_NS_PER_S / 1000));
		zs_log_field_text(r, "time", stamp);
		zs_log_field_text(r, "level", levels[codes[code].level]);
	}
	zs_log_field_text(r, "program", log->program);
	zs_log_field_text(r, "module", modules[codes[code].module]);
	zs_log_field_text(r, "code", codes[code].name);
	zs_log_field_text(r, "text", codes[code].text);
}

static void tail(struct zs_log_record *r, uint32_t held)
{
	bool json = r->format == ZS_LOG_JSON;
	char text[32];

	if (json)
		zs_log_force(r, "}");
	if (held) {
		snprintf(text, sizeof(text), json ? ",\"held\":%u" : " held=%u", held);
		zs_log_force(r, text);
	}
	if (r->cut)
		zs_log_force(r, json ? ",\"cut\":true" : " cut=1");
	zs_log_force(r, json ? "}\n" : "\n");
}

static void open_record(struct zs_log_record *r, const struct zs_log *log, enum zs_log_code code)
{
	r->format = log->format;
	r->cut = false;
	r->first = true;
	r->len = 0;
	head(r, log, code);
	if (r->format != ZS_LOG_JSON)
		return;
	zs_log_put(r, ",\"fields\":{", 11);
	r->first = true;
}

static void send_record(struct zs_log_record *r, const struct zs_log *log, struct zs_log_site *site)
{
	tail(r, site->held);
	site->held = 0;
	while (write(log->fd, r->buf, r->len) < 0 && errno == EINTR)
		;
}

void zs_log_write(struct zs_log *log, enum zs_log_code code, const char *where, const char *fmt, ...)
{
	struct zs_log_site *site;
	int keep = errno;
	struct zs_log_record r;
	struct args a;

	if (!log || (unsigned)code >= ZS_LOG_CODES || codes[code].level > log->level[codes[code].module])
		return;
	site = zs_log_site(log, code, where);
	if (!zs_log_admit(site, zs_clock_ns()))
		return;
	open_record(&r, log, code);
	va_start(a.ap, fmt);
	fields(&r, fmt, &a);
	va_end(a.ap);
	send_record(&r, log, site);
	errno = keep;
}

void zs_log_flush(struct zs_log *log, bool ending)
{
	uint64_t now = zs_clock_ns();
	struct zs_log_record r;

	for (uint32_t i = 0; i < ZS_LOG_SITES; i++) {
		struct zs_log_site *site = &log->site[i];

		if (!site->held || !(ending || zs_log_owes(site, now)))
			continue;
		open_record(&r, log, site->code);
		zs_log_field_text(&r, "site", site->where);
		send_record(&r, log, site);
	}
}

/* JOURNAL_STREAM is DEVICE:INODE of the stream the journal reads. */
static bool is_journal(int fd)
{
	const char *env = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return env && sscanf(env, "%llu:%llu", &dev, &ino) == 2 && fstat(fd, &st) == 0 && st.st_dev == dev &&
	       st.st_ino == ino;
}

void zs_log_init(struct zs_log *log, int fd, const char *program)
{
	*log = (struct zs_log){ .fd = fd, .program = program };
	log->format = is_journal(fd) ? ZS_LOG_JOURNALD : ZS_LOG_KEYVALUE;
	memset(log->level, ZS_LOG_INFO, sizeof(log->level));
}

int zs_log_set_level(struct zs_log *log, const char *module, const char *level)
{
	bool all = !module || strcmp(module, "all") == 0, found = all;
	uint8_t l = 0;

	for (uint8_t i = ZS_LOG_ERR; i <= ZS_LOG_DEBUG; i++)
		if (level && strcmp(level, levels[i]) == 0)
			l = i;
	if (!l)
		return -EINVAL;
	for (uint32_t i = 0; i < ZS_LOG_MODULES; i++) {
		if (!all && strcmp(module, modules[i]) != 0)
			continue;
		log->level[i] = l;
		found = true;
	}
	return found ? 0 : -ENOENT;
}

const char *zs_log_module_name(enum zs_log_module module)
{
	return (unsigned)module < ZS_LOG_MODULES ? modules[module] : "unknown";
}

const char *zs_log_level_name(enum zs_log_level level)
{
	return (unsigned)level < ZS_ARRAY_LEN(levels) && levels[level] ? levels[level] : "unknown";
}
