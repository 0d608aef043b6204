/* UDP sockets: opening and receiving. Sending is udp_send.c.
 *
 * A socket bound to an IPv4 address is of that family; one bound to the all-zero address speaks both
 * by IPv6 with mapped addresses, whose bytes are zs_addr's. One readiness report is worth a few batches
 * at most: other watches of the loop get their turn. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/check.h"
#include "loop/udp_socket.h"

#define BATCHES_A_TURN 4

static const struct zs_addr any;

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

socklen_t zs_udp_sockaddr(struct sockaddr_storage *out, int family, const struct zs_endpoint *ep,
			  uint32_t ifindex)
{
	struct sockaddr_in *in = (void *)out;
	struct sockaddr_in6 *in6 = (void *)out;
	memset(out, 0, sizeof(*out));
	if (family == AF_INET) {
		in->sin_family = AF_INET;
		in->sin_port = htons(ep->port);
		in->sin_addr.s_addr = zs_addr_get4(&ep->addr);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(ep->port);
	memcpy(&in6->sin6_addr, ep->addr.ip, sizeof(in6->sin6_addr));
	if (zs_udp_is_link_local(&ep->addr))
		in6->sin6_scope_id = ifindex;
	return sizeof(*in6);
}

static int set_probe(const struct zs_udp *u, bool both)
{
	int ret = 0;
	if (u->family == AF_INET6)
		ret = set_int(u->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
	if (!ret && (u->family == AF_INET || both))
		ret = set_int(u->fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
	return ret;
}

static int set_options(struct zs_udp *u, unsigned flags, bool both)
{
	int ret = 0;
	if (u->family == AF_INET6)
		ret = set_int(u->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	if (!ret && u->family == AF_INET6)
		ret = set_int(u->fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	if (!ret && u->family == AF_INET)
		ret = set_int(u->fd, IPPROTO_IP, IP_PKTINFO, 1);
	if (!ret && (u->family == AF_INET || both)) /* mapped datagrams bring their TOS by this one */
		ret = set_int(u->fd, IPPROTO_IP, IP_RECVTOS, 1);
	if (!ret && flags & ZS_UDP_PROBE)
		ret = set_probe(u, both);
	if (!(flags & ZS_UDP_NO_OFFLOAD)) {
		u->gro = set_int(u->fd, SOL_UDP, UDP_GRO, 1) == 0;
		/* Size 0 changes nothing and asks whether the kernel knows the option. */
		u->gso = set_int(u->fd, SOL_UDP, UDP_SEGMENT, 0) == 0;
	}
	return ret;
}

static int read_local(struct zs_udp *u)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	if (getsockname(u->fd, (struct sockaddr *)&sa, &len) < 0)
		return -errno;
	return zs_endpoint_from_sockaddr(&u->local, (struct sockaddr *)&sa);
}

