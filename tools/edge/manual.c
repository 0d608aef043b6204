/* The manual and bash completion, made of the table of options. */
#include "manual.h"

#include <stdio.h>
#include <string.h>
#include "base/check.h"
#include "base/error.h"
#include "cli/roff.h"

static const struct row {
	const char *name, *value, *text;
} rows[] = {
#define ZS_EDGE_OPTION(id, name, value, text) { name, value, text },
#include "options.def"
#undef ZS_EDGE_OPTION
};

static const int exits[] = { ZS_EXIT_OK,	ZS_EXIT_FAILED,	  ZS_EXIT_USAGE,       ZS_EXIT_CONFIG,
			     ZS_EXIT_PRIVILEGE, ZS_EXIT_RESOURCE, ZS_EXIT_UNREACHABLE, ZS_EXIT_REFUSED };

static const char about[] =
    "Attaches to a relay and publishes services behind NAT there: NAME stands for the service at\n"
    "ADDR:PORT, PORT is the relay's, its choice unless told. With ,auth behind it the payload goes\n"
    "in clear (QUIC and DTLS protect themselves), where the relay grants that; with ,follow a client\n"
    "whose NAT rebinds keeps the socket that a QUIC service knows, for services that forbid clients to\n"
    "move. Forwards what is sent\n"
    "to ADDR:PORT here to HOST:PORT, a published port of that relay. Keeps the attachment until\n"
    "SIGTERM; SIGUSR1 prints which way the traffic takes, and all counters.\n";

void zs_edge_help(void)
{
	printf("usage: zs-edge --relay HOST:PORT/PEERID --identity FILE [OPTION ...] publish "
	       "NAME[:PORT]=ADDR:PORT[,auth][,follow] ... forward ADDR:PORT=HOST:PORT ...\n"
	       "       zs-edge --relay HOST:PORT/PEERID --identity FILE [OPTION ...] --cid-socket PATH "
	       "[publish ... forward ...]\n"
	       "       zs-edge man | completion\n\n%s\n",
	       about);
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		char left[64];
		snprintf(left, sizeof(left), "--%s %s", rows[i].name, rows[i].value);
		printf("  %-28s %s\n", left, rows[i].text);
	}
	printf("\nExit statuses:\n");
	for (size_t i = 0; i < ZS_ARRAY_LEN(exits); i++)
		printf("  %d  %s\n", exits[i], zs_exit_text(exits[i]));
}

void zs_edge_man(void)
{
	zs_roff_begin(stdout, "zs-edge", 8, "publish services behind NAT at a relay",
		      "--relay HOST:PORT/PEERID --identity FILE [OPTION ...] publish "
		      "NAME[:PORT]=ADDR:PORT[,auth][,follow] ... "
		      "forward ADDR:PORT=HOST:PORT ...");
	zs_roff(stdout, about);
	printf(".PP\nEach change of state is a line on standard output. When the relay goes away it is tried "
	       "again: at once within the time that the relay told, later less often; what only a person can "
	       "mend is tried hourly at last. The attachment is resumed with its ports.\n.SH OPTIONS\n");
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++)
		zs_roff_entry(stdout, "--", rows[i].name, rows[i].value, rows[i].text);
	printf(".SH STATES\n");
#define ZS_ATTACH_STATE(name, within_ms, first_ms, most_ms, text) zs_roff_entry(stdout, "", #name, "", text);
#include "defs/attach_states.def"
#undef ZS_ATTACH_STATE
	zs_roff_exits(stdout, exits, ZS_ARRAY_LEN(exits));
}

void zs_edge_completion(void)
{
	printf(
	    "# bash completion of zs-edge, made by: zs-edge completion\n_zs_edge() {\n"
	    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n\tcase $prev in\n\t");
	for (size_t i = 0, n = 0; i < ZS_ARRAY_LEN(rows); i++)
		if (!strcmp(rows[i].value, "FILE"))
			printf("%s--%s", n++ ? "|" : "", rows[i].name);
	printf(") COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n\tesac\n\tCOMPREPLY=($(compgen -W "
	       "\"publish forward");
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++)
		printf(" --%s", rows[i].name);
	printf("\" -- \"$cur\"))\n}\ncomplete -o filenames -F _zs_edge zs-edge\n");
}
