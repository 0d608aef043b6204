/* One record is built in a buffer on the stack and leaves in one write(2), so records of two
 * processes on one pipe do not mix (ZS_LOG_RECORD is below PIPE_BUF).
 *
 * The format is walked conversion by conversion: keys and spaces between fields are taken from
 * the format alone, so whatever a value holds (spaces, quotes, '=', newlines, bytes that are no
 * UTF-8), it stays inside its field. A word of the format without '=' belongs to the value
 * before it, or to the field `detail` when it comes first; "..." in the format keeps words
 * together. A record that is too long is cut inside a value and says cut=1. */
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
#include "base/log_sites.h"

#define ZS_LOG_RECORD 2048
#define LOG_TAIL      64 /* kept free for closing quotes, held, cut and the newline */
#define LOG_VALUE     1024
#define LOG_KEY	      32

struct record {
	enum zs_log_format format;
	bool cut, first;
	size_t len;
	char buf[ZS_LOG_RECORD];
};

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

/* Bytes left before the tail; none where a closing quote stands in it already. */
static size_t room(const struct record *r)
{
	size_t limit = sizeof(r->buf) - LOG_TAIL;

	return r->len < limit ? limit - r->len : 0;
}

/* All of the bytes or none, never into the tail. */
static void put(struct record *r, const char *bytes, size_t len)
{
	if (r->cut || len > room(r)) {
		r->cut = true;
		return;
	}
	memcpy(r->buf + r->len, bytes, len);
	r->len += len;
}

/* Into the tail: callers add a known handful of bytes. */
static void force(struct record *r, const char *text)
{
	size_t len = strlen(text);
	ZS_CHECK(len <= sizeof(r->buf) - r->len);
	memcpy(r->buf + r->len, text, len);
	r->len += len;
}

static void escape_text(struct record *r, const char *v, size_t len)
{
	for (size_t i = 0; i < len && !r->cut; i++) {
		unsigned char c = (unsigned char)v[i];
		char esc[5];

		if (c == '"' || c == '\\') {
			esc[0] = '\\', esc[1] = (char)c;
			put(r, esc, 2);
		} else if (c >= ' ' && c < 0x7f) {
			put(r, &v[i], 1);
		} else {
			snprintf(esc, sizeof(esc), "\\x%02x", c);
			put(r, esc, 4);
		}
	}
}

/* One UTF-8 character of at most `len` bytes; U+FFFD of length 1 for what is none. */
static uint32_t decode(const unsigned char *p, size_t len, size_t *used)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = p[0] < 0x80 ? 1 : (p[0] & 0xe0) == 0xc0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : 4;
	uint32_t c = n == 1 ? p[0] : p[0] & (0x7fu >> n);

	*used = 1;
	if (p[0] >= 0xf8 || (p[0] & 0xc0) == 0x80 || n > len)
		return 0xfffd;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0xfffd;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0xfffd;
	*used = n;
	return c;
}

static void escape_json(struct record *r, const char *v, size_t len)
{
	size_t used;

	for (size_t i = 0; i < len && !r->cut; i += used) {
		uint32_t c = decode((const unsigned char *)v + i, len - i, &used);
		char esc[16];
		int n;

		if (c == '"' || c == '\\')
			n = snprintf(esc, sizeof(esc), "\\%c", (char)c);
		else if (c >= ' ' && c < 0x7f)
			n = snprintf(esc, sizeof(esc), "%c", (char)c);
		else if (c < 0x10000)
			n = snprintf(esc, sizeof(esc), "\\u%04x", c);
		else
			n = snprintf(esc, sizeof(esc), "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
				     0xdc00 + ((c - 0x10000) & 0x3ff));
		put(r, esc, (size_t)n);
	}
}

/* May a value stand without quotes? */
static bool bare(const char *v, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)v[i] <= ' ' || (unsigned char)v[i] >= 0x7f || v[i] == '"' || v[i] == '=' ||
		    v[i] == '\\')
			return false;
	return len > 0;
}

