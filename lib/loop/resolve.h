/* Names to addresses and to texts without blocking: c-ares on a loop, the hosts file and DNS as the system is configured. Not for
 * addresses as text. One thread, the loop's. Who uses it links libcares. */
#ifndef ZS_LOOP_RESOLVE_H
#define ZS_LOOP_RESOLVE_H

#include "loop/loop.h"
#include "net/addr.h"

#define ZS_RESOLVE_ADDRS 8 /* of a name; others are left out */
#define ZS_RESOLVE_TEXTS                                                                                     \
	4096 /* bytes of a name's TXT records, each with its end; what does not fit is left out */

enum zs_resolve_family { ZS_RESOLVE_ANY, ZS_RESOLVE_IP4, ZS_RESOLVE_IP6 };

struct zs_resolver;
struct zs_resolve; /* a question under way */

/* `servers`: "ADDR:PORT,…" for tests, NULL: the system's. -ENOMEM, -EINVAL with a line in err. */
int zs_resolver_new(struct zs_resolver **out, struct zs_loop *loop, const char *servers,
		    struct zs_error *err);
/* Questions under way are dropped without an answer. */
void zs_resolver_delete(struct zs_resolver *r);

/* Once, from the loop and never from within zs_resolve_start: addresses in the order to try them, the families in turn; none:
 * `why`, one line. The question is gone then. */
typedef void zs_resolve_fn(void *ctx, const struct zs_addr *addrs, uint32_t count, const char *why);
int zs_resolve_start(struct zs_resolve **out, struct zs_resolver *r, const char *name,
		     enum zs_resolve_family family, zs_resolve_fn *fn, void *ctx);
/* Likewise the TXT records of exactly this name, which hold no zero byte: one behind the other, each with its end, `len`
 * bytes in all; good until it returns. */
typedef void zs_resolve_texts_fn(void *ctx, const char *texts, size_t len, const char *why);
int zs_resolve_texts(struct zs_resolve **out, struct zs_resolver *r, const char *name,
		     zs_resolve_texts_fn *fn, void *ctx);
/* No answer will come. */
void zs_resolve_cancel(struct zs_resolve *q);

#endif
