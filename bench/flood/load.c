#include "flood/load.h"

#include "base/clock.h"

#define WINDOW 1024 /* packets: the least of many windows is the cost, others were interrupted */
#define TURNS  64   /* between two looks at the time of day */

static struct flood_stream *add(struct flood_load *l, double rate)
{
	struct flood_stream *s = &l->stream[l->streams++];

	ZS_CHECK(l->streams <= FLOOD_STREAMS && rate > 0, "a stream more, with a rate");
	*s = (struct flood_stream){ .gap = 1 / rate, .next = l->clock + 1 / rate };
	return s;
}

void flood_load_good(struct flood_load *l, enum flood_good kind, double rate)
{
	struct flood_stream *s = add(l, rate);

	s->good = true;
	s->kind = kind;
}

void flood_load_bogus(struct flood_load *l, uint32_t class, double rate)
{
	add(l, rate)->kind = class;
}

static struct flood_stream *soonest(struct flood_load *l)
{
	struct flood_stream *s = &l->stream[0];

	for (uint32_t i = 1; i < l->streams; i++)
		if (l->stream[i].next < s->next)
			s = &l->stream[i];
	return s;
}

/* Good ones of both ways have a ring each; all that is bogus comes where clients and peers are. */
static void arrive(struct flood_world *w, struct flood_stream *s)
{
	uint32_t port = s->good && s->kind == FLOOD_ANSWERED && s->offered % 2;
	uint64_t i = s->offered++;
	struct flood_frame f;

	s->next += s->gap;
	if (!flood_room(w, port))
		return;
	if (s->good)
		flood_good(w, &f, (enum flood_good)s->kind, i);
	else
		flood_bogus(w, &f,
			    (enum flood_class)(s->kind == FLOOD_CLASSES ? i % FLOOD_CLASSES : s->kind));
	flood_put(w, port, &f);
	s->received++;
}

static void arrivals(struct flood_world *w, struct flood_load *l)
{
	struct flood_stream *s = soonest(l);

	if (!flood_waiting(w) && s->next > l->clock)
		l->clock = s->next;
	for (; s->next <= l->clock; s = soonest(l))
		arrive(w, s);
}

/* One turn, and what it cost. */
static void turn(struct flood_world *w, struct flood_load *l, uint64_t *cycles, uint64_t *packets)
{
	const uint64_t *rx = &w->bed->w->count[ZS_COUNTER_rx];
	uint64_t from = *rx, took = flood_turn(w);

	l->clock += (double)took;
	*cycles += took;
	*packets += *rx - from;
	if (*packets < WINDOW)
		return;
	if (!l->least || (double)*cycles / (double)*packets < l->least)
		l->least = (double)*cycles / (double)*packets;
	l->cycles += *cycles;
	l->packets += *packets;
	*cycles = *packets = 0;
}

void flood_load_run(struct flood_world *w, struct flood_load *l, uint64_t ns)
{
	uint64_t until = zs_clock_ns() + ns, cycles = 0, packets = 0, left[FLOOD_GOODS];

	memcpy(left, w->left, sizeof(left));
	for (uint64_t n = 0; n % TURNS || zs_clock_ns() < until; n++) {
		arrivals(w, l);
		turn(w, l, &cycles, &packets);
	}
	l->flood_mode = w->bed->w->flood.on;
	flood_drain(w);
	for (uint32_t i = 0; i < l->streams; i++)
		if (l->stream[i].good)
			l->stream[i].left += w->left[l->stream[i].kind] - left[l->stream[i].kind];
}