static void field(struct record *r, const char *key, const char *v, size_t len, bool number)
{
	bool json = r->format == ZS_LOG_JSON, quoted = json ? !number : !bare(v, len);
	char open[LOG_KEY + 8];
	size_t mark = r->len;

	if (r->cut)
		return;
	int n = snprintf(open, sizeof(open), json ? "%s\"%s\":%s" : "%s%s=%s",
			 r->first ? ""
			 : json	  ? ","
				  : " ",
			 key, quoted ? "\"" : "");
	put(r, open, (size_t)n);
	if (!quoted && len > room(r))
		r->cut = true; /* a bare value is whole or absent */
	if (r->cut) {
		r->len = mark;
		return;
	}
	r->first = false;
	json ? escape_json(r, v, len) : escape_text(r, v, len);
	if (quoted)
		force(r, "\"");
}

static void field_text(struct record *r, const char *key, const char *v)
{
	field(r, key, v, strlen(v), false);
}

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
static const char *take_key(const char *p, char key[LOG_KEY])
{
	size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	if (n == 0 || n >= LOG_KEY || p[n] != '=')
		return NULL;
	memcpy(key, p, n);
	key[n] = 0;
	return p + n + 1;
}

/* One field: up to the space before the next `key=` of the format. */
static const char *take_value(struct value *v, const char *p, struct args *a)
{
	bool quoted = false;
	char next[LOG_KEY];

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

static void fields(struct record *r, const char *fmt, struct args *a)
{
	while (*fmt == ' ')
		fmt++;
	while (*fmt) {
		char key[LOG_KEY] = "detail";
		const char *p = take_key(fmt, key);
		struct value v;

		fmt = take_value(&v, p ? p : fmt, a);
		field(r, key, v.buf, v.len, v.number);
		r->cut |= v.cut;
		while (*fmt == ' ')
			fmt++;
	}
}

static void head(struct record *r, const struct zs_log *log, enum zs_log_code code)
{
	uint64_t wall = zs_clock_wall_ns();
	time_t s = (time_t)(wall / ZS_NS_PER_S);
	char prefix[8], stamp[40];
	struct tm tm;

	if (r->format == ZS_LOG_JOURNALD)
		put(r, prefix, (size_t)snprintf(prefix, sizeof(prefix), "<%u>", codes[code].level));
	else if (r->format == ZS_LOG_JSON)
		put(r, "{", 1);
	if (r->format != ZS_LOG_JOURNALD) { /* the journal has its own time and priority */
		gmtime_r(&s, &tm);
		size_t n = strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(stamp + n, sizeof(stamp) - n, ".%06uZ", (unsigned)(wall % ZS_NS_PER_S / 1000));
		field_text(r, "time", stamp);
		field_text(r, "level", levels[codes[code].level]);
	}
	field_text(r, "program", log->program);
	field_text(r, "module", modules[codes[code].module]);
	field_text(r, "code", codes[code].name);
	field_text(r, "text", codes[code].text);
}

static void tail(struct record *r, uint32_t held)
{
	bool json = r->format == ZS_LOG_JSON;
	char text[32];

	if (json)
		force(r, "}");
	if (held) {
		snprintf(text, sizeof(text), json ? ",\"held\":%u" : " held=%u", held);
		force(r, text);
	}
	if (r->cut)
		force(r, json ? ",\"cut\":true" : " cut=1");
	force(r, json ? "}\n" : "\n");
}

static void open_record(struct record *r, const struct zs_log *log, enum zs_log_code code)
{
	r->format = log->format;
	r->cut = false;
	r->first = true;
	r->len = 0;
	head(r, log, code);
	if (r->format != ZS_LOG_JSON)
		return;
	put(r, ",\"fields\":{", 11);
	r->first = true;
}

static void send_record(struct record *r, const struct zs_log *log, struct zs_log_site *site)
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
	struct record r;
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
	struct record r;

	for (uint32_t i = 0; i < ZS_LOG_SITES; i++) {
		struct zs_log_site *site = &log->site[i];

		if (!site->held || !(ending || zs_log_owes(site, now)))
			continue;
		open_record(&r, log, site->code);
		field_text(&r, "site", site->where);
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
