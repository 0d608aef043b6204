/* Sections that are a bar for each metric of some benches. */
#include <stdlib.h>
#include <string.h>
#include "report/sections.h"

#define ROWS	40
#define BENCHES 5

static const struct plain {
	const char *bench[BENCHES], *unit, *title, *why;
} plains[] = {
	{ { "peers" },
	  "cycles",
	  "Beside other forwarders",
	  "The same frames and flows on ports of rings: the relay, the bare ports, an exact-match forwarder "
	  "on "
	  "rte_hash in several bulks, dpdk-testpmd." },
	{ { "cpu" },
	  "CPU s a million",
	  "What relaying costs a host",
	  "Seconds of CPU that a million relayed packets cost, at a rate that all stand, by payload: on "
	  "veth, less "
	  "what a bare wire costs. Of relays whose clients are programs of their own what their process "
	  "took." },
	{ { "cpu" },
	  "Mpps",
	  "How fast relays go",
	  "The highest rate on the same veth pairs, million packets a second; the bare wire is the "
	  "sender\xe2\x80\x99s own "
	  "limit." },
	{ { "scaling" },
	  "Mpps",
	  "More workers",
	  "All at once on the same tables, each with queues of its own: packets by connection ID, million a "
	  "second." },
	{ { "program" },
	  "cycles",
	  "While tables change",
	  "A worker that reads a million attachments: alone, beside a core that writes a table nobody reads, "
	  "and beside "
	  "one that inserts and deletes attachments as fast." },
	{ { "xdp" },
	  "ns",
	  "In the kernel",
	  "The fast path run by the kernel on one packet again and again, beside a program that only reads "
	  "it." },
	{ { "parse", "decode", "lookup", "policer", "rings" },
	  "cycles",
	  "Piece by piece",
	  "What the parts cost by themselves, cycles of one operation; whiskers from the tenth to the "
	  "ninetieth of a "
	  "hundred runs." },
	{ { "start" },
	  "ms",
	  "Until it is ready",
	  "From nothing, after kill -9, and how long its indexes take to be made again." },
	{ { "memory" },
	  "bytes",
	  "Memory",
	  "What one more takes, in shared memory and the dataplane\xe2\x80\x99s own." },
};

static uint32_t add_metrics(struct zs_bar *bar, uint32_t n, const json_t *run, const char *unit)
{
	double entries = zs_number_of(run, "entries");
	const json_t *m;
	char count[32];
	size_t i;

	json_array_foreach(json_object_get(run, "metrics"), i, m)
	{
		struct zs_bar *b = &bar[n];

		if (n == ROWS || strcmp(zs_text_of(m, "unit"), unit))
			continue;
		zs_number(b->note, zs_number_of(m, "median"));
		zs_number(count, entries);
		snprintf(b->label, sizeof(b->label), "%.48s%s%s", zs_text_of(m, "name"),
			 entries > 0 ? " \xc2\xb7 " : "", entries > 0 ? count : "");
		b->part[b->parts++] = (struct zs_segment_bar){ zs_text_of(run, "bench"),
							       zs_number_of(m, "median") };
		b->low = zs_number_of(m, "p10");
		b->high = zs_number_of(m, "p90");
		n++;
	}
	return n;
}

static void plain(FILE *f, const json_t *runs, const struct plain *p)
{
	struct zs_bar *bar = calloc(ROWS, sizeof(*bar));
	const json_t *run;
	uint32_t n = 0;
	size_t i;

	for (int b = 0; bar && b < BENCHES && p->bench[b]; b++)
		json_array_foreach(runs, i, run) if (zs_is_run(run, p->bench[b]))
		    n = add_metrics(bar, n, run, p->unit);
	zs_bars(f, bar, n, p->unit, p->title, p->why);
	free(bar);
}

void zs_section_plain(FILE *f, const json_t *runs)
{
	for (size_t i = 0; i < sizeof(plains) / sizeof(plains[0]); i++)
		plain(f, runs, &plains[i]);
}
