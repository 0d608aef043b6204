/* Bars that lie, with words at both ends:   what is measured  ▇▇▇▇▇▇▇┤  what it came to */
#include "report/draw.h"

#include <string.h>

#define LEFT	252
#define RIGHT	230
#define ROW	30
#define BAR	17
#define NAMES	16
#define COLOURS 12

struct names {
	const char *at[NAMES];
	uint32_t count;
};

static uint32_t index_of(struct names *n, const char *name)
{
	for (uint32_t i = 0; i < n->count; i++)
		if (!strcmp(n->at[i], name))
			return i;
	if (n->count < NAMES)
		n->at[n->count++] = name;
	return n->count - 1;
}

static double length_of(const struct zs_bar *b)
{
	double sum = 0;

	for (uint32_t i = 0; i < b->parts; i++)
		sum += b->part[i].value;
	return sum;
}

static double most_of(const struct zs_bar *bar, uint32_t count)
{
	double most = 1e-9;

	for (uint32_t i = 0; i < count; i++) {
		double v = length_of(&bar[i]);

		v = bar[i].high > v ? bar[i].high : v;
		most = v > most ? v : most;
	}
	return most;
}

static void legend(FILE *f, const struct names *n)
{
	double x = LEFT;

	for (uint32_t i = 0; n->count > 1 && i < n->count; i++) {
		char class[8];

		snprintf(class, sizeof(class), "c%u", i % COLOURS);
		zs_svg_rect(f, x, 5, 10, 10, class, NULL);
		zs_svg_text(f, x + 14, 14, "start", "t-small", n->at[i]);
		x += 26 + 6.4 * (double)strlen(n->at[i]);
	}
}

static void row(FILE *f, const struct zs_bar *b, double y, double scale, struct names *n, const char *unit)
{
	double x = LEFT, mid = y + BAR / 2.0;

	zs_svg_text(f, LEFT - 12, y + 13, "end", "", b->label);
	for (uint32_t i = 0; i < b->parts; i++) {
		char class[24], tip[96], number[32];

		zs_number(number, b->part[i].value);
		snprintf(tip, sizeof(tip), "%s: %s %s", b->part[i].name, number, unit);
		snprintf(class, sizeof(class), "c%u%s", index_of(n, b->part[i].name) % COLOURS,
			 b->faded ? " faded" : "");
		zs_svg_rect(f, x, y, b->part[i].value * scale, BAR, class, tip);
		x += b->part[i].value * scale;
	}
	if (b->high > b->low) {
		zs_svg_line(f, LEFT + b->low * scale, mid, LEFT + b->high * scale, mid, "whisker");
		zs_svg_line(f, LEFT + b->low * scale, mid - 4, LEFT + b->low * scale, mid + 4, "whisker");
		zs_svg_line(f, LEFT + b->high * scale, mid - 4, LEFT + b->high * scale, mid + 4, "whisker");
		x = LEFT + b->high * scale > x ? LEFT + b->high * scale : x;
	}
	zs_svg_text(f, x + 8, y + 13, "start", "t-soft", b->note);
}

void zs_draw_bars(FILE *f, const struct zs_bar *bar, uint32_t count, const char *unit)
{
	double scale = (ZS_DRAW_WIDTH - LEFT - RIGHT) / most_of(bar, count), top;
	struct names n = { .count = 0 };

	for (uint32_t i = 0; i < count; i++)
		for (uint32_t k = 0; k < bar[i].parts; k++)
			index_of(&n, bar[i].part[k].name);
	top = n.count > 1 ? 30 : 6;
	zs_svg_begin(f, top + count * ROW + 4, unit);
	legend(f, &n);
	zs_svg_line(f, LEFT, top - 4, LEFT, top + count * ROW - ROW + BAR + 4, "axis");
	for (uint32_t i = 0; i < count; i++)
		row(f, &bar[i], top + i * ROW, scale, &n, unit);
	zs_svg_end(f);
}

void zs_draw_strip(FILE *f, const json_t *samples)
{
	double low = 1e300, high = -1e300;
	const json_t *v;
	size_t i;

	json_array_foreach(samples, i, v)
	{
		double x = json_number_value(v);

		low = x < low ? x : low;
		high = x > high ? x : high;
	}
	if (json_array_size(samples) < 2)
		return;
	fputs("<svg viewBox=\"0 0 150 16\" aria-hidden=\"true\">", f);
	zs_svg_line(f, 4, 8, 146, 8, "rule");
	json_array_foreach(samples, i, v) zs_svg_dot(
	    f, high > low ? 6 + 138 * (json_number_value(v) - low) / (high - low) : 75, 8, 3.2, "dot", NULL);
	fputs("</svg>", f);
}
