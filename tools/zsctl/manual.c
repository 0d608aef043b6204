/* Manual pages, of the table of commands and the table of configuration keys. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "cli/roff.h"
#include "conf/conf.h"
#include "zsctl.h"

int zsctl_give(const struct zsctl *z, void (*write_to)(FILE *to))
{
	char *text = NULL;
	size_t len = 0;
	FILE *f;
	json_t *r;

	if (!z->json) {
		write_to(stdout);
		return ZS_EXIT_OK;
	}
	f = open_memstream(&text, &len);
	if (!f)
		return zsctl_fail(z, ZS_EXIT_RESOURCE, "out of memory");
	write_to(f);
	fclose(f);
	r = json_pack("{s:s#}", "text", text, len);
	free(text);
	zsctl_print_json(z, r);
	json_decref(r);
	return ZS_EXIT_OK;
}

static void of_command(FILE *to, const struct zs_command *cmd)
{
	struct zs_arg args[ZS_ARGS_MAX];
	unsigned count = zs_command_args(cmd, args);
	char usage[256];

	fprintf(to, ".SS \"");
	zs_roff(to, zs_command_usage(cmd, usage, sizeof(usage)));
	fprintf(to, "\"\n%c", toupper((unsigned char)cmd->help[0]));
	zs_roff(to, cmd->help + 1);
	fprintf(to, ". ");
	zs_roff(to, cmd->text);
	fprintf(to, "%sLevel: %s.%s", cmd->text[0] ? " " : "", zs_level_name(cmd->level),
		cmd->mutating ? " Audited." : "");
	if (cmd->module)
		fprintf(to, " Module: %s.", zs_module_name(cmd->module));
	fprintf(to, "\n");
	for (unsigned i = 0; i < count; i++)
		zs_roff_entry(to, args[i].option ? "--" : "", args[i].name, "",
			      zs_argument_text(args[i].name));
}

static void write_zsctl(FILE *to)
{
	zs_roff_begin(to, "zsctl", 8, "control and look into a relay",
		      "[--instance NAME | --socket PATH] [--json] VERB ...");
	zs_roff(to,
		"Asks the control plane of an instance over its UNIX socket. What a caller may do follows "
		"from who it "
		"is: root and the service's own user are owner, the configured groups are admin and user.\n");
	fprintf(to, ".SH OPTIONS\n");
	zs_roff_entry(to, "--", "instance", "NAME", "The instance, relay unless told.");
	zs_roff_entry(to, "--", "socket", "PATH", "The socket, /run/zerostate/NAME/admin.sock unless told.");
	zs_roff_entry(
	    to, "--", "json", "",
	    "Print JSON with a member schema, zsctl.VERB/1, instead of text; an error is zsctl.error/1.");
	fprintf(to, ".SH VERBS\n");
	for (int id = 0; id < ZS_COMMANDS; id++)
		if (id != ZS_COMMAND_man)
			of_command(to, zs_command_get(id));
	zs_roff_exits(to, NULL, 0);
	fprintf(to, ".SH FILES\n.I /etc/zerostate/NAME.yaml\n.br\n.I /run/zerostate/NAME/admin.sock\n.br\n"
		    ".I /var/lib/zerostate/NAME/audit.log\n.SH SEE ALSO\n.BR zerostate.yaml (5),\n.BR "
		    "zs\\-health (7)\n");
}

static void of_key(void *ctx, const struct zs_conf_reference_row *row)
{
	FILE *to = ctx;
	char value[160], text[512];

	if (row->section) {
		fprintf(to, ".SS ");
		zs_roff(to, row->path);
		fprintf(to, "\n%c", toupper((unsigned char)row->text[0]));
		zs_roff(to, row->text + 1);
		fprintf(to, ".\n");
		return;
	}
	snprintf(value, sizeof(value), "(%.100s%s)", row->type, row->dflt ? "" : "; must be there");
	snprintf(text, sizeof(text), "%.400s.%s%.40s%s%s", row->text,
		 row->dflt && *row->dflt ? " Default " : "", row->dflt ? row->dflt : "",
		 row->dflt && *row->dflt ? "." : "", row->restart ? " A change wants a restart." : "");
	zs_roff_entry(to, "", row->path, value, text);
}

static void write_config(FILE *to)
{
	zs_roff_begin(to, "zerostate.yaml", 5, "configuration of a ZeroState relay", NULL);
	zs_roff(
	    to,
	    "One YAML file an instance, /etc/zerostate/NAME.yaml, read by both planes; relay is the usual "
	    "name. A key that "
	    "is left out has its default; an unknown one is an error. zsctl config check FILE judges a file. "
	    "Each key stands here with its sections, [] for the elements of a list.\n");
	fprintf(to, ".SH KEYS\n");
	zs_conf_reference(of_key, to);
	fprintf(to, ".SH SEE ALSO\n.BR zs\\-controlplane (8),\n.BR zs\\-dataplane (8),\n.BR zsctl (8)\n");
}

int zsctl_man(const struct zsctl *z)
{
	const char *page = json_string_value(json_object_get(z->args, "page"));

	if (page && strcmp(page, "health") == 0)
		return zsctl_give(z, zsctl_write_health);
	return zsctl_give(z, page && strcmp(page, "config") == 0 ? write_config : write_zsctl);
}
