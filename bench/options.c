/* One table drives reading and help. getopt takes an option's index in it, past any character. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "cli/roff.h"

#define BEYOND_CHARS 256

enum kind { NUMBER, REAL, WORD, FLAG };

static const struct row {
	const char *name, *text;
	enum kind kind;
	double least, most;
	size_t at;
} rows[] = {
#define AT(name)				  offsetof(struct zs_bench_options, name)
#define ZS_OPTION_NUMBER(name, least, most, text) { #name, text, NUMBER, least, most, AT(name) },
#define ZS_OPTION_REAL(name, least, most, text)	  { #name, text, REAL, least, most, AT(name) },
#define ZS_OPTION_WORD(name, text)		  { #name, text, WORD, 0, 0, AT(name) },
#define ZS_OPTION_FLAG(name, text)		  { #name, text, FLAG, 0, 0, AT(name) },
#include "options.def"
};
#define ROWS ZS_ARRAY_LEN(rows)

/* As it is typed: with dashes. */
static void spell(char out[32], const char *name)
{
	snprintf(out, 32, "%s", name);
	for (char *c = out; *c; c++)
		if (*c == '_')
			*c = '-';
}

static bool take_number(const struct row *r, const char *text, void *at)
{
	char *end;
	double v = r->kind == REAL ? strtod(text, &end) : (double)strtoul(text, &end, 10);

	if (!*text || *end || *text == '-' || v < r->least || v > r->most) {
		fprintf(stderr, "zs-bench: --%s: '%s' is not a number from %g to %.10g\n", r->name, text,
			r->least, r->most);
		return false;
	}
	if (r->kind == REAL)
		*(double *)at = v;
	else
		*(uint32_t *)at = (uint32_t)v;
	return true;
}

static bool take(const struct row *r, const char *text, struct zs_bench_options *opt)
{
	void *at = (char *)opt + r->at;

	if (r->kind == FLAG)
		*(bool *)at = true;
	else if (r->kind == WORD)
		snprintf(at, sizeof(opt->kind), "%s", text);
	else
		return take_number(r, text, at);
	return true;
}

bool zs_options_parse(struct zs_bench_options *opt, int argc, char **argv, int *first)
{
	struct option longs[ROWS + 1] = { { 0 } };
	char name[ROWS][32];
	int c;

	for (size_t i = 0; i < ROWS; i++) {
		spell(name[i], rows[i].name);
		longs[i] = (struct option){ name[i], rows[i].kind != FLAG, NULL, BEYOND_CHARS + (int)i };
	}
	*opt = (struct zs_bench_options){ .repeats = 5, .seconds = 3 };
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		if (c < BEYOND_CHARS || !take(&rows[c - BEYOND_CHARS], optarg, opt))
			return false;
	*first = optind;
	return true;
}

void zs_options_print(void)
{
	for (size_t i = 0; i < ROWS; i++) {
		char name[32];

		spell(name, rows[i].name);
		printf("  --%-12s %s\n", name, rows[i].text);
	}
}

void zs_options_man(void)
{
	for (size_t i = 0; i < ROWS; i++) {
		char name[32];

		spell(name, rows[i].name);
		zs_roff_entry(stdout, "--", name, rows[i].kind == FLAG ? "" : "VALUE", rows[i].text);
	}
}
