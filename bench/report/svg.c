#include "report/draw.h"

#include <math.h>
#include <string.h>

void zs_text(FILE *f, const char *text)
{
	for (const char *c = text; *c; c++)
		switch (*c) {
		case '<':
			fputs("&lt;", f);
			break;
		case '&':
			fputs("&amp;", f);
			break;
		case '"':
			fputs("&quot;", f);
			break;
		default:
			fputc(*c, f);
		}
}

void zs_svg_begin(FILE *f, double height, const char *label)
{
	fprintf(f, "<figure><svg viewBox=\"0 0 %d %.0f\" role=\"img\" aria-label=\"", ZS_DRAW_WIDTH, height);
	zs_text(f, label);
	fputs("\">\n", f);
}

void zs_svg_end(FILE *f)
{
	fputs("</svg></figure>\n", f);
}

static void close_shape(FILE *f, const char *name, const char *tip)
{
	if (tip && *tip) {
		fputs("><title>", f);
		zs_text(f, tip);
		fprintf(f, "</title></%s>\n", name);
	} else
		fputs("/>\n", f);
}

void zs_svg_rect(FILE *f, double x, double y, double w, double h, const char *class, const char *tip)
{
	fprintf(f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"%s\"", x, y,
		w > 0 ? w : 0, h, class);
	close_shape(f, "rect", tip);
}

void zs_svg_line(FILE *f, double x1, double y1, double x2, double y2, const char *class)
{
	fprintf(f, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n", x1, y1, x2, y2,
		class);
}

void zs_svg_dot(FILE *f, double x, double y, double r, const char *class, const char *tip)
{
	fprintf(f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" class=\"%s\"", x, y, r, class);
	close_shape(f, "circle", tip);
}

void zs_svg_text(FILE *f, double x, double y, const char *anchor, const char *class, const char *text)
{
	fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">", x, y, anchor, class);
	zs_text(f, text);
	fputs("</text>\n", f);
}

void zs_number(char out[32], double v)
{
	char digits[32];
	size_t n, k = 0;

	if (fabs(v) < 1000) {
		snprintf(out, 32, "%.*f", v == floor(v) || fabs(v) >= 100 ? 0 : fabs(v) >= 10 ? 1 : 2, v);
		return;
	}
	n = (size_t)snprintf(digits, sizeof(digits), "%.0f", v);
	for (size_t i = 0; i < n && k + 5 < 32; i++) {
		out[k++] = digits[i];
		if ((n - 1 - i) % 3 == 0 && i + 1 < n) {
			memcpy(out + k, "\xe2\x80\xaf", 3); /* a narrow space that does not break */
			k += 3;
		}
	}
	out[k] = 0;
}

double zs_round_up(double v)
{
	static const double steps[] = { 1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10 };
	double ten = pow(10, floor(log10(v > 0 ? v : 1)));

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (steps[i] * ten >= v * 0.9999)
			return steps[i] * ten;
	return 10 * ten;
}

const char *zs_text_of(const json_t *o, const char *key)
{
	const char *v = json_string_value(json_object_get(o, key));

	return v ? v : "";
}

double zs_number_of(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

const json_t *zs_metric_of(const json_t *report, const char *name)
{
	const json_t *m;
	size_t i;

	json_array_foreach(json_object_get(report, "metrics"), i,
			   m) if (!strcmp(zs_text_of(m, "name"), name)) return m;
	return NULL;
}
