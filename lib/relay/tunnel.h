/* The tunnel datagram (docs/PROTOCOL.md, Tunnel datagram): its one reader and one writer. Pure; any thread; nothing
 * here allocates. A verdict is the reason of a drop, or ZS_DROPS: none.
 *
 * A received datagram, in order; each step only when the one before gave ZS_DROPS:
 *   zs_tunnel_read      the header: all that can be refused without knowing the session
 *   (the session by head.receiver; zs_tunnel_granted; zs_window_judge gives the key)
 *   zs_tunnel_job, zs_gcm_open_burst; zs_window_accept or zs_window_failed
 *   zs_tunnel_form      what the type asks of flow, ECN and payload. After the tag, so that a changed byte is
 *                       the drop tunnel_tag whatever it makes of the datagram, and tunnel_form names a peer's mistake
 * A datagram to send: zs_lane_next, zs_tunnel_write, the payload, zs_tunnel_job, zs_gcm_seal_burst. */
#ifndef ZS_RELAY_TUNNEL_H
#define ZS_RELAY_TUNNEL_H

#include <endian.h>
#include <string.h>

#include "base/check.h"
#include "crypto/gcm.h"
#include "net/addr.h"
#include "net/drop.h"

#define ZS_TUNNEL_HEADER   16
#define ZS_TUNNEL_OVERHEAD 32 /* header and tag */
#define ZS_TUNNEL_LANES	   16
#define ZS_TUNNEL_AAD	   18
#define ZS_TUNNEL_PAYLOAD  (65535 - 8 - ZS_TUNNEL_OVERHEAD) /* of a UDP datagram over IPv6 */
#define ZS_TUNNEL_OPEN	   20
#define ZS_TUNNEL_PROBE	   8 /* KEEPALIVE and ECHO too */
#define ZS_TUNNEL_CLOSE	   2
#define ZS_TUNNEL_COUNTER  (1ull << 56)

enum zs_tunnel_type {
	ZS_TUNNEL_DATA = 1,
	ZS_TUNNEL_TYPE_OPEN,
	ZS_TUNNEL_KEEPALIVE,
	ZS_TUNNEL_TYPE_PROBE,
	ZS_TUNNEL_ECHO,
	ZS_TUNNEL_TYPE_CLOSE,
};

/* Who sends: the numbers of enum zs_attach_dir. */
enum zs_tunnel_side { ZS_TUNNEL_RELAY, ZS_TUNNEL_EDGE };

/* 24 bits. All zero: no flow, the payload is routed by its CID. */
struct zs_tunnel_flow {
	uint16_t number;
	uint8_t service; /* 1–127 in flows that the relay opened, 0 in an edge's */
	uint8_t opener;	 /* enum zs_tunnel_side */
};

struct zs_tunnel_head {
	uint64_t counter;  /* 56 bits */
	uint32_t receiver; /* the number that Grant or Hello carry as fixed32 */
	struct zs_tunnel_flow flow;
	uint8_t type; /* enum zs_tunnel_type */
	uint8_t auth;
	uint8_t epoch; /* its low 3 bits */
	uint8_t lane;
	uint8_t ecn; /* as in IP */
};

static inline uint32_t zs_tunnel_flow_id(const struct zs_tunnel_flow *f)
{
	return (uint32_t)f->opener << 23 | (uint32_t)f->service << 16 | f->number;
}

/* tunnel_short, _type, _reserved, _auth_type; tunnel_mtu above what UDP carries. `datagram` may be of any length and content. */
enum zs_drop zs_tunnel_read_any(const struct zs_tunnel_head *head, uint64_t last, size_t len);
static inline enum zs_drop zs_tunnel_read(struct zs_tunnel_head *head, const uint8_t *datagram, size_t len)
{
	uint64_t first, last;

	if (ZS_UNLIKELY(len < ZS_TUNNEL_OVERHEAD))
		return ZS_DROP_tunnel_short;
	memcpy(&first, datagram, sizeof(first));
	memcpy(&last, datagram + sizeof(first), sizeof(last));
	first = be64toh(first);
	last = be64toh(last);
	head->type = (uint8_t)(first >> 60);
	head->auth = first >> 59 & 1;
	head->epoch = first >> 56 & 7;
	head->flow.opener = first >> 55 & 1;
	head->flow.service = first >> 48 & 0x7f;
	head->flow.number = (uint16_t)(first >> 32);
	head->receiver = (uint32_t)first;
	head->lane = (uint8_t)(last >> 60);
	head->ecn = last >> 58 & 3;
	head->counter = last & (ZS_TUNNEL_COUNTER - 1);
	if (ZS_LIKELY(head->type == ZS_TUNNEL_DATA && len <= UINT16_MAX && !(last >> 56 & 3) &&
		      zs_tunnel_flow_id(&head->flow)))
		return ZS_DROPS;
	return zs_tunnel_read_any(head, last, len);
}

