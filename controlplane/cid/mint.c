/* Nonces: reserved in the store before they are given out, so a kill at any point skips some and repeats none. A stock
 * belongs to an attachment and a configuration, and goes on when the attachment changes its owner. */
#include <errno.h>
#include "base/check.h"
#include "cid/internal.h"

/* The stock of configuration n, as the store has it: nothing of it is reserved for us. */
static int refresh(struct zs_cids *s, uint32_t attachment, unsigned n)
{
	struct stock *stock = &s->stock[attachment];
	uint32_t from;
	int rc = zs_cids_nonces_load(s, attachment, s->config[n].serial, &from);

	if (!rc)
		*stock = (struct stock){ s->config[n].serial, from, from };
	return rc;
}

static int reserve(struct zs_cids *s, uint32_t attachment, unsigned n)
{
	struct stock *stock = &s->stock[attachment];
	int rc;

	if (stock->end > UINT32_MAX - ZS_CIDS_BLOCK) {
		zs_control_raise(s->c, ZS_HEALTH_cids_spent, "attachment %u, configuration %u", attachment,
				 n);
		return -ENOSPC;
	}
	rc = zs_cids_nonces_store(s, attachment, n, stock->end + ZS_CIDS_BLOCK);
	if (!rc)
		stock->end += ZS_CIDS_BLOCK;
	return rc;
}

int zs_cids_mint(struct zs_cids *s, uint32_t attachment, uint16_t generation, uint32_t count,
		 struct zs_cids_batch *out)
{
	int n = zs_config_current(s->config, s->wall_s), rc = 0;
	struct stock *stock = &s->stock[attachment];

	ZS_CHECK(n >= 0 && attachment < s->shm->attachments && count <= ZS_CIDS_BATCH,
		 "configuration %d, attachment %u, %u of them", n, attachment, count);
	if (stock->serial != s->config[n].serial)
		rc = refresh(s, attachment, (unsigned)n);
	if (!rc && stock->end - stock->next < count)
		rc = reserve(s, attachment, (unsigned)n);
	if (rc)
		return rc;
	*out = (struct zs_cids_batch){ .count = count,
				       .rotation = (uint8_t)n,
				       .expires_s = s->wall_s + s->c->conf->cids.expires_s };
	for (uint32_t i = 0; i < count; i++) {
		struct zs_cid cid = { .rotation = (uint8_t)n,
				      .generation = generation,
				      .pop = s->c->conf->attach.pop,
				      .attachment = attachment,
				      .nonce = stock->next++ };

		zs_cidset_encode(&s->set, &cid, out->cid[i]);
	}
	return 0;
}
