/* Lines over a grid; either axis may be logarithmic. A goal is a short stroke across its point. */
#include "report/draw.h"

#include <math.h>
#include <string.h>

#define LEFT	 64
#define RIGHT	 170
#define TOP	 16
#define BOTTOM	 48
#define HEIGHT	 360
#define GRID_MAX 12

struct range {
	double low, high;
	bool logs;
};

static double place(const struct range *r, double v)
{
	if (r->logs)
		return log(v / r->low) / log(r->high / r->low);
	return (v - r->low) / (r->high - r->low);
}

static double px(const struct range *r, double v)
{
	return LEFT + place(r, v) * (ZS_DRAW_WIDTH - LEFT - RIGHT);
}

static double py(const struct range *r, double v)
{
	return HEIGHT - BOTTOM - place(r, v) * (HEIGHT - TOP - BOTTOM);
}

static void widen(struct range *r, double v)
{
	if (r->logs && v <= 0)
		return;
	r->low = v < r->low ? v : r->low;
	r->high = v > r->high ? v : r->high;
}

static void ranges(const struct zs_curve *c, uint32_t count, const struct zs_axes *a, struct range *x,
		   struct range *y)
{
	*x = (struct range){ 1e300, -1e300, a->log_x };
	*y = (struct range){ a->log_y ? 1e300 : 0, -1e300, a->log_y };
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t k = 0; k < c[i].points; k++) {
			widen(x, c[i].x[k]);
			widen(y, c[i].y[k]);
			widen(y, c[i].high[k]);
			widen(y, c[i].goal[k]);
		}
	if (y->logs) {
		y->low = pow(10, floor(log10(y->low)));
		y->high = pow(10, ceil(log10(y->high)));
	} else
		y->high = zs_round_up(y->high);
	if (x->high <= x->low)
		x->high = x->low + 1;
	if (y->high <= y->low)
		y->high = y->low + 1;
}

static void grid_y(FILE *f, const struct range *y)
{
	double step = y->logs ? 10 : zs_round_up(y->high / 6 * 0.999);
	double v = y->logs ? y->low : 0;

	for (int i = 0; i < GRID_MAX && v <= y->high * 1.0001; i++, v = y->logs ? v * step : v + step) {
		char text[32];

		zs_number(text, v);
		zs_svg_line(f, LEFT, py(y, v), ZS_DRAW_WIDTH - RIGHT, py(y, v), "rule");
		zs_svg_text(f, LEFT - 8, py(y, v) + 4, "end", "t-small", text);
	}
}

static void grid_x(FILE *f, const struct range *x, const struct zs_axes *a)
{
	double step = x->logs ? 10 : zs_round_up((x->high - x->low) / 6);
	double v = x->logs ? pow(10, ceil(log10(x->low) - 1e-6)) : x->low;

	if (a->tick[0])
		step = 1;
	for (int i = 0; i < GRID_MAX && v <= x->high * 1.0001; i++, v = x->logs ? v * step : v + step) {
		char number[32];

		zs_number(number, v);
		zs_svg_line(f, px(x, v), HEIGHT - BOTTOM, px(x, v), HEIGHT - BOTTOM + 5, "axis");
		zs_svg_text(f, px(x, v), HEIGHT - BOTTOM + 20, "middle", "t-small",
			    a->tick[0] && a->tick[i] ? a->tick[i] : number);
	}
}

static void curve(FILE *f, const struct zs_curve *c, uint32_t colour, const struct range *x,
		  const struct range *y, const char *unit)
{
	char class[8], tip[128], number[32];

	snprintf(class, sizeof(class), "c%u", colour);
	fprintf(f, "<polyline class=\"%s\" points=\"", class);
	for (uint32_t i = 0; i < c->points; i++)
		fprintf(f, "%.1f,%.1f ", px(x, c->x[i]), py(y, c->y[i]));
	fputs("\"/>\n", f);
	for (uint32_t i = 0; i < c->points; i++) {
		double at = px(x, c->x[i]);

		if (c->high[i] > c->low[i])
			zs_svg_line(f, at, py(y, c->low[i]), at, py(y, c->high[i]), "whisker");
		if (c->goal[i] > 0)
			zs_svg_line(f, at - 9, py(y, c->goal[i]), at + 9, py(y, c->goal[i]), "goal");
		zs_number(number, c->y[i]);
		snprintf(tip, sizeof(tip), "%s: %s %s", c->name, number, unit);
		zs_svg_dot(f, at, py(y, c->y[i]), 4, class, tip);
	}
}

/* Names stand at the lines' ends, apart from each other. */
static void name_them(FILE *f, const struct zs_curve *c, uint32_t count, const struct range *x,
		      const struct range *y)
{
	double taken[ZS_CURVES];

	for (uint32_t i = 0; i < count; i++) {
		uint32_t last = c[i].points - 1;
		double at = py(y, c[i].y[last]) + 4;
		char class[8];

		for (uint32_t k = 0; k < i; k++)
			if (fabs(taken[k] - at) < 15) {
				at = taken[k] + 15;
				k = UINT32_MAX; /* from the start again */
			}
		taken[i] = at;
		snprintf(class, sizeof(class), "c%u", i);
		zs_svg_dot(f, px(x, x->high) + 16, at - 4, 4, class, NULL);
		zs_svg_text(f, px(x, x->high) + 26, at, "start", "", c[i].name);
	}
}

void zs_draw_curves(FILE *f, const struct zs_curve *c, uint32_t count, const struct zs_axes *a)
{
	struct range x, y;

	count = count < ZS_CURVES ? count : ZS_CURVES;
	ranges(c, count, a, &x, &y);
	zs_svg_begin(f, HEIGHT, a->label);
	grid_y(f, &y);
	grid_x(f, &x, a);
	zs_svg_line(f, LEFT, HEIGHT - BOTTOM, ZS_DRAW_WIDTH - RIGHT, HEIGHT - BOTTOM, "axis");
	zs_svg_text(f, LEFT, TOP - 4, "start", "t-small", a->y);
	zs_svg_text(f, ZS_DRAW_WIDTH - RIGHT, HEIGHT - 8, "end", "t-small", a->x);
	for (uint32_t i = 0; i < count; i++)
		curve(f, &c[i], i, &x, &y, a->y);
	name_them(f, c, count, &x, &y);
	zs_svg_end(f);
}
