/* What a worker's stages touch of DPDK, made of plain memory: packets come from malloc, what is sent or passed on is kept.
 * It hangs off zs_dp.pool; without one nothing can be made and what is sent is lost. */
#ifndef ZS_TESTS_FAKE_PORT_H
#define ZS_TESTS_FAKE_PORT_H

#include <rte_mbuf.h>
#include "stage/stage.h"

#define FAKE_PACKETS 512
#define FAKE_ROOM    2304

struct fake_port {
	uint32_t sent, passed;
	struct rte_mbuf *out[FAKE_PACKETS];
	struct {
		struct rte_mbuf *m;
		uint32_t worker;
	} pass[FAKE_PACKETS];
	uint32_t answers; /* the service port's own, which are not kept */
	bool empty;	  /* no buffer can be had */
};

static inline struct fake_port *fake_port(const struct zs_worker *w)
{
	return (struct fake_port *)w->dp->pool;
}

struct rte_mbuf *fake_new(void);
void fake_free(struct rte_mbuf *m);
/* Frees all that was kept. */
void fake_clear(struct fake_port *p);

#endif