/* The services of an attachment that may use auth: bit n of 128. Flows that an edge opened have service 0. */
struct zs_tunnel_grants {
	uint64_t service[2];
};
static inline void zs_tunnel_grant(struct zs_tunnel_grants *g, uint8_t service)
{
	g->service[service >> 6 & 1] |= 1ull << (service & 63);
}
/* tunnel_auth. Sealed datagrams always pass. */
static inline enum zs_drop zs_tunnel_granted(const struct zs_tunnel_grants *g,
					     const struct zs_tunnel_head *head)
{
	bool has = g->service[head->flow.service >> 6 & 1] >> (head->flow.service & 63) & 1;

	return !head->auth || has ? ZS_DROPS : ZS_DROP_tunnel_auth;
}

/* A flow that can be: the relay's have a service, an edge's have none. */
static inline bool zs_tunnel_flow_fits(const struct zs_tunnel_flow *f)
{
	return (f->opener == ZS_TUNNEL_EDGE) == (f->service == 0);
}
/* tunnel_form. `payload` is what was opened, `from` who sent it. */
enum zs_drop zs_tunnel_form_any(const struct zs_tunnel_head *head, enum zs_tunnel_side from,
				const uint8_t *payload, size_t len);
static inline enum zs_drop zs_tunnel_form(const struct zs_tunnel_head *head, enum zs_tunnel_side from,
					  const uint8_t *payload, size_t len)
{
	if (ZS_LIKELY(head->type == ZS_TUNNEL_DATA && zs_tunnel_flow_fits(&head->flow)))
		return ZS_DROPS;
	return zs_tunnel_form_any(head, from, payload, len);
}

/* Writes the header's 16 bytes. Fields out of their range are a bug of ours. */
void zs_tunnel_write(const struct zs_tunnel_head *head, uint8_t *datagram);

/* The job that seals or opens the datagram in place (header written, tag its last 16 bytes). `aad` is the job's
 * scratch and lives as long; key and datagram are borrowed. len ≥ ZS_TUNNEL_OVERHEAD. */
static inline void zs_tunnel_job(struct zs_gcm_job *job, const struct zs_tunnel_head *head, uint8_t *datagram,
				 size_t len, const struct zs_gcm_key *key, uint8_t aad[ZS_TUNNEL_AAD])
{
	uint16_t payload = (uint16_t)(len - ZS_TUNNEL_OVERHEAD), wire = htobe16(payload);

	job->key = key;
	job->counter = head->counter;
	job->aad = datagram;
	job->aad_len = ZS_TUNNEL_HEADER;
	job->text = datagram + ZS_TUNNEL_HEADER;
	job->tag = datagram + len - ZS_GCM_TAG;
	job->len = payload;
	job->ok = false;
	if (!head->auth)
		return;
	memcpy(aad, datagram, ZS_TUNNEL_HEADER);
	memcpy(aad + ZS_TUNNEL_HEADER, &wire, sizeof(wire));
	job->aad = aad;
	job->aad_len = ZS_TUNNEL_AAD;
	job->len = 0;
}

/* Payloads of fixed size; readers take what zs_tunnel_form let pass. `port` is the published port of a relay's
 * OPEN, 0 in an edge's. */
void zs_tunnel_write_open(uint8_t payload[ZS_TUNNEL_OPEN], const struct zs_endpoint *who, uint16_t port);
struct zs_endpoint zs_tunnel_read_open(const uint8_t payload[ZS_TUNNEL_OPEN], uint16_t *port);
void zs_tunnel_write_close(uint8_t payload[ZS_TUNNEL_CLOSE], uint16_t reason);
uint16_t zs_tunnel_read_close(const uint8_t payload[ZS_TUNNEL_CLOSE]);

/* RFC 6040 §4.2: the ECN field of what leaves the tunnel, from the header's field and that of the outer IP header.
 * tunnel_ecn: congestion was met, and the payload could not be told. Going in, the outer field copies the inner. */
static inline enum zs_drop zs_tunnel_ecn(uint8_t inner, uint8_t outer, uint8_t *out)
{
	enum { NOT_ECT, ECT1, ECT0, CE };

	*out = inner == ECT0 && outer == ECT1 ? ECT1 : inner;
	if (ZS_LIKELY(outer != CE))
		return ZS_DROPS;
	*out = CE;
	return inner == NOT_ECT ? ZS_DROP_tunnel_ecn : ZS_DROPS;
}

#endif
