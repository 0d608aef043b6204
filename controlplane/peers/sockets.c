/* Listening sockets. The service manager keeps a copy of each, by a name that tells its address, so that a restart refuses nobody:
 * datagrams wait in the socket until the next process reads it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "loop/notify.h"
#include "peers/internal.h"

#define NAME 64

static void name_of(const struct zs_endpoint *at, char out[NAME])
{
	size_t n = (size_t)snprintf(out, NAME, "p2p-%u-", at->port);

	for (size_t i = 0; i < sizeof(at->addr.ip); i++)
		n += (size_t)snprintf(out + n, NAME - n, "%02x", at->addr.ip[i]);
}

static void opened(struct zs_peers *p, uint32_t i, bool kept)
{
	char text[ZS_ENDPOINT_TEXT];

	p->open[i] = true;
	ZS_LOG(&p->c->log, PEERS_LISTEN, "address=%s kept=%d",
	       zs_endpoint_format(&p->c->conf->p2p.listen[i], text), kept);
}

/* One of the descriptors that were kept: ours if an address of the configuration has that name. */
static void take(void *ctx, int fd, const char *name)
{
	struct zs_peers *p = ctx;
	struct zs_error err;
	char wanted[NAME];

	for (uint32_t i = 0; p && i < p->c->conf->p2p.listens; i++) {
		name_of(&p->c->conf->p2p.listen[i], wanted);
		if (strcmp(name, wanted) != 0 || p->open[i])
			continue;
		if (zs_shell_adopt(p->node.shell, fd, ZS_UDP_ONE_FAMILY, NULL, &err))
			zs_notify_forget(name); /* it is opened anew */
		else
			opened(p, i, true);
		return;
	}
	close(fd);
	if (!strncmp(name, "p2p-", 4))
		zs_notify_forget(name);
}

static void open_one(struct zs_peers *p, uint32_t i, struct zs_error *err)
{
	const struct zs_endpoint *at = &p->c->conf->p2p.listen[i];
	struct zs_udp *udp;
	char name[NAME];

	if (zs_shell_open(p->node.shell, at, ZS_UDP_ONE_FAMILY, &udp, err))
		return;
	opened(p, i, false);
	name_of(at, name);
	zs_notify_store(zs_udp_fd(udp), name);
}

void peers_listen(struct zs_peers *p)
{
	struct zs_error err = { 0 };
	bool missing = false;

	zs_notify_kept(take, p);
	for (uint32_t i = 0; p && i < p->c->conf->p2p.listens; i++) {
		if (!p->open[i])
			open_one(p, i, &err);
		missing |= !p->open[i];
	}
	if (missing)
		zs_control_raise(p->c, ZS_HEALTH_p2p_listen, "%s", err.text);
	else if (p)
		zs_control_clear(p->c, ZS_HEALTH_p2p_listen);
}
