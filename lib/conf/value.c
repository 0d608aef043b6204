/* One value as text: strict reading, and the same text back. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/check.h"
#include "conf/schema.h"

static const char *const drivers[] = {
	[ZS_DRIVER_PCI] = "pci",     [ZS_DRIVER_AF_XDP] = "af_xdp", [ZS_DRIVER_AF_PACKET] = "af_packet",
	[ZS_DRIVER_MEMIF] = "memif", [ZS_DRIVER_PCAP] = "pcap",	    [ZS_DRIVER_NULL] = "null",
	[ZS_DRIVER_RING] = "ring",
};

const char *zs_conf_driver_name(enum zs_conf_driver driver)
{
	return (unsigned)driver < ZS_ARRAY_LEN(drivers) ? drivers[driver] : "?";
}

__attribute__((format(printf, 2, 3))) static int refuse(char why[ZS_CONF_WHY], const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(why, ZS_CONF_WHY, fmt, args);
	va_end(args);
	return -EINVAL;
}

/* Plain decimal: no sign, no leading zero (YAML 1.1 would call it octal), no underscores. */
static bool read_number(const char *text, uint32_t *out)
{
	size_t len = strlen(text);
	uint64_t n = 0;
	if (len == 0 || len > 10 || (len > 1 && text[0] == '0') || strspn(text, "0123456789") != len)
		return false;
	for (size_t i = 0; i < len; i++)
		n = n * 10 + (uint64_t)(text[i] - '0');
	*out = (uint32_t)n;
	return n <= UINT32_MAX;
}

static int parse_number(const struct zs_conf_key *key, enum zs_conf_kind kind, void *field, const char *text,
			char why[ZS_CONF_WHY])
{
	uint32_t n;
	if (!read_number(text, &n))
		return refuse(why, "is not a number; write %u to %u, unquoted", key->min, key->max);
	bool device_mtu = kind == ZS_CONF_MTU && n == 0;
	if (!device_mtu && (n < key->min || n > key->max))
		return refuse(why, "is out of range; write %u to %u%s", key->min, key->max,
			      kind == ZS_CONF_MTU ? ", or 0 for the device's own" : "");
	if (kind == ZS_CONF_RING && (n & (n - 1)))
		return refuse(why, "is not a power of two; write 512, 1024, 2048 …");
	uint16_t n16 = (uint16_t)n;
	if (key->size == sizeof(n16))
		memcpy(field, &n16, sizeof(n16));
	else
		memcpy(field, &n, sizeof(n));
	return 0;
}

static int parse_bool(void *field, const char *text, char why[ZS_CONF_WHY])
{
	bool yes = strcmp(text, "true") == 0;
	if (!yes && strcmp(text, "false") != 0)
		return refuse(why, "is neither true nor false; write one of them");
	memcpy(field, &yes, sizeof(yes));
	return 0;
}

static int parse_range(const struct zs_conf_key *key, void *field, const char *text, char why[ZS_CONF_WHY])
{
	char first[8] = "";
	const char *dash = strchr(text, '-');
	uint32_t lo, hi;
	if (dash && dash != text && (size_t)(dash - text) < sizeof(first))
		memcpy(first, text, (size_t)(dash - text));
	if (!dash || !read_number(first, &lo) || !read_number(dash + 1, &hi))
		return refuse(why, "is not a range; write FIRST-LAST");
	if (lo < key->min || hi > key->max || lo > hi)
		return refuse(why, "is out of range; write FIRST-LAST within %u-%u", key->min, key->max);
	uint16_t both[2] = { (uint16_t)lo, (uint16_t)hi };
	memcpy(field, both, sizeof(both));
	return 0;
}

static bool has_control(const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c < ' ' || *c == 0x7f)
			return true;
	}
	return false;
}

static bool is_name(const char *text)
{
	return text[0] != '-' && text[0] != '.' &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
		   strlen(text);
}

static bool is_path(const char *text)
{
	size_t len = strlen(text);
	return text[0] == '/' && !strstr(text, "/../") && (len < 3 || strcmp(text + len - 3, "/..") != 0);
}

static bool is_word(const char *words, const char *text)
{
	size_t len = strlen(text);
	for (const char *w = words; *w; w += strspn(w, " ")) {
		size_t n = strcspn(w, " ");
		if (n == len && memcmp(w, text, n) == 0)
			return true;
		w += n;
	}
	return false;
}

