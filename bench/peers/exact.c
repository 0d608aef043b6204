#include "peers/exact.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>
#include "core/tsc.h"

#define HEAP "exact"
#define PAGE (2u << 20)
#define ROOM 4 / 3 /* of keys: rte_hash refuses some in a table that is fuller */
#define AT_KEY                                                                                               \
	72 /* bytes a key takes at most: 32 of its own, buckets and free slots of the next power of two */
#define HEAP_MORE (32u << 20)
#define NOWHERE	  2 /* a port there is not */

struct key {
	uint32_t src, dst;
	uint16_t src_port, dst_port;
	uint32_t protocol;
};
_Static_assert(sizeof(struct key) == 16, "rte_hash compares 16 bytes by vector instructions");

struct zs_exact {
	struct rte_hash *hash;
	uint32_t keys;
	uint16_t ethdev[2];
	uint8_t link[2][12]; /* of what leaves by a port: destination and source */
};

/* --- making it --- */

/* Memory of the same kind as the relay's segments, as a heap of DPDK. */
static int make_heap(uint64_t bytes, struct zs_error *err)
{
	uint64_t len = (bytes + PAGE - 1) / PAGE * PAGE;
	int fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	uint8_t *at = mmap(NULL, len + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int rc = 0;

	if (at != MAP_FAILED)
		at = (uint8_t *)(((uintptr_t)at + PAGE - 1) / PAGE * PAGE);
	if (fd < 0 || at == MAP_FAILED || posix_fallocate(fd, 0, (off_t)len) ||
	    mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
		rc = zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no %llu MiB of memory for rte_hash",
				  (unsigned long long)(len >> 20));
	else if (rte_malloc_heap_create(HEAP) || rte_malloc_heap_memory_add(HEAP, at, len, NULL, 0, PAGE))
		rc = zs_error_set(err, -rte_errno, ZS_EXIT_RESOURCE, "DPDK takes no heap of ours: %s",
				  rte_strerror(rte_errno));
	if (fd >= 0)
		close(fd);
	return rc;
}

static uint32_t ip4_of(const struct zs_endpoint *e)
{
	uint32_t ip;

	memcpy(&ip, e->addr.ip + 12, sizeof(ip));
	return ip;
}

static int add_way(struct zs_exact *x, const struct zs_forward *f, uint32_t entry, uint8_t way)
{
	struct zs_made made = { .entry = entry, .way = way };
	struct zs_ends sent;
	struct key key;

	zs_forward_flow_sent(f, &made, &sent);
	if (!sent.dst.port)
		return 0;
	key = (struct key){ ip4_of(&sent.src), ip4_of(&sent.dst), htons(sent.src.port), htons(sent.dst.port),
			    IPPROTO_UDP };
	x->keys++;
	return rte_hash_add_key_data(x->hash, &key, (void *)(uintptr_t)!way);
}

static int make_table(struct zs_exact *x, const struct zs_forward *f, struct zs_error *err)
{
	uint64_t room = 2ull * f->entries * ROOM;
	struct rte_hash_parameters p = { .name = HEAP,
					 .entries = (uint32_t)room,
					 .key_len = sizeof(struct key),
					 .hash_func = rte_hash_crc };
	int rc = make_heap(room * AT_KEY + HEAP_MORE, err);

	if (rc)
		return rc;
	p.socket_id = rte_malloc_heap_get_socket(HEAP);
	x->hash = rte_hash_create(&p);
	for (uint32_t i = 0; x->hash && i < f->entries; i++)
		if ((rc = add_way(x, f, i, 0)) || (rc = add_way(x, f, i, 1)))
			return zs_error_set(err, rc, ZS_EXIT_FAILED, "rte_hash takes no more than %u keys",
					    x->keys);
	return x->hash ? 0
		       : zs_error_set(err, -rte_errno, ZS_EXIT_RESOURCE, "no rte_hash of %llu keys: %s",
				      (unsigned long long)room, rte_strerror(rte_errno));
}

struct zs_exact *zs_exact_open(struct zs_forward *f, struct zs_error *err)
{
	struct zs_exact *x = calloc(1, sizeof(*x));

	if (!x) {
		zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for a forwarder");
		return NULL;
	}
	for (int i = 0; i < 2; i++) {
		x->ethdev[i] = f->bed->dp.port[i].queue[0].ethdev;
		memset(x->link[i], ZS_BED_ROUTER, 6);
		memcpy(x->link[i] + 6, f->bed->dp.port[i].mac, 6);
	}
	if (make_table(x, f, err)) {
		free(x);
		return NULL;
	}
	return x;
}

void zs_exact_close(struct zs_exact *x)
{
	if (x)
		rte_hash_free(x->hash);
	free(x);
}

uint32_t zs_exact_keys(const struct zs_exact *x)
{
	return x->keys;
}

/* --- a packet's way --- */

struct burst {
	struct rte_mbuf *out[2][ZS_EXACT_BULK];
	uint16_t count[2];
};

static void read_key(const struct rte_mbuf *m, struct key *key)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *) + ZS_ETH_LEN;

	memcpy(key, ip + 12, 12); /* both addresses, and the ports behind them */
	key->protocol = ip[9];
}