static int open_socket(struct zs_udp *u, const struct zs_endpoint *local, unsigned flags)
{
	struct sockaddr_storage sa;
	bool both = zs_addr_eq(&local->addr, &any) && !(flags & ZS_UDP_ONE_FAMILY);
	struct zs_endpoint at = *local;
	u->family = zs_addr_is4(&local->addr) ? AF_INET : AF_INET6;
	u->fd = socket(u->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (u->fd < 0 && both && errno == EAFNOSUPPORT) { /* a kernel without IPv6: IPv4 is all there is */
		u->family = AF_INET;
		at.addr = zs_addr_from4(0);
		u->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	}
	if (u->fd < 0)
		return -errno;
	int ret = u->family == AF_INET6 ? set_int(u->fd, IPPROTO_IPV6, IPV6_V6ONLY, !both) : 0;
	if (!ret && flags & ZS_UDP_REUSEPORT)
		ret = set_int(u->fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (!ret)
		ret = set_options(u, flags, both && u->family == AF_INET6);
	socklen_t len = zs_udp_sockaddr(&sa, u->family, &at, 0);
	if (!ret && bind(u->fd, (struct sockaddr *)&sa, len) < 0)
		ret = -errno;
	if (!ret)
		ret = read_local(u);
	if (ret)
		close(u->fd);
	return ret;
}

/* What may have changed since it was opened is set anew; family and port are what they are. */
static int adopt_socket(struct zs_udp *u, int fd, unsigned flags)
{
	int type = 0, only = 1, ret;
	socklen_t len = sizeof(type), only_len = sizeof(only), family_len = sizeof(u->family);
	u->fd = fd;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_DGRAM ||
	    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &u->family, &family_len) < 0 ||
	    (u->family != AF_INET && u->family != AF_INET6))
		return -EINVAL;
	if (u->family == AF_INET6 && getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &only_len) < 0)
		return -errno;
	int now = fcntl(fd, F_GETFL);
	if (now < 0 || fcntl(fd, F_SETFL, now | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	ret = set_options(u, flags, !only);
	return ret ? ret : read_local(u);
}

static void read_cmsg(struct zs_udp_datagram *d, const struct cmsghdr *c, int *segment)
{
	int value = 0;
	if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo info;
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		d->local.addr = zs_addr_from4(info.ipi_spec_dst.s_addr);
		d->ifindex = (uint32_t)info.ipi_ifindex;
	} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
		struct in6_pktinfo info;
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		memcpy(d->local.addr.ip, &info.ipi6_addr, sizeof(d->local.addr.ip));
		d->ifindex = info.ipi6_ifindex;
	} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
		d->ecn = *CMSG_DATA(c) & 3; /* one byte, unlike the others */
	} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
		memcpy(&value, CMSG_DATA(c), sizeof(value));
		d->ecn = value & 3;
	} else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
		memcpy(segment, CMSG_DATA(c), sizeof(*segment));
	}
}

/* Hands over what is gathered. false: the callback closed the socket. */
static bool flush(struct zs_udp *u)
{
	uint32_t n = u->rx_count;
	u->rx_count = 0;
	if (n)
		u->fn(u->ctx, u, u->rx, n);
	return !u->closing;
}

/* One message, cut at the segment size if the kernel had joined several. */
static bool gather(struct zs_udp *u, uint32_t index, size_t len)
{
	struct msghdr *m = &u->rx_msg[index].msg_hdr;
	struct zs_udp_datagram d = { .local = { .port = u->local.port } };
	int segment = 0;
	if (m->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		u->stats.rx_truncated++;
		return true;
	}
	if (zs_endpoint_from_sockaddr(&d.peer, m->msg_name) != 0)
		return true;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		read_cmsg(&d, c, &segment);
	size_t step = segment > 0 && (size_t)segment < len ? (size_t)segment : len;
	size_t at = 0;
	do {
		d.data = u->rx_data + (size_t)index * ZS_UDP_BUFFER + at;
		d.len = len - at < step ? len - at : step;
		u->rx[u->rx_count++] = d;
		u->stats.rx++;
		u->stats.rx_bytes += d.len;
		at += d.len;
		if (u->rx_count == ZS_UDP_RX_MAX && !flush(u))
			return false;
	} while (at < len);
	return true;
}

static void prepare_rx(struct zs_udp *u)
{
	for (uint32_t i = 0; i < ZS_UDP_BATCH; i++) {
		u->rx_iov[i] = (struct iovec){ u->rx_data + (size_t)i * ZS_UDP_BUFFER, ZS_UDP_BUFFER };
		u->rx_msg[i].msg_hdr = (struct msghdr){ .msg_name = &u->rx_name[i],
							.msg_namelen = sizeof(u->rx_name[i]),
							.msg_iov = &u->rx_iov[i],
							.msg_iovlen = 1,
							.msg_control = u->rx_control[i].bytes,
							.msg_controllen = sizeof(u->rx_control[i].bytes) };
	}
}

/* false: nothing more to be had now, or closed. */
static bool read_batch(struct zs_udp *u)
{
	prepare_rx(u);
	int n = recvmmsg(u->fd, u->rx_msg, ZS_UDP_BATCH, MSG_DONTWAIT, NULL);
	u->stats.rx_calls++;
	for (int i = 0; i < n; i++) {
		if (!gather(u, (uint32_t)i, u->rx_msg[i].msg_len))
			return false;
	}
	return flush(u) && n == ZS_UDP_BATCH;
}

