/* What survives in the store, reader and writer side by side.
 *
 *   "pub/" be16 port    version 1: {u8 1, target 16, be16 target port, be32 new_flows_s,
 *                       be32 new_flows_burst, be32 max_flows} = 31 bytes
 *   "stop"              "1" stopped, "0" not
 *   "probe"             nothing of worth; written to see whether writing works */
#include <errno.h>
#include <stdlib.h>
#include "program_internal.h"
#include "store.h"

#define PREFIX	   "pub/"
#define PREFIX_LEN 4
#define KEY_LEN	   (PREFIX_LEN + 2)
#define VERSION	   1
#define RECORD_LEN 31

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p + 2, (uint16_t)v);
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void encode_key(uint8_t key[KEY_LEN], uint16_t port)
{
	memcpy(key, PREFIX, PREFIX_LEN);
	put16(key + PREFIX_LEN, port);
}

static void encode(uint8_t out[RECORD_LEN], const struct zs_publication *pub)
{
	out[0] = VERSION;
	memcpy(out + 1, pub->target.addr.ip, 16);
	put16(out + 17, pub->target.port);
	put32(out + 19, pub->new_flows_s);
	put32(out + 23, pub->new_flows_burst);
	put32(out + 27, pub->max_flows);
}

static int decode(struct zs_publication *pub, const uint8_t *key, size_t key_len, const uint8_t *value,
		  size_t len)
{
	if (key_len != KEY_LEN || len != RECORD_LEN || value[0] != VERSION)
		return -EUCLEAN;
	*pub = (struct zs_publication){ .port = get16(key + PREFIX_LEN) };
	memcpy(pub->target.addr.ip, value + 1, 16);
	pub->target.port = get16(value + 17);
	pub->new_flows_s = get32(value + 19);
	pub->new_flows_burst = get32(value + 23);
	pub->max_flows = get32(value + 27);
	return pub->port && pub->target.port ? 0 : -EUCLEAN;
}

int zs_record_publication(struct zs_program *p, const struct zs_publication *pub, struct zs_error *err)
{
	struct zs_store_batch *b = zs_store_begin(p->c->store);
	uint8_t key[KEY_LEN], value[RECORD_LEN];

	encode_key(key, pub->port);
	encode(value, pub);
	zs_store_put(b, key, sizeof(key), value, sizeof(value));
	return zs_control_commit(p->c, b, err);
}

int zs_record_unpublish(struct zs_program *p, uint16_t port, struct zs_error *err)
{
	struct zs_store_batch *b = zs_store_begin(p->c->store);
	uint8_t key[KEY_LEN];

	encode_key(key, port);
	zs_store_del(b, key, sizeof(key));
	return zs_control_commit(p->c, b, err);
}

int zs_record_stop(struct zs_program *p, bool stopped, struct zs_error *err)
{
	struct zs_store_batch *b = zs_store_begin(p->c->store);

	zs_store_put(b, "stop", 4, stopped ? "1" : "0", 1);
	return zs_control_commit(p->c, b, err);
}

bool zs_record_stopped(struct zs_program *p)
{
	char value = 0;
	size_t len = 0;
	int rc = zs_store_get(p->c->store, "stop", 4, &value, 1, &len);

	/* A record that cannot be read may have said "stop". */
	return rc == -ENOENT ? false : rc || len != 1 || value != '0';
}

struct each {
	struct zs_program *p;
	zs_record_fn *fn;
};

static int each_record(void *ctx, const void *key, size_t key_len, const void *value, size_t value_len)
{
	struct each *e = ctx;
	struct zs_publication pub;

	if (!decode(&pub, key, key_len, value, value_len))
		return e->fn(e->p, &pub);
	ZS_LOG(&e->p->c->log, STORE_FAILED, "error=\"damaged record of a published port\" bytes=%zu",
	       value_len);
	return 0;
}

int zs_record_each(struct zs_program *p, zs_record_fn *fn)
{
	struct each e = { p, fn };

	return zs_store_each(p->c->store, PREFIX, PREFIX_LEN, each_record, &e);
}

void zs_record_probe(struct zs_program *p)
{
	struct zs_store_batch *b = zs_store_begin(p->c->store);

	zs_store_put(b, "probe", 5, "", 0);
	zs_control_commit(p->c, b, NULL);
}
