/* Inside lib/loop: a UDP socket's state, shared by its receiving and its sending half. */
#ifndef ZS_LOOP_UDP_SOCKET_H
#define ZS_LOOP_UDP_SOCKET_H

#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include "loop/engine.h"
#include "loop/udp.h"

#define ZS_UDP_SEGMENTS 64				 /* of one train: the kernel's own limit */
#define ZS_UDP_RX_MAX	(ZS_UDP_BATCH * ZS_UDP_SEGMENTS) /* datagrams a callback */
#define ZS_UDP_TRAIN	65000				 /* bytes of a train; headers stay below 65,535 */
#define ZS_UDP_BUFFER	65536
#define ZS_UDP_CONTROL	160 /* packet info 40, TOS and class 24 each, segment 24: with room to spare */

struct zs_udp_control {
	_Alignas(8) uint8_t bytes[ZS_UDP_CONTROL];
};

struct zs_udp {
	struct zs_loop_owned owned;
	struct zs_loop *loop;
	struct zs_watch *watch;
	int fd, family;
	bool gro, gso;
	bool busy, closing; /* in its callback; closed there */
	struct zs_endpoint local;
	zs_udp_fn *fn;
	void *ctx;
	struct zs_udp_stats stats;
	uint8_t *rx_data; /* ZS_UDP_BATCH buffers */
	uint32_t rx_count;
	struct zs_udp_datagram rx[ZS_UDP_RX_MAX];
	struct mmsghdr rx_msg[ZS_UDP_BATCH];
	struct iovec rx_iov[ZS_UDP_BATCH];
	struct sockaddr_storage rx_name[ZS_UDP_BATCH];
	struct zs_udp_control rx_control[ZS_UDP_BATCH];
	struct mmsghdr tx_msg[ZS_UDP_BATCH];
	uint32_t tx_train[ZS_UDP_BATCH]; /* datagrams in each message */
	struct iovec tx_iov[ZS_UDP_RX_MAX];
	struct sockaddr_storage tx_name[ZS_UDP_BATCH];
	struct zs_udp_control tx_control[ZS_UDP_BATCH];
};

socklen_t zs_udp_sockaddr(struct sockaddr_storage *out, int family, const struct zs_endpoint *ep,
			  uint32_t ifindex);

/* One more control message; `m` has room for it. */
static inline void zs_udp_put_control(struct msghdr *m, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)((uint8_t *)m->msg_control + m->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	m->msg_controllen += CMSG_SPACE(len);
}

static inline bool zs_udp_is_link_local(const struct zs_addr *a)
{
	return a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80;
}

#endif
