/* One walk over the text: at each place it is a secret, an address or neither. A long word is a secret; so are words between slashes
 * whose letters and digits are as mixed as those of base64, which has the slash, and those of a path are not. */
#include "cli/redact.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "net/addr.h"

#define OCTETS_LEAST 6 /* xx:xx:xx:xx:xx:xx, a MAC; an EUI-64 and a fingerprint are longer */
#define OCTETS_SHOWN 3 /* of a MAC, its maker */

/* Capitals and changes between capitals, small letters and digits, in as many characters as a secret has: of random base64 31, give
 * or take 4, of a path seldom so many. */
#define MIXED_MOST 12

static bool is_wordy(char c)
{
	return isalnum((unsigned char)c) || c == '+' || c == '=' || c == '_' || c == '-';
}

static bool is_slashed(char c)
{
	return is_wordy(c) || c == '/';
}

/* How much of the text is of that alphabet. */
static size_t run(const char *text, size_t len, bool (*is_of)(char c))
{
	size_t n = 0;

	while (n < len && is_of(text[n]))
		n++;
	return n;
}

static unsigned mixed(char before, char c)
{
	bool capital = isupper((unsigned char)c),
	     change = isalnum((unsigned char)before) && isalnum((unsigned char)c) &&
		      (!isdigit((unsigned char)before) != !isdigit((unsigned char)c) ||
		       !isupper((unsigned char)before) != !capital);

	return capital + change;
}

/* Has it, for the length of a secret, the look of one? */
static bool is_random(const char *text, size_t len)
{
	unsigned sum = 0;

	for (size_t i = 1; i < len; i++) {
		sum += mixed(text[i - 1], text[i]);
		if (i > ZS_REDACT_SECRET)
			sum -= mixed(text[i - ZS_REDACT_SECRET - 1], text[i - ZS_REDACT_SECRET]);
		if (i >= ZS_REDACT_SECRET - 1 && sum > MIXED_MOST)
			return true;
	}
	return false;
}

/* How much of the text is one secret; 0: none begins here, after `before`. */
static size_t secret(char before, const char *text, size_t len)
{
	size_t word, slashed;

	if (is_wordy(before))
		return 0;
	slashed = is_slashed(before) ? 0 : run(text, len, is_slashed);
	if (is_random(text, slashed))
		return slashed;
	word = run(text, len, is_wordy);
	return word >= ZS_REDACT_SECRET ? word : 0;
}

static bool is_address_char(char c)
{
	return isxdigit((unsigned char)c) || c == '.' || c == ':';
}

static bool is_octet(const char *text, size_t len)
{
	return len >= 2 && isxdigit((unsigned char)text[0]) && isxdigit((unsigned char)text[1]) &&
	       (len == 2 || !isxdigit((unsigned char)text[2]));
}

/* How many xx, with a colon between each two, the text begins with. */
static size_t octets(const char *text, size_t len)
{
	size_t n = 0, at = 0;

	for (; is_octet(text + at, len - at); at += 3) {
		n++;
		if (at + 2 >= len || text[at + 2] != ':')
			return n;
	}
	return at < len && isxdigit((unsigned char)text[at]) ? 0 : n; /* groups of an address */
}

/* Does an address of dots go on here? */
static bool is_dotted(const char *text, size_t len)
{
	return len > 1 && text[0] == '.' && isdigit((unsigned char)text[1]);
}

/* Any spelling: of an address of IPv4 in one of IPv6 too, which configurations may not have. */
static bool parse(struct zs_addr *out, const char *text)
{
	return zs_addr_parse(out, text) == 0 || inet_pton(AF_INET6, text, out->ip) == 1;
}

/* The longest address that the text begins with, cut where a port or the end of a sentence may follow; 0: none. */
static size_t address(const char *text, size_t len, struct zs_addr *out)
{
	char copy[ZS_ADDR_TEXT];
	size_t most = run(text, len < sizeof(copy) ? len : sizeof(copy) - 1, is_address_char);

	for (size_t n = most; n >= 2; n--) {
		if (n < len && (isxdigit((unsigned char)text[n]) || is_dotted(text + n, len - n)))
			continue;
		memcpy(copy, text, n);
		copy[n] = '\0';
		if (parse(out, copy))
			return n;
	}
	return 0;
}

static bool is_loopback(const struct zs_addr *a)
{
	static const struct zs_addr one = { .ip = { [15] = 1 } };

	return zs_addr_is4(a) ? a->ip[12] == 127 : zs_addr_eq(a, &one);
}

static size_t put_octets(FILE *to, const char *text, size_t n)
{
	fprintf(to, "%.*s", OCTETS_SHOWN * 3 - 1, text);
	for (size_t i = OCTETS_SHOWN; i < n; i++)
		fputs(":00", to);
	return n * 3 - 1;
}

/* How much of the text it stands for; 0: no address begins here. */
static size_t put_address(FILE *to, const char *text, size_t len)
{
	char shown[ZS_ADDR_TEXT];
	struct zs_addr addr;
	size_t n = octets(text, len);

	if (n >= OCTETS_LEAST)
		return put_octets(to, text, n);
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
		char before = i ? text[i - 1] : ' ';
		size_t n = secret(before, text + i, len - i);

		if (n)
			fprintf(to, "%.*s…", ZS_REDACT_SHOWN, text + i);
		else if (!addresses && !isdigit((unsigned char)before) && is_address_char(text[i]))
			n = put_address(to, text + i, len - i);
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
