/* What a .options file cannot say: exact lengths, ranges of numbers, text that a terminal may show. */
#include <string.h>

#include "p2p/attach_codec.h"
#include "p2p/peerid.h"
#include "relay/keys.h"

#define GENERATION_MAX 65535
#define SERVICE_MAX    127
#define BIND_ID_MAX    255
#define ROTATION_MAX   6 /* 7 is unroutable */
#define RETIRE_MASK    0x7f
#define ADDRESS	       18
#define CID	       17

/* Has each of the n byte strings of a list exactly `want` bytes? */
#define ALL_SIZED(list, n, want)                                                                             \
	({                                                                                                   \
		bool all_ = true;                                                                            \
		for (pb_size_t i_ = 0; i_ < (n); i_++)                                                       \
			all_ = all_ && (list)[i_].size == (want);                                            \
		all_;                                                                                        \
	})

/* ASCII alone: beyond it are controls of terminals, marks that turn the direction of a line, and bytes that are no text. */
static bool printable(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

bool zs_attach_name_ok(const char *name)
{
	return name[0] && strlen(name) <= ZS_ATTACH_SERVICE_NAME && printable(name);
}

static bool peer_ok(const uint8_t *bytes, size_t len)
{
	struct zs_peer_id peer;

	return len == 0 || zs_peer_id_decode(&peer, bytes, len) == 0;
}

static bool publish_ok(const zs_pb_Publish *p)
{
	return zs_attach_name_ok(p->name) && p->port <= UINT16_MAX &&
	       p->protection <= ZS_ATTACH_PROTECTION_auth;
}

static bool error_ok(const zs_pb_Error *e)
{
	return printable(e->scope) && printable(e->text) && e->side <= ZS_ATTACH_SIDE_peer;
}

/* A port that was refused has no service number. */
static bool port_ok(const zs_pb_Port *p)
{
	if (p->has_error ? !error_ok(&p->error) : p->service == 0)
		return false;
	return zs_attach_name_ok(p->name) && ALL_SIZED(p->announce, p->announce_count, ADDRESS) &&
	       p->port <= UINT16_MAX && p->service <= SERVICE_MAX &&
	       p->protection <= ZS_ATTACH_PROTECTION_auth;
}

static bool cids_ok(const zs_pb_Cids *c, pb_size_t max)
{
	return c->cid_count <= max && ALL_SIZED(c->cid, c->cid_count, CID) && c->rotation <= ROTATION_MAX &&
	       c->retire_mask <= RETIRE_MASK && peer_ok(c->peer.bytes, c->peer.size);
}

static bool policy_ok(const zs_pb_Policy *p)
{
	return p->strangers <= ZS_ATTACH_STRANGERS_limited;
}

static bool generation_ok(uint32_t generation)
{
	return generation >= 1 && generation <= GENERATION_MAX;
}

static bool hello_ok(const zs_pb_Hello *h)
{
	if (h->version != ZS_ATTACH_VERSION)
		return true; /* to be answered by Error version */
	for (pb_size_t i = 0; i < h->publish_count; i++)
		if (!publish_ok(&h->publish[i]))
			return false;
	if (h->has_resume &&
	    (!generation_ok(h->resume.generation) || h->resume.grant_hash.size != ZS_ATTACH_HASH))
		return false;
	if (h->mode != ZS_ATTACH_MODE_tunnel && h->mode != ZS_ATTACH_MODE_socket)
		return false;
	return h->instance.size == ZS_ATTACH_INSTANCE &&
	       (h->receiver != 0) == (h->mode == ZS_ATTACH_MODE_tunnel);
}

static bool grant_ok(const zs_pb_Grant *g)
{
	for (pb_size_t i = 0; i < g->ports_count; i++)
		if (!port_ok(&g->ports[i]))
			return false;
	if ((g->has_policy && !policy_ok(&g->policy)) ||
	    (g->has_cids && !cids_ok(&g->cids, ZS_ATTACH_GRANT_CIDS)))
		return false;
	return g->continuity >= ZS_ATTACH_CONTINUITY_resumed && g->continuity <= ZS_ATTACH_CONTINUITY_fresh &&
	       generation_ok(g->generation) && g->nonce.size == 32 && g->bind_id <= BIND_ID_MAX &&
	       ALL_SIZED(g->tunnel_addrs, g->tunnel_addrs_count, ADDRESS) &&
	       ALL_SIZED(g->service_addrs, g->service_addrs_count, ADDRESS);
}

bool zs_attach_grant_fits(const zs_pb_Grant *g, uint32_t mode)
{
	if (mode == ZS_ATTACH_MODE_tunnel)
		return g->receiver && !g->bind_id && !g->service_addrs_count;
	return g->bind_id && !g->receiver && !g->tunnel_addrs_count && !g->ports_count;
}

bool zs_attach_check(const struct zs_attach_frame *f)
{
	switch (f->kind) {
	case ZS_ATTACH_HELLO:
		return f->id >= 1 && hello_ok(&f->hello);
	case ZS_ATTACH_GRANT:
		return grant_ok(&f->grant);
	case ZS_ATTACH_PUBLISH:
		return publish_ok(&f->publish);
	case ZS_ATTACH_PORT:
		return port_ok(&f->port);
	case ZS_ATTACH_CID_ASK:
		return f->cid_ask.count <= ZS_ATTACH_CIDS &&
		       peer_ok(f->cid_ask.peer.bytes, f->cid_ask.peer.size);
	case ZS_ATTACH_CIDS_SENT:
		return cids_ok(&f->cids, ZS_ATTACH_CIDS);
	case ZS_ATTACH_POLICY:
		return policy_ok(&f->policy);
	case ZS_ATTACH_NOTICE:
		return printable(f->notice.text);
	case ZS_ATTACH_ERROR:
		return error_ok(&f->error);
	case ZS_ATTACH_DETACH:
		return true;
	}
	return false;
}
