/* Words are in the writer's byte order, which the section header tells. A block is {type, length, body, length}; an option
 * {code, length, bytes, zeros to 4}. */
#include "net/pcapng.h"

#include <string.h>

#define BLOCK_SECTION	 0x0a0d0d0au
#define BLOCK_INTERFACE	 1
#define BLOCK_STATISTICS 5
#define BLOCK_PACKET	 6
#define ORDER		 0x1a2b3c4du
#define LINK_ETHERNET	 1

enum { OPT_END, OPT_COMMENT };
enum { SECTION_APPLICATION = 4 };
enum { IF_NAME = 2, IF_DESCRIPTION, IF_MAC = 6, IF_TSRESOL = 9, IF_FILTER = 11 };
enum { PACKET_FLAGS = 2 };
enum { STATS_BEGIN = 2, STATS_END, STATS_RECEIVED, STATS_LOST, STATS_DELIVERED = 8 };

struct block {
	uint8_t *buf;
	size_t cap, len;
	bool over;
};

static void put(struct block *b, const void *bytes, size_t len)
{
	size_t pad = -len & 3;

	if (b->over || b->cap - b->len < len + pad) {
		b->over = true;
		return;
	}
	if (len)
		memcpy(b->buf + b->len, bytes, len);
	memset(b->buf + b->len + len, 0, pad);
	b->len += len + pad;
}

static void put32(struct block *b, uint32_t v)
{
	put(b, &v, sizeof(v));
}

static void put_time(struct block *b, uint64_t ns)
{
	put32(b, (uint32_t)(ns >> 32));
	put32(b, (uint32_t)ns);
}

static void option(struct block *b, uint16_t code, const void *bytes, size_t len)
{
	uint16_t head[2] = { code, (uint16_t)len };

	put(b, head, sizeof(head));
	put(b, bytes, len);
}

static void text(struct block *b, uint16_t code, const char *value)
{
	if (value && value[0])
		option(b, code, value, strnlen(value, ZS_PCAPNG_TEXT));
}

static struct block begin(uint8_t *buf, size_t cap, uint32_t type)
{
	struct block b = { .buf = buf, .cap = cap };

	put32(&b, type);
	put32(&b, 0); /* the length, by finish */
	return b;
}

static size_t finish(struct block *b)
{
	uint32_t len;

	option(b, OPT_END, "", 0);
	len = (uint32_t)b->len + 4;
	put32(b, len);
	if (b->over)
		return 0;
	memcpy(b->buf + 4, &len, sizeof(len));
	return b->len;
}

size_t zs_pcapng_begin(uint8_t *buf, size_t cap, const char *application, const char *comment)
{
	static const uint16_t version[2] = { 1, 0 };
	static const int64_t unknown = -1; /* length of the section */
	struct block b = begin(buf, cap, BLOCK_SECTION);

	put32(&b, ORDER);
	put(&b, version, sizeof(version));
	put(&b, &unknown, sizeof(unknown));
	text(&b, OPT_COMMENT, comment);
	text(&b, SECTION_APPLICATION, application);
	return finish(&b);
}

size_t zs_pcapng_interface(uint8_t *buf, size_t cap, const struct zs_pcapng_interface *i)
{
	static const uint16_t link[2] = { LINK_ETHERNET, 0 };
	static const uint8_t nanoseconds = 9;
	struct block b = begin(buf, cap, BLOCK_INTERFACE);
	char filter[1 + ZS_PCAPNG_TEXT];

	put(&b, link, sizeof(link));
	put32(&b, i->snap);
	text(&b, IF_NAME, i->name);
	text(&b, IF_DESCRIPTION, i->description);
	option(&b, IF_MAC, i->mac, sizeof(i->mac));
	option(&b, IF_TSRESOL, &nanoseconds, 1);
	if (i->filter && i->filter[0]) {
		size_t len = strnlen(i->filter, ZS_PCAPNG_TEXT);

		filter[0] = 0; /* it is text */
		memcpy(filter + 1, i->filter, len);
		option(&b, IF_FILTER, filter, 1 + len);
	}
	return finish(&b);
}

size_t zs_pcapng_packet(uint8_t *buf, size_t cap, const struct zs_pcapng_packet *p)
{
	struct block b = begin(buf, cap, BLOCK_PACKET);
	uint32_t flags = p->outbound ? 2 : 1;

	put32(&b, p->interface);
	put_time(&b, p->time_ns);
	put32(&b, p->captured);
	put32(&b, p->length);
	put(&b, p->bytes, p->captured);
	text(&b, OPT_COMMENT, p->comment);
	option(&b, PACKET_FLAGS, &flags, sizeof(flags));
	return finish(&b);
}

static void moment(struct block *b, uint16_t code, uint64_t ns)
{
	uint32_t words[2] = { (uint32_t)(ns >> 32), (uint32_t)ns };

	option(b, code, words, sizeof(words));
}

size_t zs_pcapng_statistics(uint8_t *buf, size_t cap, const struct zs_pcapng_statistics *s)
{
	struct block b = begin(buf, cap, BLOCK_STATISTICS);

	put32(&b, s->interface);
	put_time(&b, s->end_ns);
	text(&b, OPT_COMMENT, s->comment);
	moment(&b, STATS_BEGIN, s->begin_ns);
	moment(&b, STATS_END, s->end_ns);
	option(&b, STATS_RECEIVED, &s->received, sizeof(s->received));
	option(&b, STATS_LOST, &s->lost, sizeof(s->lost));
	option(&b, STATS_DELIVERED, &s->delivered, sizeof(s->delivered));
	return finish(&b);
}
