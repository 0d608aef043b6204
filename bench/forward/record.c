/* What the generator makes, as captures that a driver plays again and again. */
#include <errno.h>
#include <stdio.h>
#include <rte_ring.h>
#include "forward/forward.h"
#include "net/pcapng.h"

#define BATCHES 8 /* of a file: their packets are all that the driver keeps at hand */

static int write_block(FILE *file, const uint8_t *block, size_t len)
{
	return len && fwrite(block, len, 1, file) == 1 ? 0 : -EIO;
}

static int begin_file(FILE *file)
{
	const struct zs_pcapng_interface i = { .name = "zs-bench", .snap = 1518 };
	uint8_t block[ZS_PCAPNG_BLOCK(0)];
	int rc = write_block(file, block, zs_pcapng_begin(block, sizeof(block), "zs-bench", NULL));

	return rc ? rc : write_block(file, block, zs_pcapng_interface(block, sizeof(block), &i));
}

static int write_packets(struct zs_forward *f, int in, FILE *file, uint32_t *written)
{
	struct rte_mbuf *m[ZS_FORWARD_BATCH];
	uint32_t got = rte_ring_sc_dequeue_burst(f->queues.in[in], (void **)m, ZS_FORWARD_BATCH, NULL);
	uint8_t block[ZS_PCAPNG_BLOCK(1518)];
	int rc = 0;

	for (uint32_t i = 0; i < got && !rc; i++) {
		const struct zs_pcapng_packet p = { .bytes = rte_pktmbuf_mtod(m[i], void *),
						    .captured = m[i]->data_len,
						    .length = m[i]->data_len };

		rc = write_block(file, block, zs_pcapng_packet(block, sizeof(block), &p));
	}
	rte_pktmbuf_free_bulk(m, got);
	*written += got;
	return rc;
}

int zs_forward_record(struct zs_forward *f, char path[2][300], uint32_t written[2])
{
	FILE *file[2] = { fopen(path[0], "we"), fopen(path[1], "we") };
	int rc = file[0] && file[1] ? 0 : -errno;

	for (int in = 0; in < 2 && !rc; in++)
		rc = begin_file(file[in]);
	for (int b = 0; b < BATCHES && !rc; b++) {
		zs_forward_fill(f, ZS_FORWARD_BATCH);
		for (int in = 0; in < 2 && !rc; in++)
			rc = write_packets(f, in, file[in], &written[in]);
	}
	for (int in = 0; in < 2; in++)
		if (file[in] && fclose(file[in]) && !rc)
			rc = -errno;
	return rc;
}