static void release(struct zs_udp *u)
{
	free(u->rx_data);
	free(u);
}

static void readable(void *ctx, int fd, unsigned events)
{
	struct zs_udp *u = ctx;
	u->busy = true;
	for (int i = 0; i < BATCHES_A_TURN && read_batch(u); i++)
		;
	u->busy = false;
	if (u->closing)
		release(u);
}

static void drop(struct zs_loop_owned *owned)
{
	struct zs_udp *u = (struct zs_udp *)((char *)owned - offsetof(struct zs_udp, owned));
	zs_watch_delete(u->watch);
	close(u->fd);
	release(u);
}

/* A socket without a descriptor yet. */
static struct zs_udp *new_socket(struct zs_loop *loop, zs_udp_fn *fn, void *ctx)
{
	struct zs_udp *u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->loop = loop;
	u->fn = fn;
	u->ctx = ctx;
	u->fd = -1;
	u->rx_data = malloc((size_t)ZS_UDP_BATCH * ZS_UDP_BUFFER);
	if (!u->rx_data) {
		free(u);
		return NULL;
	}
	return u;
}

/* `ret`: how opening its descriptor went. On failure the socket goes. */
static int begin(struct zs_udp **out, struct zs_udp *u, int ret)
{
	if (!ret) {
		ret = zs_watch_new(&u->watch, u->loop, u->fd, ZS_WATCH_READ, readable, u);
		if (ret)
			close(u->fd);
	}
	if (ret) {
		release(u);
		return ret;
	}
	u->owned.drop = drop;
	zs_loop_own(u->loop, &u->owned);
	*out = u;
	return 0;
}

int zs_udp_open(struct zs_udp **out, struct zs_loop *loop, const struct zs_endpoint *local, unsigned flags,
		zs_udp_fn *fn, void *ctx, struct zs_error *err)
{
	char text[ZS_ADDR_TEXT];
	struct zs_udp *u = new_socket(loop, fn, ctx);
	int ret = u ? begin(out, u, open_socket(u, local, flags)) : -ENOMEM;
	if (!ret)
		return 0;
	return zs_error_set(err, ret, ret == -EACCES || ret == -EPERM ? ZS_EXIT_PRIVILEGE : ZS_EXIT_RESOURCE,
			    "UDP port %u of %s: %s; free it, or use another", local->port,
			    zs_addr_format(&local->addr, text), strerror(-ret));
}

int zs_udp_adopt(struct zs_udp **out, struct zs_loop *loop, int fd, unsigned flags, zs_udp_fn *fn, void *ctx,
		 struct zs_error *err)
{
	struct zs_udp *u = new_socket(loop, fn, ctx);
	int ret = u ? adopt_socket(u, fd, flags) : -ENOMEM;
	if (ret)
		close(fd);
	if (u)
		ret = begin(out, u, ret);
	return ret ? zs_error_set(err, ret, ZS_EXIT_RESOURCE, "the service manager's descriptor %d: %s", fd,
				  strerror(-ret))
		   : 0;
}

void zs_udp_close(struct zs_udp *u)
{
	if (!u || u->closing)
		return;
	zs_loop_disown(u->loop, &u->owned);
	zs_watch_delete(u->watch);
	close(u->fd);
	u->fd = -1;
	u->closing = true;
	if (!u->busy)
		release(u);
}

int zs_udp_fd(const struct zs_udp *u)
{
	return u->fd;
}

struct zs_endpoint zs_udp_local(const struct zs_udp *u)
{
	return u->local;
}

const struct zs_udp_stats *zs_udp_stats(const struct zs_udp *u)
{
	return &u->stats;
}

bool zs_udp_has_gro(const struct zs_udp *u)
{
	return u->gro;
}

bool zs_udp_has_gso(const struct zs_udp *u)
{
	return u->gso;
}
