/* One walk over the text: at each place it is a long word, an address or neither. */
#include "cli/redact.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "net/addr.h"

#define MAC_TEXT 17

static bool is_wordy(char c)
{
	return isalnum((unsigned char)c) || c == '+' || c == '=' || c == '_' || c == '-';
}

/* How much of the text is one word of a secret's alphabet. */
static size_t word(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && is_wordy(text[n]))
		n++;
	return n;
}

static bool is_address_char(char c)
{
	return isxdigit((unsigned char)c) || c == '.' || c == ':';
}

/* xx:xx:xx:xx:xx:xx and no more of the kind. */
static bool is_mac(const char *text, size_t len)
{
	if (len < MAC_TEXT || (len > MAC_TEXT && is_address_char(text[MAC_TEXT])))
		return false;
	for (size_t i = 0; i < MAC_TEXT; i++)
		if (i % 3 == 2 ? text[i] != ':' : !isxdigit((unsigned char)text[i]))
			return false;
	return true;
}

/* Does an address of dots go on here? */
static bool is_dotted(const char *text, size_t len)
{
	return len > 1 && text[0] == '.' && isdigit((unsigned char)text[1]);
}

/* The longest address that the text begins with, cut where a port or the end of a sentence may follow; 0: none. */
static size_t address(const char *text, size_t len, struct zs_addr *out)
{
	char copy[ZS_ADDR_TEXT];
	size_t run = 0;

	while (run < len && run < sizeof(copy) - 1 && is_address_char(text[run]))
		run++;
	for (size_t n = run; n >= 2; n--) {
		if (n < len && (isxdigit((unsigned char)text[n]) || is_dotted(text + n, len - n)))
			continue;
		memcpy(copy, text, n);
		copy[n] = '\0';
		if (zs_addr_parse(out, copy) == 0)
			return n;
	}
	return 0;
}

static bool is_loopback(const struct zs_addr *a)
{
	static const struct zs_addr one = { .ip = { [15] = 1 } };

	return zs_addr_is4(a) ? a->ip[12] == 127 : zs_addr_eq(a, &one);
}

static size_t put_address(FILE *to, const char *text, size_t len)
{
	char shown[ZS_ADDR_TEXT];
	struct zs_addr addr;
	size_t n;

	if (is_mac(text, len)) {
		fprintf(to, "%.9s00:00:00", text);
		return MAC_TEXT;
	}
	n = address(text, len, &addr);
	if (n == 0)
		return 0;
	if (!is_loopback(&addr))
		zs_addr_truncate(&addr);
	fputs(zs_addr_format(&addr, shown), to);
	return n;
}

static void redact(FILE *to, const char *text, size_t len, bool addresses)
{
	for (size_t i = 0; i < len;) {
		bool begins = i == 0 || !is_wordy(text[i - 1]);
		size_t n = begins ? word(text + i, len - i) : 0;

		if (n >= ZS_REDACT_SECRET) {
			fprintf(to, "%.*s…", ZS_REDACT_SHOWN, text + i);
			i += n;
			continue;
		}
		begins = i == 0 || !isdigit((unsigned char)text[i - 1]);
		n = !addresses && begins && is_address_char(text[i]) ? put_address(to, text + i, len - i) : 0;
		if (n == 0)
			fputc(text[i], to);
		i += n ? n : 1;
	}
}

char *zs_redact_text(const char *text, size_t len, bool addresses)
{
	char *out = NULL;
	size_t out_len;
	FILE *f = open_memstream(&out, &out_len);

	if (!f)
		return NULL;
	redact(f, text, len, addresses);
	if (fclose(f) == 0)
		return out;
	free(out);
	return NULL;
}

/* A # that begins a line or follows a blank begins a comment; inside a quoted text it costs more than it must. */
static size_t without_comment(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (line[i] == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t'))
			return i;
	return len;
}

char *zs_redact_conf(const char *text, size_t len, bool addresses)
{
	char *plain = malloc(len + 1), *out;
	size_t n = 0;

	for (size_t i = 0; plain && i < len;) {
		const char *end = memchr(text + i, '\n', len - i);
		size_t line = end ? (size_t)(end - text) - i : len - i,
		       kept = without_comment(text + i, line);

		memcpy(plain + n, text + i, kept);
		n += kept;
		if (kept || line == 0)
			plain[n++] = '\n';
		i += line + 1;
	}
	out = plain ? zs_redact_text(plain, n, addresses) : NULL;
	free(plain);
	return out;
}

static json_t *redact_string(const json_t *value, bool addresses)
{
	char *text = zs_redact_text(json_string_value(value), json_string_length(value), addresses);
	json_t *out = text ? json_string(text) : NULL;

	free(text);
	return out;
}

static json_t *redact_array(const json_t *value, bool addresses)
{
	json_t *out = json_array();

	for (size_t i = 0; out && i < json_array_size(value); i++)
		json_array_append_new(out, zs_redact_json(json_array_get(value, i), addresses));
	return out;
}

json_t *zs_redact_json(const json_t *value, bool addresses)
{
	json_t *out, *member;
	const char *name;

	if (json_is_string(value))
		return redact_string(value, addresses);
	if (json_is_array(value))
		return redact_array(value, addresses);
	if (!json_is_object(value))
		return json_deep_copy(value);
	out = json_object();
	json_object_foreach((json_t *)value, name, member)
	    json_object_set_new(out, name, zs_redact_json(member, addresses));
	return out;
}
