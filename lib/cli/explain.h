/* A page for each health code, exit status, drop reason, role and module, of the tables that define them. Pure; texts are the tables'. */
#ifndef ZS_CLI_EXPLAIN_H
#define ZS_CLI_EXPLAIN_H

#include <stdbool.h>

enum zs_page_kind { ZS_PAGE_HEALTH, ZS_PAGE_EXIT, ZS_PAGE_DROP, ZS_PAGE_ROLE, ZS_PAGE_MODULE };

struct zs_page {
	enum zs_page_kind kind;
	const char *heading;  /* "health code", "exit status", "drop reason", "role", "module" */
	char code[48];	      /* "ZH012", "7", "no_route" */
	const char *name;     /* "store_failed", "UNREACHABLE", "no_route" */
	const char *severity; /* of a health code, else NULL */
	const char *text;
	const char *cause, *meanwhile; /* NULL: none is told */
	char action[160 + 128];
};

/* Pages in the order of their tables; false: there are no more. */
bool zs_page_at(unsigned i, struct zs_page *out);
/* The next page from *i on with this code, number or name, whatever the case; *i goes behind it. A name may be a health code's
 * and a drop reason's. */
bool zs_page_find(const char *word, unsigned *i, struct zs_page *out);

#endif
