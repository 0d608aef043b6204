/* Identify { publicKey 1, listenAddrs 2, protocols 3, observedAddr 4, protocolVersion 5, agentVersion 6,
 * signedPeerRecord 8 }. Fields are offsets into the store, since it moves when it grows. */
#include "p2p/identify.h"

#include <errno.h>
#include <stdlib.h>

enum { KEY = 1, ADDR = 2, PROTOCOL = 3, OBSERVED = 4, PROTOCOL_VERSION = 5, AGENT = 6, RECORD = 8 };

static bool put_text(pb_ostream_t *to, uint32_t tag, const char *text)
{
	return !text || zs_pb_put_span(to, tag, text, strlen(text));
}

static bool put_key(pb_ostream_t *to, const struct zs_public_key *key)
{
	uint8_t pb[ZS_KEY_PROTOBUF];

	return !key || zs_pb_put_span(to, KEY, pb, zs_public_key_encode(key, pb, sizeof(pb)));
}

size_t zs_identify_encode(const struct zs_identify_own *own, void *out, size_t capacity)
{
	pb_ostream_t to = pb_ostream_from_buffer(out,
						 capacity < ZS_IDENTIFY_OWN ? capacity : ZS_IDENTIFY_OWN);
	bool ok = put_key(&to, own->key);

	for (size_t i = 0; ok && i < own->addrs_n; i++)
		ok = zs_pb_put_span(&to, ADDR, own->addrs[i].bytes, own->addrs[i].len);
	for (size_t i = 0; ok && i < own->protocols_n; i++)
		ok = put_text(&to, PROTOCOL, own->protocols[i]);
	if (ok && own->observed)
		ok = zs_pb_put_span(&to, OBSERVED, own->observed->bytes, own->observed->len);
	ok = ok && put_text(&to, PROTOCOL_VERSION, own->protocol_version) && put_text(&to, AGENT, own->agent);
	if (ok && own->record.bytes)
		ok = zs_pb_put_span(&to, RECORD, own->record.bytes, own->record.len);
	return ok ? to.bytes_written : 0;
}

void zs_identify_init(struct zs_identify *id)
{
	memset(id, 0, sizeof(*id));
}

void zs_identify_free(struct zs_identify *id)
{
	free(id->store);
	zs_identify_init(id);
}

static void put_last(struct zs_identify *id, uint32_t tag, struct zs_identify_field field)
{
	switch (tag) {
	case KEY:
		id->key = field;
		break;
	case OBSERVED:
		id->observed = field;
		break;
	case PROTOCOL_VERSION:
		id->protocol_version = field;
		break;
	case AGENT:
		id->agent = field;
		break;
	case RECORD:
		id->record = field;
		break;
	}
}

static void take(struct zs_identify *id, uint32_t tag, struct zs_identify_field field)
{
	if (tag != ADDR && tag != PROTOCOL)
		put_last(id, tag, field);
	else if (tag == ADDR && id->addrs < ZS_IDENTIFY_ADDRS)
		id->addr[id->addrs++] = field;
	else if (tag == PROTOCOL && id->protocols < ZS_IDENTIFY_PROTOCOLS)
		id->protocol[id->protocols++] = field;
	else
		id->left_out++;
}

/* Reads the message to its end; takes its fields when `id` is given. */
static int read_fields(const uint8_t *message, size_t len, uint32_t at, struct zs_identify *id)
{
	struct zs_pb_reader r = zs_pb_reader_of(message, len);
	struct zs_pb_field f;
	int ret;

	while ((ret = zs_pb_next(&r, &f)) == 1)
		if (id && f.type == PB_WT_STRING)
			take(id, f.tag,
			     (struct zs_identify_field){ at + (uint32_t)(f.span.bytes - message),
							 (uint32_t)f.span.len });
	return ret;
}

int zs_identify_merge(struct zs_identify *id, const void *message, size_t len)
{
	uint8_t *store;

	if (len > ZS_IDENTIFY_MESSAGE)
		return -EMSGSIZE;
	if (id->messages == ZS_IDENTIFY_MESSAGES)
		return -E2BIG;
	if (read_fields(message, len, 0, NULL) != 0)
		return -EINVAL;
	store = realloc(id->store, id->len + len + 1); /* + 1: an empty message has bytes too */
	if (!store)
		return -ENOMEM;
	id->store = store;
	memcpy(store + id->len, message, len);
	read_fields(store + id->len, len, id->len, id);
	id->len += (uint32_t)len;
	id->messages++;
	return 0;
}

struct zs_span zs_identify_span(const struct zs_identify *id, struct zs_identify_field field)
{
	return (struct zs_span){ .bytes = field.len ? id->store + field.at : NULL, .len = field.len };
}
