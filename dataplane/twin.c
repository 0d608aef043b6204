#include "twin.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>
#include <rte_bus_vdev.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include "loop/notify.h"
#include "net/tap.h"
#include "punt.h"
#include "stage/stage.h"

/* --- opening --- */

/* One that stays when its last user closes it: addresses, routes and sessions on it live on. It would lose its carrier though, and
 * routing daemons their neighbours: the service manager keeps an idle queue of it over our restarts. Its owner is our user, by which
 * the package's removal finds it. */
static int make_tap(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_MULTI_QUEUE };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC), rc = 0;
	char kept[32];

	if (fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, name, strnlen(name, sizeof(ifr.ifr_name) - 1));
	snprintf(kept, sizeof(kept), "twin-%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) || ioctl(fd, TUNSETOWNER, geteuid()) || ioctl(fd, TUNSETPERSIST, 1))
		rc = -errno;
	ifr.ifr_flags = IFF_DETACH_QUEUE;
	if (!rc && ioctl(fd, TUNSETQUEUE, &ifr))
		rc = -errno;
	zs_notify_forget(kept); /* the last life's */
	if (!rc)
		zs_notify_store(fd, kept);
	close(fd);
	return rc;
}

static int start_queues(struct zs_dp *dp, const struct zs_port *p)
{
	static const struct rte_eth_conf conf;
	uint16_t n = (uint16_t)dp->workers;
	int rc = rte_eth_dev_configure(p->twin, n, n, &conf);

	for (uint16_t q = 0; q < n && !rc; q++)
		/* One descriptor: a frame lies in one buffer. */
		if (!(rc = rte_eth_rx_queue_setup(p->twin, q, 1, SOCKET_ID_ANY, NULL, dp->pool)))
			rc = rte_eth_tx_queue_setup(p->twin, q, ZS_TWIN_BUFFERS, SOCKET_ID_ANY, NULL);
	if (!rc)
		rc = rte_eth_dev_set_mtu(p->twin, p->mtu);
	return rc ? rc : rte_eth_dev_start(p->twin);
}

int zs_twin_open(struct zs_dp *dp, uint32_t i, struct zs_error *err)
{
	struct zs_port *p = &dp->port[i];
	char name[16], args[96];
	int rc = make_tap(p->conf->twin);

	if (rc && zs_tap_is(p->conf->twin) == 0)
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE,
				    "port %s: there is a device %s that is no TAP; name another with "
				    "'twin:', or rename that one",
				    p->conf->name, p->conf->twin);
	if (rc)
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "port %s: no twin %s in the kernel: %s",
				    p->conf->name, p->conf->twin,
				    rc == -EINVAL ? "it is a TAP of somebody else's: ip link delete it"
						  : strerror(-rc));
	snprintf(name, sizeof(name), "net_tap%u", i);
	snprintf(args, sizeof(args), "iface=%s,mac=%02x:%02x:%02x:%02x:%02x:%02x", p->conf->twin, p->mac[0],
		 p->mac[1], p->mac[2], p->mac[3], p->mac[4], p->mac[5]);
	rc = rte_vdev_init(name, args);
	if (!rc)
		rc = rte_eth_dev_get_port_by_name(name, &p->twin);
	if (!rc)
		rc = start_queues(dp, p);
	if (rc)
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "port %s: its twin %s does not start: %s",
				    p->conf->name, p->conf->twin, strerror(-rc));
	if (p->conf->driver == ZS_DRIVER_PCI)
		rte_eth_allmulticast_enable(
		    p->queue[0].ethdev); /* ND; the kernel's groups are its own business */
	if (getrandom(&p->contacts.key, sizeof(p->contacts.key), 0) != sizeof(p->contacts.key))
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "port %s: no random bytes", p->conf->name);
	p->twinned = dp->twinned = true;
	ZS_LOG(dp->log, TWIN_UP, "port=%s twin=%s pps=%u", p->conf->name, p->conf->twin, p->conf->twin_pps);
	return 0;
}

/* --- packets --- */

/* A kind's counters stand in its order (lib/defs/counters.def). */
_Static_assert(ZS_COUNTER_punted_other == ZS_COUNTER_punted_arp + ZS_PUNT_other &&
		   ZS_COUNTER_capped_other == ZS_COUNTER_capped_arp + ZS_PUNT_other,
	       "a counter each");

void zs_twin_listen(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

ZS_COLD void zs_twin_give(struct zs_worker *w, uint8_t iface, struct rte_mbuf *m)
{
	enum zs_punt kind;

	if (!zs_punt_may(w->punts, iface, rte_pktmbuf_mtod(m, void *), m->data_len, w->now_ns, &kind)) {
		w->count[ZS_COUNTER_capped_arp + kind]++;
		zs_stage_drop(w, m, ZS_DROP_twin_rate);
		return;
	}
	if (w->trace)
		rte_mbuf_refcnt_update(m, 1); /* to be looked at when it has gone */
	if (rte_eth_tx_burst(w->dp->port[iface].twin, (uint16_t)w->index, &m, 1) != 1) {
		if (w->trace)
			rte_mbuf_refcnt_update(m, -1);
		zs_stage_drop(w, m, ZS_DROP_twin_full);
		return;
	}
	w->count[ZS_COUNTER_punted]++;
	w->count[ZS_COUNTER_punted_arp + kind]++;
	if (w->trace) {
		zs_trace_end(w, m, ZS_TRACE_PUNTED, 0);
		rte_pktmbuf_free(m);
	}
}

uint32_t zs_twin_take(struct zs_worker *w)
{
	struct rte_mbuf *m[ZS_BURST];
	uint32_t all = 0;

	for (uint32_t i = 0; i < w->dp->ports; i++) {
		uint16_t n = 0;

		if (w->dp->port[i].twinned)
			n = rte_eth_rx_burst(w->dp->port[i].twin, (uint16_t)w->index, m, ZS_BURST);
		for (uint16_t k = 0; k < n; k++) {
			zs_contacts_note(&w->dp->port[i].contacts, rte_pktmbuf_mtod(m[k], void *),
					 m[k]->data_len, w->now_ns);
			m[k]->ol_flags = 0;
			m[k]->port = (uint16_t)i; /* of ours, not the TAP's: a trace of its drop asks */
			zs_tx_put(w, (uint8_t)i, m[k],
				  &(struct zs_sent){ .ip_len = (uint16_t)(m[k]->data_len - ZS_ETH_LEN) });
		}
		all += n;
	}
	w->count[ZS_COUNTER_from_twin] += all;
	return all;
}
