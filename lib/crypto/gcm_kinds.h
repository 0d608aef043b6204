/* What gcm.c knows of the implementations; each fills an engine or says -ENOTSUP, -ENOMEM. */
#ifndef ZS_CRYPTO_GCM_KINDS_H
#define ZS_CRYPTO_GCM_KINDS_H

#include "crypto/gcm.h"

int zs_gcm_boringssl(struct zs_gcm_engine *e);
#ifdef __x86_64__
int zs_gcm_ipsecmb(struct zs_gcm_engine *e);
void zs_gcm_ipsecmb_fini(struct zs_gcm_engine *e);
#endif

#endif
