/* Pieces of the page: text that is escaped, SVG shapes by class, and the drawings made of them. Colours are the style sheet's
 * (c0 to c11, and the words of style.c). */
#ifndef ZS_BENCH_REPORT_DRAW_H
#define ZS_BENCH_REPORT_DRAW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define ZS_DRAW_WIDTH 980
#define ZS_CURVES     8
#define ZS_POINTS     16

/* style.c: all of the style sheet. */
extern const char zs_report_style[];

/* --- svg.c --- */

void zs_text(FILE *f, const char *text); /* escaped */
void zs_svg_begin(FILE *f, double height, const char *label);
void zs_svg_end(FILE *f);
void zs_svg_rect(FILE *f, double x, double y, double w, double h, const char *class, const char *tip);
void zs_svg_line(FILE *f, double x1, double y1, double x2, double y2, const char *class);
void zs_svg_dot(FILE *f, double x, double y, double r, const char *class, const char *tip);
/* anchor: "start", "middle", "end". */
void zs_svg_text(FILE *f, double x, double y, const char *anchor, const char *class, const char *text);
/* A number as people write it: three digits that count, thin spaces between thousands. */
void zs_number(char out[32], double v);
/* The next round number at or above v: 1, 1.2, 1.5, 2, … 8 times a power of ten. */
double zs_round_up(double v);

/* --- json --- */

const char *zs_text_of(const json_t *o, const char *key); /* "" when it is not there */
double zs_number_of(const json_t *o, const char *key);	  /* 0 */
const json_t *zs_metric_of(const json_t *report, const char *name);

/* --- bars.c --- */

struct zs_segment_bar {
	const char *name;
	double value;
};
/* One row a bar, made of segments; `spread` from and to as a whisker at its end. */
struct zs_bar {
	char label[96], note[96];
	struct zs_segment_bar part[16];
	uint32_t parts;
	double low, high;
	bool faded;
};
/* Segments of one name have one colour; a legend stands above when there is more than one name. */
void zs_draw_bars(FILE *f, const struct zs_bar *bar, uint32_t count, const char *unit);

/* --- curves.c --- */

struct zs_curve {
	char name[64];
	uint32_t points;
	double x[ZS_POINTS], y[ZS_POINTS], low[ZS_POINTS], high[ZS_POINTS];
	double goal[ZS_POINTS]; /* 0: none */
};
struct zs_axes {
	const char *x, *y, *label;
	bool log_x, log_y;
	const char *tick[ZS_POINTS]; /* at 0, 1, 2, …: NULL: numbers */
};
void zs_draw_curves(FILE *f, const struct zs_curve *curve, uint32_t count, const struct zs_axes *axes);

/* A metric's samples as dots on a line, for a table's cell. */
void zs_draw_strip(FILE *f, const json_t *samples);

#endif
