/* Connected sockets. One run is gathered at a time: datagrams of equal length (the last may be shorter) for one
 * socket, in one buffer, which GSO cuts again. */
#include "loop/connected.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "loop/udp_socket.h"

#define BATCH	       16 /* messages a system call */
#define BATCHES_A_TURN 4

struct zs_connected {
	struct zs_connected_pool *pool;
	struct zs_connected *prev, *next;
	struct zs_watch *watch;
	void *user;
	int fd, family;
};

struct zs_connected_pool {
	struct zs_loop *loop;
	const struct zs_connected_ops *ops;
	void *ctx;
	struct zs_connected *all;
	struct zs_connected *reading; /* NULL: closed meanwhile */
	struct zs_connected_stats stats;
	bool gso;
	/* The run that is gathered. */
	struct zs_connected *to; /* NULL: none */
	uint8_t ecn;
	uint16_t count;
	size_t segment, last, bytes;
	uint8_t *out;
	/* Received. */
	uint8_t *in;
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	struct zs_udp_control control[BATCH];
};

int zs_connected_pool_new(struct zs_connected_pool **out, struct zs_loop *loop,
			  const struct zs_connected_ops *ops, void *ctx)
{
	struct zs_connected_pool *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	*p = (struct zs_connected_pool){ .loop = loop, .ops = ops, .ctx = ctx, .gso = true };
	p->out = malloc(ZS_UDP_BUFFER);
	p->in = malloc((size_t)BATCH * ZS_UDP_BUFFER);
	if (!p->out || !p->in) {
		zs_connected_pool_delete(p);
		return -ENOMEM;
	}
	*out = p;
	return 0;
}

void zs_connected_pool_delete(struct zs_connected_pool *p)
{
	if (!p)
		return;
	while (p->all)
		zs_connected_close(p->all);
	free(p->in);
	free(p->out);
	free(p);
}

const struct zs_connected_stats *zs_connected_stats(const struct zs_connected_pool *p)
{
	return &p->stats;
}

/* --- sending ---------------------------------------------------------------------------------- */

/* `segment` 0: one datagram. 0 or -errno. */
static int push(const struct zs_connected *c, uint8_t ecn, const uint8_t *data, size_t len, uint16_t segment)
{
	struct zs_udp_control control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes };
	int mark = ecn;

	if (mark)
		zs_udp_put_control(&m, c->family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
				   c->family == AF_INET ? IP_TOS : IPV6_TCLASS, &mark, sizeof(mark));
	if (segment)
		zs_udp_put_control(&m, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	if (!m.msg_controllen)
		m.msg_control = NULL;
	while (sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* What became of an earlier datagram is told in place of the next one's fate. That one is tried again; when it meets the
 * same, reading tells it. */
static int push_again(const struct zs_connected *c, uint8_t ecn, const uint8_t *data, size_t len,
		      uint16_t segment)
{
	int rc = push(c, ecn, data, len, segment);

	return rc == -ECONNREFUSED ? push(c, ecn, data, len, segment) : rc;
}

static void push_singly(struct zs_connected_pool *p, const struct zs_connected *c)
{
	size_t at = 0;

	do {
		size_t len = p->bytes - at < p->segment ? p->bytes - at : p->segment;
		int rc = push_again(c, p->ecn, p->out + at, len, 0);

		p->stats.tx += rc == 0;
		p->stats.tx_lost += rc != 0;
		at += len;
	} while (at < p->bytes);
}

void zs_connected_flush(struct zs_connected_pool *p)
{
	struct zs_connected *c = p->to;
	int rc = 0;

	if (!c)
		return;
	p->to = NULL;
	if (p->count > 1 && p->gso) {
		rc = push_again(c, p->ecn, p->out, p->bytes, (uint16_t)p->segment);
		if (rc == -EIO)
			p->gso = false;
		p->stats.tx += rc ? 0 : p->count;
	}
	if (p->count == 1 || !p->gso || rc == -EINVAL || rc == -EMSGSIZE)
		push_singly(p, c);
	else if (rc)
		p->stats.tx_lost += p->count;
}

static bool joins(const struct zs_connected_pool *p, const struct zs_connected *c, uint8_t ecn, size_t len)
{
	return p->to == c && p->ecn == ecn && p->count < ZS_UDP_SEGMENTS && len && p->last == p->segment &&
	       len <= p->segment && p->bytes + len <= ZS_UDP_TRAIN;
}

void zs_connected_send(struct zs_connected *c, uint8_t ecn, const void *data, size_t len)
{
	struct zs_connected_pool *p = c->pool;

	if (len > ZS_CONNECTED_DATAGRAM) {
		p->stats.tx_lost++;
		return;
	}
	if (!joins(p, c, ecn, len)) {
		zs_connected_flush(p);
		p->to = c;
		p->ecn = ecn & 3;
		p->segment = len;
		p->count = 0;
		p->bytes = 0;
	}
	memcpy(p->out + p->bytes, data, len);
	p->bytes += len;
	p->last = len;
	p->count++;
}

/* --- receiving -------------------------------------------------------------------------------- */

static uint8_t read_control(struct msghdr *m, size_t *segment)
{
	uint8_t ecn = 0;
	int value;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
			ecn = *CMSG_DATA(c) & 3; /* one byte, unlike the others */
			continue;
		}
		memcpy(&value, CMSG_DATA(c), sizeof(value));
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)
			ecn = value & 3;
		else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO && value > 0)
			*segment = (size_t)value;
	}
	return ecn;
}

