/* The rate limit of the log: what each site said, by its place in the source. log.c alone. */
#ifndef ZS_BASE_LOG_SITES_H
#define ZS_BASE_LOG_SITES_H

#include "base/log.h"

/* The site of `where`, made when new. A full table shares its slots: the limit is then wider than a site. */
struct zs_log_site *zs_log_site(struct zs_log *log, enum zs_log_code code, const char *where);
/* May it speak now? Counts what is held back. */
bool zs_log_admit(struct zs_log_site *site, uint64_t now_ns);
/* Has it held something back, and is its interval over? */
bool zs_log_owes(const struct zs_log_site *site, uint64_t now_ns);

#endif
