#include "cids.h"

#include <string.h>

#define ID_LEN	  12 /* PoP 4, attachment 4, generation 2, zero 2 */
#define NONCE_LEN 4

void zs_cids_open(struct zs_cids *c, struct zs_fast *fast)
{
	*c = (struct zs_cids){ .fast = fast };
	zs_cidset_init(&c->set, zs_aes_best());
}

static void load(struct zs_cids *c, const struct zs_sessions *s, uint8_t rotation, uint64_t unix_s)
{
	struct zs_cid_config v;
	bool there = zs_sessions_cid_config(s, rotation, &v) && v.keyed && v.server_id_len == ID_LEN &&
		     v.nonce_len == NONCE_LEN && (!v.withdrawn_s || v.withdrawn_s > unix_s);

	zs_cidset_put(&c->set, rotation, there ? v.key : NULL);
	if (c->fast && there)
		zs_fast_put_cids(c->fast, rotation, v.key);
	else if (c->fast)
		zs_fast_void_cids(c->fast, rotation);
	/* Withdrawal has its time, not its store: such an entry is looked at again. */
	c->seq[rotation] = there && v.withdrawn_s ? UINT32_MAX
						  : zs_seqlock_read(&s->cid_config[rotation].seq);
	explicit_bzero(&v, sizeof(v));
}

void zs_cids_refresh(struct zs_cids *c, const struct zs_sessions *s, uint64_t unix_s)
{
	bool other;

	if (!s)
		return;
	other = c->incarnation != s->seg.base->incarnation;
	c->incarnation = s->seg.base->incarnation;
	for (uint8_t i = 0; i < ZS_CID_ROTATIONS; i++)
		if (other || c->seq[i] != zs_seqlock_read(&s->cid_config[i].seq))
			load(c, s, i, unix_s);
}