/* One message, cut where the kernel had joined several. false: the socket was closed. */
static bool tell(struct zs_connected_pool *p, unsigned i)
{
	size_t len = p->msg[i].msg_len, segment = len, at = 0;
	uint8_t ecn = read_control(&p->msg[i].msg_hdr, &segment);

	do {
		size_t n = len - at < segment ? len - at : segment;

		p->stats.rx++;
		p->ops->data(p->ctx, p->reading->user, ecn, p->in + (size_t)i * ZS_UDP_BUFFER + at, n);
		if (!p->reading)
			return false;
		at += n;
	} while (at < len);
	return true;
}

/* false: nothing more to be had now, or closed. */
static bool read_batch(struct zs_connected_pool *p)
{
	int n;

	for (unsigned i = 0; i < BATCH; i++) {
		p->iov[i] = (struct iovec){ p->in + (size_t)i * ZS_UDP_BUFFER, ZS_UDP_BUFFER };
		p->msg[i].msg_hdr = (struct msghdr){ .msg_iov = &p->iov[i],
						     .msg_iovlen = 1,
						     .msg_control = p->control[i].bytes,
						     .msg_controllen = sizeof(p->control[i].bytes) };
	}
	n = recvmmsg(p->reading->fd, p->msg, BATCH, MSG_DONTWAIT, NULL);
	if (n < 0 && (errno == ECONNREFUSED || errno == EHOSTUNREACH || errno == ENETUNREACH)) {
		p->ops->failed(p->ctx, p->reading->user, errno);
		return false;
	}
	for (int i = 0; i < n; i++)
		if (!(p->msg[i].msg_hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && !tell(p, (unsigned)i))
			return false;
	return n == BATCH;
}

static void readable(void *ctx, int fd, unsigned events)
{
	struct zs_connected *c = ctx;
	struct zs_connected_pool *p = c->pool;

	p->reading = c;
	for (int i = 0; i < BATCHES_A_TURN && read_batch(p); i++)
		;
	p->reading = NULL;
	p->ops->burst(p->ctx);
}

/* --- life ------------------------------------------------------------------------------------- */

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int set_options(struct zs_connected *c)
{
	bool four = c->family == AF_INET;
	int rc = four ? set_int(c->fd, IPPROTO_IP, IP_RECVTOS, 1)
		      : set_int(c->fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);

	if (!rc)
		rc = four ? set_int(c->fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
			  : set_int(c->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
	set_int(c->fd, SOL_UDP, UDP_GRO, 1);
	return rc;
}

static int connect_socket(struct zs_connected *c, const struct zs_endpoint *to)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int rc;

	c->family = zs_addr_is4(&to->addr) ? AF_INET : AF_INET6;
	c->fd = socket(c->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		return -errno;
	len = zs_udp_sockaddr(&sa, c->family, to, 0);
	rc = set_options(c);
	if (!rc && connect(c->fd, (struct sockaddr *)&sa, len) < 0)
		rc = -errno;
	if (!rc)
		rc = zs_watch_new(&c->watch, c->pool->loop, c->fd, ZS_WATCH_READ, readable, c);
	if (rc)
		close(c->fd);
	return rc;
}

int zs_connected_open(struct zs_connected **out, struct zs_connected_pool *p, const struct zs_endpoint *to,
		      void *user)
{
	struct zs_connected *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	c->pool = p;
	c->user = user;
	rc = connect_socket(c, to);
	if (rc) {
		free(c);
		return rc;
	}
	c->next = p->all;
	if (c->next)
		c->next->prev = c;
	p->all = c;
	*out = c;
	return 0;
}

void zs_connected_give(struct zs_connected *c, void *user)
{
	c->user = user;
}

void zs_connected_close(struct zs_connected *c)
{
	struct zs_connected_pool *p = c->pool;

	if (p->to == c) {
		p->to = NULL;
		push_singly(p, c);
	}
	if (p->reading == c)
		p->reading = NULL;
	if (c->next)
		c->next->prev = c->prev;
	if (c->prev)
		c->prev->next = c->next;
	else
		p->all = c->next;
	zs_watch_delete(c->watch);
	close(c->fd);
	free(c);
}
