/* Text of addresses, both ways. Reading is strict: an address that a resolver, a shell or a
 * browser would read in another way than we do is refused instead of guessed at. */
#include "net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

/* inet_pton knows neither octal, hex nor short forms, and no zones: what we want. */
int zs_addr_parse(struct zs_addr *out, const char *text)
{
	struct zs_addr a;
	uint32_t be32;

	if (inet_pton(AF_INET, text, &be32) == 1) {
		*out = zs_addr_from4(be32);
		return 0;
	}
	if (inet_pton(AF_INET6, text, a.ip) != 1 || zs_addr_is4(&a))
		return -EINVAL;
	*out = a;
	return 0;
}

/* Decimal without sign, spaces or leading zeros, at most `max`. -1: not that. */
static int number(const char *text, int max)
{
	int n = 0;

	if (!*text || (text[0] == '0' && text[1]))
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		n = n * 10 + (*text - '0');
		if (n > max)
			return -1;
	}
	return n;
}

/* Copies `len` bytes of an address text; false when no address is that long. */
static bool cut(char buf[ZS_ADDR_TEXT], const char *text, size_t len)
{
	if (len >= ZS_ADDR_TEXT)
		return false;
	memcpy(buf, text, len);
	buf[len] = 0;
	return true;
}

int zs_endpoint_parse(struct zs_endpoint *out, const char *text)
{
	bool six = *text == '[';
	const char *colon = strrchr(text, ':');
	struct zs_endpoint ep;
	char buf[ZS_ADDR_TEXT];

	if (!colon || (six && (colon - text < 2 || colon[-1] != ']')))
		return -EINVAL;
	if (!cut(buf, text + six, (size_t)(colon - text) - (six ? 2 : 0)) || zs_addr_parse(&ep.addr, buf) ||
	    zs_addr_is4(&ep.addr) == six)
		return -EINVAL;
	int port = number(colon + 1, 65535);
	if (port < 1)
		return -EINVAL;
	ep.port = (uint16_t)port;
	*out = ep;
	return 0;
}

/* True when all bits from `len` on are zero. */
static bool host_zero(const struct zs_addr *a, unsigned len)
{
	for (unsigned bit = len; bit < 128; bit++)
		if (a->ip[bit / 8] & (0x80 >> bit % 8))
			return false;
	return true;
}

int zs_prefix_parse(struct zs_prefix *out, const char *text)
{
	const char *slash = strchr(text, '/');
	struct zs_prefix p;
	char buf[ZS_ADDR_TEXT];

	if (!slash || !cut(buf, text, (size_t)(slash - text)) || zs_addr_parse(&p.addr, buf))
		return -EINVAL;
	bool four = zs_addr_is4(&p.addr);
	int len = number(slash + 1, four ? 32 : 128);
	if (len < 0)
		return -EINVAL;
	p.len = (uint8_t)(len + (four ? 96 : 0));
	if (!host_zero(&p.addr, p.len))
		return -EINVAL;
	*out = p;
	return 0;
}

bool zs_prefix_has(const struct zs_prefix *prefix, const struct zs_addr *addr)
{
	unsigned bytes = prefix->len / 8, bits = prefix->len % 8;

	if (prefix->len > 128 || (prefix->len < 96 && zs_addr_is4(addr)))
		return false;
	if (memcmp(prefix->addr.ip, addr->ip, bytes) != 0)
		return false;
	return bits == 0 || (prefix->addr.ip[bytes] ^ addr->ip[bytes]) >> (8 - bits) == 0;
}

/* The first longest run of two or more zero groups: [*first, *first + result). */
static int zero_run(const struct zs_addr *a, int *first)
{
	int best = 0;

	for (int i = 0; i < 8;) {
		int n = 0;
		while (i + n < 8 && !a->ip[2 * (i + n)] && !a->ip[2 * (i + n) + 1])
			n++;
		if (n > best) {
			best = n;
			*first = i;
		}
		i += n ? n : 1;
	}
	return best > 1 ? best : 0;
}

const char *zs_addr_format(const struct zs_addr *addr, char buf[ZS_ADDR_TEXT])
{
	int first = -1, run, n = 0;

	if (zs_addr_is4(addr)) {
		const uint8_t *p = addr->ip + 12;
		snprintf(buf, ZS_ADDR_TEXT, "%u.%u.%u.%u", p[0], p[1], p[2], p[3]);
		return buf;
	}
	run = zero_run(addr, &first);
	for (int i = 0; i < 8; i++) {
		if (run && i == first) {
			n += snprintf(buf + n, ZS_ADDR_TEXT - (size_t)n, i + run == 8 ? "::" : ":");
			i += run - 1;
			continue;
		}
		n += snprintf(buf + n, ZS_ADDR_TEXT - (size_t)n, "%s%x", i ? ":" : "",
			      addr->ip[2 * i] << 8 | addr->ip[2 * i + 1]);
	}
	return buf;
}

const char *zs_endpoint_format(const struct zs_endpoint *ep, char buf[ZS_ENDPOINT_TEXT])
{
	char a[ZS_ADDR_TEXT];

	zs_addr_format(&ep->addr, a);
	snprintf(buf, ZS_ENDPOINT_TEXT, zs_addr_is4(&ep->addr) ? "%s:%u" : "[%s]:%u", a, ep->port);
	return buf;
}

int zs_endpoint_from_sockaddr(struct zs_endpoint *out, const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, sa, sizeof(in));
		*out = (struct zs_endpoint){ zs_addr_from4(in.sin_addr.s_addr), ntohs(in.sin_port) };
		return 0;
	}
	if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, sa, sizeof(in6));
		memcpy(out->addr.ip, &in6.sin6_addr, sizeof(out->addr.ip));
		out->port = ntohs(in6.sin6_port);
		return 0;
	}
	return -EAFNOSUPPORT;
}
