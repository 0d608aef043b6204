#include "cpu/turn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cpu/load.h"

#define COOKIE	     0x2112a442u
#define ALLOCATE     0x0003
#define CHANNEL_BIND 0x0009
#define SUCCESS	     0x0100
#define TRIES	     20
#define WAIT_MS	     250

static uint8_t *put16(uint8_t *at, uint32_t v)
{
	*at++ = (uint8_t)(v >> 8);
	*at++ = (uint8_t)v;
	return at;
}

static uint8_t *put32(uint8_t *at, uint32_t v)
{
	return put16(put16(at, v >> 16), v);
}

/* Sends it until it is answered. */
static int ask(int fd, uint16_t type, const uint8_t *attributes, uint16_t len)
{
	uint8_t m[64] = { 0 }, answer[512];

	put32(put16(put16(m, type), len), COOKIE);
	m[19] = (uint8_t)type; /* the transaction */
	memcpy(m + 20, attributes, len);
	for (int i = 0; i < TRIES; i++) {
		if (send(fd, m, 20u + len, 0) < 0)
			usleep(WAIT_MS * 1000); /* nobody listens yet */
		else if (recv(fd, answer, sizeof(answer), 0) >= 20 && !memcmp(answer + 4, m + 4, 16))
			return (answer[0] << 8 | answer[1]) == (type | SUCCESS) ? 0 : -EACCES;
	}
	return -ETIMEDOUT;
}

static int one(uint16_t client)
{
	struct sockaddr_in me = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)(ZS_LOAD_PORT + client)),
				  .sin_addr = { inet_addr("10.78.1.2") } },
			   server = { .sin_family = AF_INET,
				      .sin_port = htons(ZS_TURN_PORT),
				      .sin_addr = { inet_addr("10.78.1.1") } };
	struct timeval wait = { .tv_usec = WAIT_MS * 1000 };
	uint8_t transport[8], bind_to[20], *at = bind_to;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), rc;

	put32(put16(put16(transport, 0x0019), 4), IPPROTO_UDP << 24);
	at = put32(put16(put16(at, 0x000c), 4), (uint32_t)ZS_TURN_CHANNEL << 16);
	at = put16(put16(put16(put16(at, 0x0012), 8), 1), 443 ^ COOKIE >> 16);
	put32(at, ntohl(inet_addr("10.78.2.2")) ^ COOKIE);
	if (fd < 0 || bind(fd, (struct sockaddr *)&me, sizeof(me)) ||
	    connect(fd, (struct sockaddr *)&server, sizeof(server)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)))
		return -errno;
	rc = ask(fd, ALLOCATE, transport, sizeof(transport));
	if (!rc)
		rc = ask(fd, CHANNEL_BIND, bind_to, sizeof(bind_to));
	close(fd);
	return rc;
}

int zs_turn_open(const struct zs_wire *w, struct zs_error *err)
{
	pid_t pid = zs_wire_fork(w);
	int status = -1, rc = 0;

	if (pid < 0)
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "cannot fork");
	if (pid == 0) {
		rc = zs_wire_enter(w, 'g');
		for (uint16_t i = 0; !rc && i < ZS_LOAD_CLIENTS; i++)
			rc = one(i);
		_exit(rc ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	return status ? zs_error_set(err, -EIO, ZS_EXIT_FAILED,
				     "coturn binds no channel; see /tmp/%s-coturn.log", w->tag)
		      : 0;
}
