/* UDP sockets: sending. Datagrams are gathered into messages (a message is one datagram, or a train
 * of equal ones that the kernel cuts apart) and messages into one sendmmsg. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include "loop/udp_socket.h"

static bool same_way(const struct zs_udp_datagram *a, const struct zs_udp_datagram *b)
{
	return a->ecn == b->ecn && a->ifindex == b->ifindex && a->peer.port == b->peer.port &&
	       zs_addr_eq(&a->peer.addr, &b->peer.addr) && zs_addr_eq(&a->local.addr, &b->local.addr);
}

/* How many of the first datagrams leave as one message: equal lengths, the last may be shorter. */
static uint32_t train_length(const struct zs_udp *u, const struct zs_udp_datagram *d, size_t count, bool gso)
{
	size_t bytes = d[0].len;
	uint32_t n = 1;
	if (!gso || !u->gso || !d[0].len)
		return 1;
	while (n < count && n < ZS_UDP_SEGMENTS && d[n - 1].len == d[0].len && d[n].len &&
	       d[n].len <= d[0].len && bytes + d[n].len <= ZS_UDP_TRAIN && same_way(&d[0], &d[n]))
		bytes += d[n++].len;
	return n;
}

static void put_source(const struct zs_udp *u, struct msghdr *m, const struct zs_udp_datagram *d)
{
	static const struct zs_addr none;
	/* An interface only where the address needs one: else it would overrule the routes. */
	uint32_t ifindex = zs_udp_is_link_local(&d->peer.addr) ? d->ifindex : 0;
	if (zs_addr_eq(&d->local.addr, &none) && !ifindex)
		return;
	if (u->family == AF_INET) {
		struct in_pktinfo info = { .ipi_spec_dst.s_addr = zs_addr_get4(&d->local.addr) };
		zs_udp_put_control(m, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else {
		struct in6_pktinfo info = { .ipi6_ifindex = ifindex };
		memcpy(&info.ipi6_addr, d->local.addr.ip, sizeof(info.ipi6_addr));
		zs_udp_put_control(m, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
}

static void fill(struct zs_udp *u, uint32_t index, struct iovec *iov, const struct zs_udp_datagram *d,
		 uint32_t train)
{
	struct msghdr *m = &u->tx_msg[index].msg_hdr;
	memset(&u->tx_control[index], 0, sizeof(u->tx_control[index]));
	*m = (struct msghdr){ .msg_name = &u->tx_name[index],
			      .msg_namelen = zs_udp_sockaddr(&u->tx_name[index], u->family, &d->peer,
							     d->ifindex),
			      .msg_iov = iov,
			      .msg_iovlen = train,
			      .msg_control = u->tx_control[index].bytes };
	for (uint32_t i = 0; i < train; i++)
		iov[i] = (struct iovec){ (void *)(uintptr_t)d[i].data, d[i].len };
	put_source(u, m, d);
	int ecn = d->ecn & 3;
	bool four = zs_addr_is4(&d->peer.addr);
	if (ecn)
		zs_udp_put_control(m, four ? IPPROTO_IP : IPPROTO_IPV6, four ? IP_TOS : IPV6_TCLASS, &ecn,
				   sizeof(ecn));
	uint16_t segment = (uint16_t)d->len;
	if (train > 1)
		zs_udp_put_control(m, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	if (!m->msg_controllen)
		m->msg_control = NULL;
	u->tx_train[index] = train;
}

static void count_sent(struct zs_udp *u, const struct zs_udp_datagram *d, uint32_t n)
{
	u->stats.tx += n;
	for (uint32_t i = 0; i < n; i++)
		u->stats.tx_bytes += d[i].len;
}

struct outcome {
	size_t sent, done; /* datagrams the kernel took; dealt with */
	bool blocked;
};

static void send_run(struct zs_udp *u, const struct zs_udp_datagram *d, size_t count, bool gso,
		     struct outcome *o);

/* A message the kernel refused. A train may be too much for a path that single datagrams pass
 * (no checksum offload: EIO; larger than the MTU, to be fragmented: EINVAL, EMSGSIZE). */
static void refused(struct zs_udp *u, const struct zs_udp_datagram *d, uint32_t train, int code,
		    struct outcome *o)
{
	if (train > 1 && (code == EIO || code == EINVAL || code == EMSGSIZE)) {
		if (code == EIO)
			u->gso = false;
		for (uint32_t i = 0; i < train && !o->blocked; i++)
			send_run(u, d + i, 1, false, o);
		return;
	}
	u->stats.tx_failed += train;
	o->done += train;
}

/* Sends messages [from, n). Returns the index of the first one that was not, errno in *code. */
static uint32_t push(struct zs_udp *u, uint32_t from, uint32_t n, const struct zs_udp_datagram **d,
		     struct outcome *o, int *code)
{
	while (from < n) {
		int got = sendmmsg(u->fd, u->tx_msg + from, n - from, MSG_DONTWAIT | MSG_NOSIGNAL);
		u->stats.tx_calls++;
		*code = got < 0 ? errno : 0;
		if (got < 0 && *code == EINTR)
			continue;
		if (got <= 0)
			break;
		for (int i = 0; i < got; i++, from++) {
			count_sent(u, *d, u->tx_train[from]);
			o->sent += u->tx_train[from];
			o->done += u->tx_train[from];
			*d += u->tx_train[from];
		}
	}
	return from;
}

/* The first messages of a run, up to a batch. */
static void send_run(struct zs_udp *u, const struct zs_udp_datagram *d, size_t count, bool gso,
		     struct outcome *o)
{
	uint32_t n = 0, iovs = 0;
	int code = 0;
	while (iovs < count && n < ZS_UDP_BATCH) {
		uint32_t train = train_length(u, d + iovs, count - iovs, gso);
		fill(u, n++, u->tx_iov + iovs, d + iovs, train);
		iovs += train;
	}
	uint32_t stuck = push(u, 0, n, &d, o, &code);
	if (stuck == n)
		return;
	if (code == EAGAIN || code == ENOBUFS) {
		o->blocked = true;
		return;
	}
	/* The rest is gathered anew after this one: its arrays are used again. */
	refused(u, d, u->tx_train[stuck], code, o);
}

static bool can_reach(const struct zs_udp *u, const struct zs_udp_datagram *d)
{
	return u->family == AF_INET6 || zs_addr_is4(&d->peer.addr);
}

size_t zs_udp_send(struct zs_udp *u, const struct zs_udp_datagram *d, size_t count)
{
	struct outcome o = { .sent = 0 };
	if (u->closing)
		return 0;
	while (o.done < count && !o.blocked) {
		size_t run = 0;
		while (o.done + run < count && can_reach(u, d + o.done + run))
			run++;
		if (run) {
			send_run(u, d + o.done, run, true, &o);
		} else {
			u->stats.tx_failed++;
			o.done++;
		}
	}
	u->stats.tx_blocked += count - o.done;
	return o.sent;
}
