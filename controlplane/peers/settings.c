/* The section p2p as the host wants it. */
#include <errno.h>
#include <stdio.h>
#include "base/check.h"
#include "keyfile.h"
#include "peers/internal.h"

/* --- limits ----------------------------------------------------------------------------------- */

static void set(uint32_t *field, uint32_t value)
{
	if (value)
		*field = value;
}

static void set_limits(const struct zs_conf_p2p *conf, struct zs_limits_config *out)
{
	for (uint32_t i = 0; i < conf->limits; i++) {
		const struct zs_conf_p2p_limit *from = &conf->limit[i];

		for (int scope = 0; scope < ZS_SCOPES; scope++) {
			struct zs_limit *to = &out->limit[scope];

			if (strcmp(zs_scope_name(scope), from->scope) != 0)
				continue;
#define SET(field) set(&to->field, from->field)
			SET(conns_in), SET(conns_out), SET(conns);
			SET(streams_in), SET(streams_out), SET(streams);
			SET(conns_per_s), SET(conns_burst), SET(streams_per_s), SET(streams_burst);
#undef SET
			if (from->memory_mb)
				to->memory_bytes = (uint64_t)from->memory_mb << 20;
		}
	}
}

uint64_t zs_peers_memory_limit(const struct zs_conf *conf)
{
	struct zs_limits_config limits;

	zs_limits_defaults(&limits);
	set_limits(&conf->p2p, &limits);
	return limits.limit[ZS_SCOPE_system].memory_bytes;
}

/* Tables follow the limits they serve. */
static void set_room(const struct zs_conf *all, struct zs_host_config *out)
{
	const struct zs_conf_p2p *conf = &all->p2p;
	const struct zs_limit *system = &out->limits.limit[ZS_SCOPE_system];

	out->quic.max_connections = system->conns > conf->high ? system->conns : conf->high;
	out->quic.max_handshakes = out->limits.limit[ZS_SCOPE_transient].conns_in;
	out->connmgr.low = conf->low;
	out->connmgr.high = conf->high;
	out->connmgr.conns = out->quic.max_connections;
	out->connmgr.peers = out->connmgr.conns + out->connmgr.conns / 2;
	if (zs_module_on(all, ZS_MODULE_attach)) /* owners of attachments are protected while they are away */
		out->connmgr.peers += all->attach.capacity;
}

/* --- the gater -------------------------------------------------------------------------------- */

static void set_gater(const struct zs_conf *conf, struct zs_gater *out)
{
	struct zs_conf_place at = { 0 };
	const struct zs_conf_interface_address *own;

	ZS_CHECK(!zs_gater_profile_parse(&out->profile, conf->p2p.profile), "a word the configuration knows");
	out->allowed = conf->targets;
	/* What is published on them leads elsewhere, and the rest is this relay. Its room is larger than any site; one
	 * address more would be dialled in vain, no worse. */
	while ((own = zs_conf_own_next(conf, &at)))
		zs_gater_own(out, &own->addr, 1, 65535);
	for (uint32_t i = 0; i < conf->p2p.listens; i++)
		zs_gater_own(out, &conf->p2p.listen[i].addr, conf->p2p.listen[i].port,
			     conf->p2p.listen[i].port);
}

int peers_configure(struct zs_peers *p, struct zs_host_config *out, struct zs_error *err)
{
	const struct zs_conf *conf = p->c->conf;

	_Static_assert(ZS_KEYFILE == ZS_QUIC_SECRET, "one file, one secret");
	_Static_assert(ZS_CONF_P2P_ADDRESSES == ZS_HOST_NO_ANNOUNCE, "as many as the host takes");
	zs_host_defaults(out);
	out->agent = "zerostate-relay";
	set_limits(&conf->p2p, &out->limits);
	set_room(conf, out);
	set_gater(conf, &p->gater);
	out->gater = p->gater;
	memcpy(out->no_announce, conf->p2p.no_announce, sizeof(out->no_announce));
	out->no_announce_count = conf->p2p.no_announces;
	return zs_keyfile_open(conf->state_dir, "p2p.secret", "zs-quic-1",
			       "secret (old connections then end late)", out->quic.secret, err);
}

/* --- addresses told to peers ------------------------------------------------------------------ */

static bool is_any(const struct zs_addr *a)
{
	static const struct zs_addr any;

	return zs_addr_eq(a, &any) || (zs_addr_is4(a) && zs_addr_get4(a) == 0);
}

/* Where the sockets are reached, as far as the configuration tells: a socket on all addresses by the relay's own of its
 * family. */
static uint32_t endpoints(const struct zs_conf *conf, struct zs_endpoint out[ZS_HOST_ADDRS])
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < conf->p2p.listens; i++) {
		const struct zs_endpoint *at = &conf->p2p.listen[i];
		struct zs_conf_place place = { 0 };
		const struct zs_conf_interface_address *own;

		if (!is_any(&at->addr) && n < ZS_HOST_ADDRS)
			out[n++] = *at;
		while (is_any(&at->addr) && n < ZS_HOST_ADDRS && (own = zs_conf_own_next(conf, &place)))
			if (zs_addr_is4(&own->addr) == zs_addr_is4(&at->addr))
				out[n++] = (struct zs_endpoint){ .addr = own->addr, .port = at->port };
	}
	return n;
}

void peers_announce(struct zs_peers *p)
{
	const struct zs_conf *conf = p->c->conf;
	struct zs_endpoint at[ZS_HOST_ADDRS];
	struct zs_multiaddr told[ZS_CONF_P2P_ADDRESSES];

	_Static_assert(ZS_CONF_P2P_ADDRESSES <= ZS_HOST_ADDRS, "as many as the host takes");
	for (uint32_t i = 0; i < conf->p2p.announces; i++)
		ZS_CHECK(!zs_multiaddr_parse(&told[i], conf->p2p.announce[i]), "checked before");
	zs_host_listen(p->node.host, at, endpoints(conf, at));
	zs_host_announce(p->node.host, told, conf->p2p.announces);
}

int zs_peers_conf_check(const struct zs_conf *conf, struct zs_error *err)
{
	for (uint32_t i = 0; i < conf->p2p.announces; i++) {
		struct zs_multiaddr addr;
		struct zs_dial_target target;

		if (zs_multiaddr_parse(&addr, conf->p2p.announce[i]) || zs_multiaddr_dial(&addr, &target) ||
		    target.peer.len)
			return zs_error_set(err, -EINVAL, ZS_EXIT_CONFIG,
					    "p2p.announce: '%.64s' is no address of a QUIC host; write "
					    "/ip4/ADDR/udp/PORT/quic-v1, without /p2p",
					    conf->p2p.announce[i]);
	}
	return 0;
}
