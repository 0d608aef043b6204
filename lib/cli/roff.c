/* groff_man(7): a line that begins with a dot or a quote is a request, a bare hyphen a dash. */
#include "cli/roff.h"

#include <ctype.h>
#include "base/check.h"
#include "base/error.h"

static const int all[] = {
#define ZS_EXIT(name, value, text) value,
#include "defs/exits.def"
#undef ZS_EXIT
};

void zs_roff(FILE *to, const char *text)
{
	for (const char *at = text; *at; at++) {
		if ((*at == '.' || *at == '\'') && (at == text || at[-1] == '\n'))
			fputs("\\&", to);
		if (*at == '-')
			fputs("\\-", to);
		else if (*at == '\\')
			fputs("\\e", to);
		else
			fputc(*at, to);
	}
}

void zs_roff_begin(FILE *to, const char *program, unsigned section, const char *purpose, const char *synopsis)
{
	fprintf(to, ".TH ");
	for (const char *at = program; *at; at++)
		fputc(toupper((unsigned char)*at), to);
	fprintf(to, " %u \"\" \"ZeroState Relay\" \"Operator's manual\"\n.SH NAME\n", section);
	zs_roff(to, program);
	fprintf(to, " \\- ");
	zs_roff(to, purpose);
	if (synopsis) {
		fprintf(to, "\n.SH SYNOPSIS\n.B ");
		zs_roff(to, program);
		fprintf(to, "\n");
		zs_roff(to, synopsis);
	}
	fprintf(to, "\n.SH DESCRIPTION\n");
}

void zs_roff_entry(FILE *to, const char *dashes, const char *name, const char *value, const char *text)
{
	fprintf(to, ".TP\n.B ");
	zs_roff(to, dashes);
	zs_roff(to, name);
	fprintf(to, "%s", *value ? " " : "");
	zs_roff(to, value);
	fprintf(to, "\n");
	zs_roff(to, text);
	fprintf(to, "\n");
}

void zs_roff_exits(FILE *to, const int *values, unsigned count)
{
	char number[16];

	if (!values) {
		values = all;
		count = ZS_ARRAY_LEN(all);
	}
	fprintf(to, ".SH EXIT STATUS\n");
	for (unsigned i = 0; i < count; i++) {
		snprintf(number, sizeof(number), "%d", values[i]);
		zs_roff_entry(to, "", number, "", zs_exit_text(values[i]));
	}
}
