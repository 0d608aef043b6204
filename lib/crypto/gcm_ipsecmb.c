/* intel-ipsec-mb's direct calls: no job queue, one message at a time, tables chosen for this CPU by its manager. */
#include <errno.h>
#include <intel-ipsec-mb.h>
#include <string.h>

#include "crypto/gcm_kinds.h"

_Static_assert(sizeof(struct gcm_key_data) <= sizeof(struct zs_gcm_key), "fits with its padding");
_Static_assert(offsetof(struct gcm_key_data, ghash_keys) + sizeof(((struct gcm_key_data *)0)->ghash_keys) <=
		   ZS_GCM_STATE,
	       "what it uses ends before the IV");
_Static_assert(_Alignof(struct gcm_key_data) <= _Alignof(struct zs_gcm_key), "aligned");

static void expand(const struct zs_gcm_engine *e, struct zs_gcm_key *key, const uint8_t bytes[ZS_GCM_KEY])
{
	IMB_AES128_GCM_PRE((IMB_MGR *)e->state, bytes, (struct gcm_key_data *)key->state);
}

static void seal(const struct zs_gcm_engine *e, struct zs_gcm_job *j)
{
	struct gcm_context_data run;
	uint8_t nonce[16];

	zs_gcm_nonce(j->key, j->counter, nonce);
	IMB_AES128_GCM_ENC((IMB_MGR *)e->state, (const struct gcm_key_data *)j->key->state, &run, j->text,
			   j->text, j->len, nonce, j->aad, j->aad_len, j->tag, ZS_GCM_TAG);
}

/* Both halves are always compared, and joined before anything depends on them. */
static bool same_tag(const uint8_t *a, const uint8_t *b)
{
	uint64_t x[2], y[2];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

static void open_(const struct zs_gcm_engine *e, struct zs_gcm_job *j)
{
	struct gcm_context_data run;
	uint8_t nonce[16], tag[ZS_GCM_TAG];

	zs_gcm_nonce(j->key, j->counter, nonce);
	IMB_AES128_GCM_DEC((IMB_MGR *)e->state, (const struct gcm_key_data *)j->key->state, &run, j->text,
			   j->text, j->len, nonce, j->aad, j->aad_len, tag, ZS_GCM_TAG);
	j->ok = same_tag(tag, j->tag);
}

/* Its code for VAES keeps 48 powers of the hash key behind the round keys, the first one last; its other code keeps 8 or
 * 16 words there. */
static void lines(struct zs_gcm_engine *e)
{
	static const uint8_t zero[ZS_GCM_KEY];
	struct zs_gcm_key probe = { 0 };

	expand(e, &probe, zero);
	e->powers_at_back = memcmp(probe.state + sizeof(probe.state) - 16, zero, 16) != 0;
	e->front = e->powers_at_back ? 0x7 : 0xff; /* 11 round keys, or all of it */
}

int zs_gcm_ipsecmb(struct zs_gcm_engine *e)
{
	IMB_MGR *m = alloc_mb_mgr(0);

	if (!m)
		return -ENOMEM;
	init_mb_mgr_auto(m, NULL);
	if (imb_get_errno(m)) {
		free_mb_mgr(m);
		return -ENOTSUP;
	}
	*e = (struct zs_gcm_engine){ .expand = expand, .seal = seal, .open = open_, .state = m };
	lines(e);
	return 0;
}

void zs_gcm_ipsecmb_fini(struct zs_gcm_engine *e)
{
	free_mb_mgr(e->state);
}
