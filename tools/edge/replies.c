/* What waits to go out of a local socket of ours, a listener's or the door's: gathered for one of them at a time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "data_internal.h"

#define REPLIES	   ZS_UDP_BATCH
#define REPLY_MOST 2048 /* the longest that a tunnel carries is shorter */

struct edge_replies {
	struct zs_udp *udp; /* of all that wait */
	uint32_t count;
	struct zs_udp_datagram queue[REPLIES];
	uint8_t bytes[REPLIES][REPLY_MOST];
};

int edge_replies_new(struct edge_replies **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void edge_replies_delete(struct edge_replies *r)
{
	free(r);
}

void edge_replies_flush(struct edge_replies *r)
{
	if (r->count)
		zs_udp_send(r->udp, r->queue, r->count);
	r->count = 0;
}

void edge_reply(struct edge_replies *r, struct zs_udp *udp, const struct zs_udp_datagram *out)
{
	if (out->len > REPLY_MOST)
		return;
	if (r->count == REPLIES || r->udp != udp)
		edge_replies_flush(r);
	r->udp = udp;
	r->queue[r->count] = *out;
	r->queue[r->count].data = memcpy(r->bytes[r->count], out->data, out->len);
	r->count++;
}