static void rewrite(const struct zs_exact *x, struct rte_mbuf *m, uint32_t out)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	uint16_t sum;
	uint32_t more;

	memcpy(frame, x->link[out], sizeof(x->link[out]));
	frame[ZS_ETH_LEN + 8]--;
	memcpy(&sum, frame + ZS_ETH_LEN + 10, sizeof(sum));
	more = sum + htons(0x0100);
	sum = (uint16_t)(more + (more >> 16));
	memcpy(frame + ZS_ETH_LEN + 10, &sum, sizeof(sum));
}

static void forward_bulk(const struct zs_exact *x, struct rte_mbuf **m, uint32_t n, struct burst *b)
{
	struct key key[ZS_EXACT_BULK];
	const void *at[ZS_EXACT_BULK];
	void *data[ZS_EXACT_BULK];
	uint64_t hits = 0;

	for (uint32_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], const void *));
	for (uint32_t i = 0; i < n; i++) {
		read_key(m[i], &key[i]);
		at[i] = &key[i];
	}
	rte_hash_lookup_bulk_data(x->hash, at, n, &hits, data);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t out = hits >> i & 1 ? (uint32_t)(uintptr_t)data[i] : NOWHERE;

		if (out >= NOWHERE) {
			rte_pktmbuf_free(m[i]);
			continue;
		}
		rewrite(x, m[i], out);
		b->out[out][b->count[out]++] = m[i];
	}
}

static void transmit(const struct zs_exact *x, struct burst *b)
{
	for (int out = 0; out < 2; out++) {
		uint16_t sent = 0;

		if (b->count[out])
			sent = rte_eth_tx_burst(x->ethdev[out], 0, b->out[out], b->count[out]);
		if (sent < b->count[out])
			rte_pktmbuf_free_bulk(b->out[out] + sent, b->count[out] - sent);
	}
}

uint64_t zs_exact_turns(struct zs_exact *x, uint32_t n, uint32_t bulk)
{
	uint16_t most = (uint16_t)(bulk > ZS_BURST ? bulk : ZS_BURST);
	uint64_t start = zs_tsc();

	for (uint32_t done = 0; done < n;)
		for (int in = 0; in < 2; in++) {
			struct burst b = { .count = { 0 } };
			struct rte_mbuf *m[ZS_EXACT_BULK];
			uint16_t got = rte_eth_rx_burst(x->ethdev[in], 0, m, most);

			for (uint32_t i = 0; i < got; i += bulk)
				forward_bulk(x, m + i, got - i < bulk ? got - i : bulk, &b);
			transmit(x, &b);
			done += got;
		}
	return zs_tsc() - start;
}