static int parse_text(const struct zs_conf_key *key, enum zs_conf_kind kind, char *field, const char *text,
		      char why[ZS_CONF_WHY])
{
	size_t len = strlen(text);
	if (kind == ZS_CONF_CHOICE_OF) {
		if (!is_word(key->words, text))
			return refuse(why, "is none of the words known here; write one of: %s", key->words);
	} else if (len < key->min || len > key->max) {
		return refuse(why, "has %zu characters; write %u to %u of them", len, key->min, key->max);
	}
	if (has_control(text))
		return refuse(why, "holds a control character; take it out");
	if (kind == ZS_CONF_NAME && len && !is_name(text))
		return refuse(
		    why, "is not a name; use letters, digits, '-', '_' and '.', a letter or digit first");
	if (kind == ZS_CONF_INSTANCE && !zs_segment_instance(text))
		return refuse(why, "is no name of an instance; " ZS_INSTANCE_RULE);
	if (kind == ZS_CONF_PATH && !is_path(text))
		return refuse(why, "is not an absolute path; start it with '/' and leave '..' out");
	memset(field, 0, key->size);
	memcpy(field, text, len);
	return 0;
}

static int parse_driver(void *field, const char *text, char why[ZS_CONF_WHY])
{
	for (unsigned i = 0; i < ZS_ARRAY_LEN(drivers); i++) {
		if (strcmp(drivers[i], text) == 0) {
			enum zs_conf_driver driver = (enum zs_conf_driver)i;
			memcpy(field, &driver, sizeof(driver));
			return 0;
		}
	}
	return refuse(why, "is no driver; write one of: pci af_xdp af_packet memif pcap null ring");
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int parse_mac(uint8_t *field, const char *text, char why[ZS_CONF_WHY])
{
	uint8_t mac[6], any = 0;
	for (int i = 0; i < 6; i++, text += 3) {
		int hi = hex(text[0]), lo = hi < 0 ? -1 : hex(text[1]);
		if (lo < 0 || text[2] != (i < 5 ? ':' : '\0'))
			return refuse(why,
				      "is not a link address; write six hex pairs, \"02:00:00:00:00:09\"");
		mac[i] = (uint8_t)(hi << 4 | lo);
		any |= mac[i];
	}
	if (!any || mac[0] & 1)
		return refuse(why, "is a group address or zero; write the neighbour's own link address");
	memcpy(field, mac, sizeof(mac));
	return 0;
}

/* An address with host bits: the prefix parser refuses those, so the two halves are read apart. */
static int parse_ifaddr(void *field, const char *text, char why[ZS_CONF_WHY])
{
	struct zs_conf_interface_address a;
	char addr[ZS_ADDR_TEXT] = "";
	const char *slash = strchr(text, '/');
	uint32_t len;
	if (slash && (size_t)(slash - text) < sizeof(addr))
		memcpy(addr, text, (size_t)(slash - text));
	if (!slash || zs_addr_parse(&a.addr, addr) != 0 || !read_number(slash + 1, &len))
		return refuse(why, "is not an address with its prefix length; write ADDR/LEN");
	uint32_t bits = zs_addr_is4(&a.addr) ? 32 : 128;
	if (len < 1 || len > bits)
		return refuse(why, "has a wrong prefix length; write 1 to %u after the '/'", bits);
	a.len = (uint8_t)(len + 128 - bits);
	memcpy(field, &a, sizeof(a));
	return 0;
}

static int parse_endpoint(void *field, const char *text, bool may_be_off, char why[ZS_CONF_WHY])
{
	struct zs_endpoint ep;
	memset(&ep, 0, sizeof(ep));
	bool off = may_be_off && strcmp(text, "off") == 0;
	if (!off && zs_endpoint_parse(&ep, text) != 0)
		return refuse(why, "is not an address with a port; write ADDR:PORT or \"[ADDR]:PORT\"%s",
			      may_be_off ? ", or off" : "");
	memcpy(field, &ep, sizeof(ep));
	return 0;
}

static int parse_addr(enum zs_conf_kind kind, void *field, const char *text, char why[ZS_CONF_WHY])
{
	struct zs_prefix prefix;
	struct zs_addr addr;
	if (kind == ZS_CONF_ADDR) {
		if (zs_addr_parse(&addr, text) != 0)
			return refuse(why, "is not an address; write 192.0.2.1 or \"2001:db8::1\"");
		memcpy(field, &addr, sizeof(addr));
		return 0;
	}
	if (zs_prefix_parse(&prefix, text) != 0)
		return refuse(why, "is not a prefix; write ADDR/LEN with no bits set behind LEN");
	memcpy(field, &prefix, sizeof(prefix));
	return 0;
}

int zs_conf_value_parse(const struct zs_conf_key *key, enum zs_conf_kind kind, void *field, const char *text,
			bool plain, char why[ZS_CONF_WHY])
{
	switch (kind) {
	case ZS_CONF_U16:
	case ZS_CONF_U32:
	case ZS_CONF_MTU:
	case ZS_CONF_RING:
		return plain ? parse_number(key, kind, field, text, why)
			     : refuse(why, "is a text, not a number; take the quotes off");
	case ZS_CONF_BOOL:
		return plain ? parse_bool(field, text, why)
			     : refuse(why, "is a text, not true or false; take the quotes off");
	case ZS_CONF_RANGE:
		return parse_range(key, field, text, why);
	case ZS_CONF_DRIVER:
		return parse_driver(field, text, why);
	case ZS_CONF_MAC:
		return parse_mac(field, text, why);
	case ZS_CONF_IFADDR:
		return parse_ifaddr(field, text, why);
	case ZS_CONF_ENDPOINT:
	case ZS_CONF_LISTEN:
		return parse_endpoint(field, text, kind == ZS_CONF_LISTEN, why);
	case ZS_CONF_ADDR:
	case ZS_CONF_PREFIX:
	case ZS_CONF_ALLOW:
		return parse_addr(kind, field, text, why);
	default:
		return parse_text(key, kind, field, text, why);
	}
}

static void format_number(const struct zs_conf_key *key, const void *field, char buf[ZS_CONF_TEXT])
{
	uint16_t n16;
	uint32_t n;
	if (key->size == sizeof(n16)) {
		memcpy(&n16, field, sizeof(n16));
		n = n16;
	} else {
		memcpy(&n, field, sizeof(n));
	}
	snprintf(buf, ZS_CONF_TEXT, "%u", n);
}

static void format_prefix(const struct zs_addr *addr, uint8_t len, char buf[ZS_CONF_TEXT])
{
	char text[ZS_ADDR_TEXT];
	snprintf(buf, ZS_CONF_TEXT, "%s/%u", zs_addr_format(addr, text), zs_addr_is4(addr) ? len - 96u : len);
}

/* The list of CPUs is as long as there are workers, which stand in the same struct. */
static void format_cpus(const struct zs_conf_key *key, const void *field, char buf[ZS_CONF_TEXT])
{
	const struct zs_conf *conf = (const void *)((const char *)field - key->offset);
	int n = snprintf(buf, ZS_CONF_TEXT, "[");
	for (uint32_t i = 0; i < conf->dataplane.workers && i < ZS_WORKERS_MAX; i++)
		n += snprintf(buf + n, ZS_CONF_TEXT - (size_t)n, "%s%u", i ? ", " : "",
			      conf->dataplane.cpu[i]);
	snprintf(buf + n, ZS_CONF_TEXT - (size_t)n, "]");
}

static void format_net(enum zs_conf_kind kind, const void *field, char buf[ZS_CONF_TEXT])
{
	const struct zs_conf_interface_address *ifaddr = field;
	const struct zs_prefix *prefix = field;
	const struct zs_endpoint *ep = field;
	const uint8_t *mac = field;
	if (kind == ZS_CONF_ADDR)
		zs_addr_format(field, buf);
	else if (kind == ZS_CONF_IFADDR)
		format_prefix(&ifaddr->addr, ifaddr->len, buf);
	else if (kind == ZS_CONF_PREFIX || kind == ZS_CONF_ALLOW)
		format_prefix(&prefix->addr, prefix->len, buf);
	else if (kind == ZS_CONF_MAC)
		snprintf(buf, ZS_CONF_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
			 mac[4], mac[5]);
	else if (ep->port == 0)
		snprintf(buf, ZS_CONF_TEXT, "off");
	else
		zs_endpoint_format(ep, buf);
}

const char *zs_conf_value_format(const struct zs_conf_key *key, enum zs_conf_kind kind, const void *field,
				 char buf[ZS_CONF_TEXT])
{
	const uint16_t *range = field;
	switch (kind) {
	case ZS_CONF_U16:
	case ZS_CONF_U32:
	case ZS_CONF_MTU:
	case ZS_CONF_RING:
		format_number(key, field, buf);
		break;
	case ZS_CONF_BOOL:
		snprintf(buf, ZS_CONF_TEXT, "%s", *(const bool *)field ? "true" : "false");
		break;
	case ZS_CONF_RANGE:
		snprintf(buf, ZS_CONF_TEXT, "%u-%u", range[0], range[1]);
		break;
	case ZS_CONF_DRIVER:
		snprintf(buf, ZS_CONF_TEXT, "%s", zs_conf_driver_name(*(const enum zs_conf_driver *)field));
		break;
	case ZS_CONF_CPUS:
		format_cpus(key, field, buf);
		break;
	case ZS_CONF_TEXT_ANY:
	case ZS_CONF_NAME:
	case ZS_CONF_INSTANCE:
	case ZS_CONF_PATH:
	case ZS_CONF_CHOICE_OF:
		snprintf(buf, ZS_CONF_TEXT, "%s", (const char *)field);
		break;
	default:
		format_net(kind, field, buf);
	}
	return buf;
}
