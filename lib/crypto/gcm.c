#include "crypto/gcm.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "crypto/gcm_kinds.h"

int zs_gcm_engine_init(struct zs_gcm_engine *e, enum zs_gcm_kind kind)
{
#ifdef __x86_64__
	if (kind == ZS_GCM_IPSECMB)
		return zs_gcm_ipsecmb(e);
#endif
	return kind == ZS_GCM_BORINGSSL ? zs_gcm_boringssl(e) : -ENOTSUP;
}

void zs_gcm_engine_best(struct zs_gcm_engine *e)
{
	if (zs_gcm_engine_init(e, ZS_GCM_IPSECMB))
		ZS_CHECK(!zs_gcm_engine_init(e, ZS_GCM_BORINGSSL));
}

void zs_gcm_engine_fini(struct zs_gcm_engine *e)
{
#ifdef __x86_64__
	if (e->state)
		zs_gcm_ipsecmb_fini(e);
#endif
	memset(e, 0, sizeof(*e));
}

void zs_gcm_key_set(const struct zs_gcm_engine *e, struct zs_gcm_key *key, const uint8_t bytes[ZS_GCM_KEY],
		    const uint8_t iv[ZS_GCM_NONCE])
{
	e->expand(e, key, bytes);
	memcpy(key->iv, iv, ZS_GCM_NONCE);
}

void zs_gcm_key_wipe(struct zs_gcm_key *key)
{
	explicit_bzero(key, sizeof(*key));
}

static void fetch_next(const struct zs_gcm_engine *e, const struct zs_gcm_job *jobs, uint32_t n,
		       struct zs_gcm_fetch *f)
{
	if (f->keys < n)
		zs_gcm_prefetch(e, jobs[f->keys].key, jobs[f->keys].len, f);
}

void zs_gcm_seal_burst(const struct zs_gcm_engine *e, struct zs_gcm_job *jobs, uint32_t n,
		       struct zs_gcm_fetch *f)
{
	for (uint32_t i = 0; i < n; i++) {
		fetch_next(e, jobs, n, f);
		e->seal(e, &jobs[i]);
	}
}

void zs_gcm_open_burst(const struct zs_gcm_engine *e, struct zs_gcm_job *jobs, uint32_t n,
		       struct zs_gcm_fetch *f)
{
	for (uint32_t i = 0; i < n; i++) {
		fetch_next(e, jobs, n, f);
		e->open(e, &jobs[i]);
	}
}
