/* explain: a code's page, and all of them as zs-health(7). No process is asked. */
#include <string.h>
#include "cli/explain.h"
#include "cli/roff.h"
#include "zsctl.h"

static void print_page(const struct zs_page *p)
{
	printf("%s %s%s%s%s%s\n\n  %s\n", p->heading, p->code, strcmp(p->code, p->name) ? " " : "",
	       strcmp(p->code, p->name) ? p->name : "", p->severity ? ", " : "",
	       p->severity ? p->severity : "", p->text);
	if (p->cause)
		printf("\nCause\n  %s\n", p->cause);
	if (p->meanwhile)
		printf("\nMeanwhile\n  %s\n", p->meanwhile);
	printf("\nWhat to do\n  %s\n", p->action);
}

static json_t *page_object(const struct zs_page *p)
{
	return json_pack("{s:s,s:s,s:s,s:s?,s:s,s:s?,s:s?,s:s}", "kind", p->heading, "code", p->code, "name",
			 p->name, "severity", p->severity, "text", p->text, "cause", p->cause, "meanwhile",
			 p->meanwhile, "action", p->action);
}

static int list(const struct zsctl *z, json_t *pages)
{
	json_t *r = json_pack("{s:O}", "pages", pages);

	if (z->json)
		zsctl_print_json(z, r);
	else
		zsctl_table(pages, "kind:kind,code:code,name:name,text:text", "no page");
	json_decref(r);
	return ZS_EXIT_OK;
}

int zsctl_explain(const struct zsctl *z)
{
	const char *code = json_string_value(json_object_get(z->args, "code"));
	json_t *pages = json_array();
	struct zs_page p;
	int status = ZS_EXIT_OK;

	for (unsigned i = 0; code ? zs_page_find(code, &i, &p) : zs_page_at(i++, &p);) {
		if (code && !z->json) {
			printf("%s", json_array_size(pages) ? "\n" : "");
			print_page(&p);
		}
		json_array_append_new(pages, page_object(&p));
	}
	if (json_array_size(pages) == 0)
		status = zsctl_fail(z, ZS_EXIT_USAGE,
				    "no health code, exit status, drop reason, role or module '%.60s'; zsctl "
				    "explain lists them",
				    code);
	else if (!code || z->json)
		status = list(z, pages);
	json_decref(pages);
	return status;
}

static void man_page(FILE *to, const struct zs_page *p)
{
	const struct {
		const char *head, *text;
	} parts[] = { { "Cause", p->cause }, { "Meanwhile", p->meanwhile }, { "What to do", p->action } };

	fprintf(to, ".SS ");
	zs_roff(to, p->code);
	fprintf(to, " ");
	zs_roff(to, p->name);
	fprintf(to, "%s%s\n", p->severity ? ", " : "", p->severity ? p->severity : "");
	zs_roff(to, p->text);
	fprintf(to, ".\n");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i].text)
			zs_roff_entry(to, "", parts[i].head, "", parts[i].text);
}

void zsctl_write_health(FILE *to)
{
	static const char *const heads[] = { [ZS_PAGE_HEALTH] = "HEALTH CODES",
					     [ZS_PAGE_EXIT] = "EXIT STATUSES",
					     [ZS_PAGE_DROP] = "DROP REASONS",
					     [ZS_PAGE_ROLE] = "ROLES",
					     [ZS_PAGE_MODULE] = "MODULES" };
	struct zs_page p;

	zs_roff_begin(to, "zs-health", 7,
		      "health codes, exit statuses, drop reasons, roles and modules of a ZeroState relay",
		      NULL);
	zs_roff(
	    to,
	    "zsctl health lists the codes that are raised, zsctl explain CODE shows one of these pages; no "
	    "process need run for it. Codes are stable and never used again.\n");
	for (unsigned i = 0, kind = ~0u; zs_page_at(i, &p); i++) {
		if (p.kind != kind)
			fprintf(to, ".SH %s\n", heads[kind = p.kind]);
		if (p.kind == ZS_PAGE_DROP)
			zs_roff_entry(to, "", p.code, "", p.text);
		else
			man_page(to, &p);
	}
	fprintf(to, ".SH SEE ALSO\n.BR zsctl (8)\n");
}
