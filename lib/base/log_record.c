#include "base/log_record.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

#define LOG_TAIL 64 /* kept free for closing quotes, held, cut and the newline */

/* Bytes left before the tail; none where a closing quote stands in it already. */
static size_t room(const struct zs_log_record *r)
{
	size_t limit = sizeof(r->buf) - LOG_TAIL;

	return r->len < limit ? limit - r->len : 0;
}

void zs_log_put(struct zs_log_record *r, const char *bytes, size_t len)
{
	if (r->cut || len > room(r)) {
		r->cut = true;
		return;
	}
	memcpy(r->buf + r->len, bytes, len);
	r->len += len;
}

void zs_log_force(struct zs_log_record *r, const char *text)
{
	size_t len = strlen(text);
	ZS_CHECK(len <= sizeof(r->buf) - r->len);
	memcpy(r->buf + r->len, text, len);
	r->len += len;
}

static void escape_text(struct zs_log_record *r, const char *v, size_t len)
{
	for (size_t i = 0; i < len && !r->cut; i++) {
		unsigned char c = (unsigned char)v[i];
		char esc[5];

		if (c == '"' || c == '\\') {
			esc[0] = '\\', esc[1] = (char)c;
			zs_log_put(r, esc, 2);
		} else if (c >= ' ' && c < 0x7f) {
			zs_log_put(r, &v[i], 1);
		} else {
			snprintf(esc, sizeof(esc), "\\x%02x", c);
			zs_log_put(r, esc, 4);
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

static void escape_json(struct zs_log_record *r, const char *v, size_t len)
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
		zs_log_put(r, esc, (size_t)n);
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

void zs_log_field(struct zs_log_record *r, const char *key, const char *v, size_t len, bool number)
{
	bool json = r->format == ZS_LOG_JSON, quoted = json ? !number : !bare(v, len);
	char open[ZS_LOG_KEY + 8];
	size_t mark = r->len;

	if (r->cut)
		return;
	int n = snprintf(open, sizeof(open), json ? "%s\"%s\":%s" : "%s%s=%s",
			 r->first ? ""
			 : json	  ? ","
				  : " ",
			 key, quoted ? "\"" : "");
	zs_log_put(r, open, (size_t)n);
	if (!quoted && len > room(r))
		r->cut = true; /* a bare value is whole or absent */
	if (r->cut) {
		r->len = mark;
		return;
	}
	r->first = false;
	json ? escape_json(r, v, len) : escape_text(r, v, len);
	if (quoted)
		zs_log_force(r, "\"");
}

void zs_log_field_text(struct zs_log_record *r, const char *key, const char *v)
{
	zs_log_field(r, key, v, strlen(v), false);
}
