/* A change's record in the audit file, opened before it and closed after it: by the admin API for its mutating
 * calls, by main.c for a SIGHUP. Loop thread alone. */
#ifndef ZS_CONTROLPLANE_ADMIN_RECORD_H
#define ZS_CONTROLPLANE_ADMIN_RECORD_H

#include "audit/audit.h"
#include "control.h"

/* On failure nothing may be changed (exit REFUSED). `args` and `held` as for zs_audit_begin. */
int zs_admin_record_open(struct zs_control *c, const char *operation, const struct zs_caller *caller,
			 json_t *args, uint64_t held, struct zs_error *err);
/* rc and err are how the change went; err's text is kept as its reason, of one that went well too. Synced when it returns; rc, or what became of it when the change was done
 * and could not be recorded. */
int zs_admin_record_close(struct zs_control *c, int rc, struct zs_error *err);

#endif
