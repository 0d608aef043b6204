/* How workers come and go: what each polls and sends by, their rings, start and stop. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_malloc.h>
#include <rte_ring.h>
#include "fastpath.h"
#include "limit.h"
#include "targets.h"
#include "punt.h"
#include "worker.h"

static void poll_queue(struct zs_worker *w, uint32_t port, const struct zs_queue *queue)
{
	uint32_t burst_us = w->dp->port[port].burst_us;

	w->poll[w->polls].port = (uint8_t)port;
	w->poll[w->polls].ethdev = queue->ethdev;
	w->poll[w->polls++].queue = queue->id;
	if (burst_us < w->burst_us)
		w->burst_us = burst_us;
}

/* A port's queues go round the workers, beginning with another one for each port. A worker sends
 * by its first queue that can; without one it leaves packets with the worker of the first queue. */
static void assign_queues(struct zs_dp *dp, struct zs_worker *w)
{
	w->burst_us = UINT32_MAX;
	for (uint32_t i = 0; i < dp->ports; i++) {
		struct zs_port *p = &dp->port[i];

		p->queue[0].worker = (uint8_t)(i % dp->workers);
		w->out[i] = p->queue[0];
		for (uint32_t k = p->queues; k-- > 0;) {
			p->queue[k].worker = (uint8_t)((i + k) % dp->workers);
			if (p->queue[k].worker != w->index)
				continue;
			poll_queue(w, i, &p->queue[k]);
			if (k < p->tx_queues)
				w->out[i] = p->queue[k];
		}
	}
}

static struct rte_ring *make_ring(const char *kind, uint32_t from, uint32_t to)
{
	char name[32];

	snprintf(name, sizeof(name), "%s-%u-%u", kind, from, to);
	return rte_ring_create(name, ZS_HANDOVER_RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static int make_punts(struct zs_worker *w)
{
	w->punts = rte_zmalloc("punts", sizeof(*w->punts), 64);
	if (!w->punts)
		return -ENOMEM;
	if (getrandom(w->punts->key, sizeof(w->punts->key), 0) != sizeof(w->punts->key))
		return -errno;
	w->punts->p2p = &w->dp->conf->p2p;
	for (uint32_t i = 0; i < w->dp->ports; i++)
		zs_punt_set(w->punts, (uint8_t)i, &w->dp->port[i].contacts,
			    w->dp->port[i].conf->twin_pps / w->dp->workers);
	return 0;
}

static int make_worker(struct zs_dp *dp, uint32_t index)
{
	struct zs_worker *w = rte_zmalloc("worker", sizeof(*w), 64);

	if (!w)
		return -ENOMEM;
	dp->worker[index] = w;
	w->dp = dp;
	w->index = index;
	w->state = &dp->state.worker[index];
	w->count = w->state->counters.counter;
	w->drop = w->state->counters.drop;
	zs_hot_open(w);
	zs_cids_open(&w->cids, dp->fast ? &dp->fast->maps : NULL);
	w->state->cpu = dp->conf->dataplane.cpu[index];
	w->state->tsc_hz = rte_get_tsc_hz();
	if (getrandom(&w->random, sizeof(w->random), 0) < 0)
		return -errno;
	w->random |= 1;
	zs_entropy_refill(&w->entropy);
	w->settings.busy_poll_us = dp->conf->dataplane.busy_poll_us;
	w->settings.sleep_max_us = dp->conf->dataplane.sleep_max_us;
	for (uint32_t from = 0; from < dp->workers; from++) {
		if (from == index)
			continue;
		w->inbox[from] = make_ring("flow", from, index);
		w->outbox[from] = make_ring("tx", from, index);
		if (!w->inbox[from] || !w->outbox[from])
			return -ENOMEM;
	}
	assign_queues(dp, w);
	return dp->twinned ? make_punts(w) : 0;
}

int zs_workers_new(struct zs_dp *dp, struct zs_error *err)
{
	dp->limits = rte_zmalloc("limits", sizeof(*dp->limits), 64);
	if (!dp->limits || getrandom(&dp->limits->key, 8, 0) != 8)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for rate limits");
	dp->targets = rte_zmalloc("targets", sizeof(*dp->targets), 64);
	if (!dp->targets || getrandom(dp->targets->key, 16, 0) != 16)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for the index of targets");
	for (uint32_t i = 0; i < dp->workers; i++)
		if (make_worker(dp, i))
			return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE,
					    "no memory for worker %u: raise dataplane.memory_mb", i);
	return 0;
}

int zs_workers_start(struct zs_dp *dp, struct zs_error *err)
{
	for (uint32_t i = 0; i < dp->workers; i++) {
		int rc = rte_eal_remote_launch(zs_worker_run, dp->worker[i], i + 1);

		if (rc)
			return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "worker %u does not start", i);
		while (!atomic_load(&dp->worker[i]->state->running))
			rte_delay_us_sleep(100);
		ZS_LOG(dp->log, WORKER_UP, "worker=%u cpu=%u queues=%u", i, dp->worker[i]->state->cpu,
		       dp->worker[i]->polls);
	}
	return 0;
}

void zs_workers_stop(struct zs_dp *dp)
{
	uint32_t running = 0;

	for (uint32_t i = 0; i < dp->workers; i++)
		running += dp->worker[i] && atomic_load(&dp->worker[i]->state->running);
	atomic_store(&dp->stop, 1);
	while (atomic_load(&dp->quiet) < running)
		rte_delay_us_sleep(100);
	atomic_store(&dp->stop, 2);
	rte_eal_mp_wait_lcore();
	for (uint32_t i = 0; i < running; i++)
		ZS_LOG(dp->log, WORKER_DOWN, "worker=%u", i);
}

void zs_workers_delete(struct zs_dp *dp)
{
	for (uint32_t i = 0; i < dp->workers; i++) {
		struct zs_worker *w = dp->worker[i];

		for (uint32_t from = 0; w && from < dp->workers; from++) {
			rte_ring_free(w->inbox[from]);
			rte_ring_free(w->outbox[from]);
		}
		if (w)
			rte_free(w->punts);
		rte_free(w);
		dp->worker[i] = NULL;
	}
	rte_free(dp->targets);
	rte_free(dp->limits);
	dp->targets = NULL;
	dp->limits = NULL;
}
