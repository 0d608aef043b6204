/* H is an integral of x^-s; helpers keep their value where s comes near 1 and x near 0. */
#include "core/zipf.h"

#include <math.h>
#include "core/draw.h"

/* log(1 + x) / x */
static double log1p_over(double x)
{
	return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x / 2;
}

/* (e^x - 1) / x */
static double expm1_over(double x)
{
	return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x / 2;
}

static double area(const struct zs_zipf *z, double x)
{
	double l = log(x);

	return expm1_over((1 - z->s) * l) * l;
}

static double area_inverse(const struct zs_zipf *z, double x)
{
	double t = x * (1 - z->s);

	if (t < -1)
		t = -1;
	return exp(log1p_over(t) * x);
}

static double height(const struct zs_zipf *z, double x)
{
	return exp(-z->s * log(x));
}

void zs_zipf_init(struct zs_zipf *z, uint32_t n, double s)
{
	*z = (struct zs_zipf){ .s = s, .n = n };
	z->low = area(z, 1.5) - 1;
	z->high = area(z, n + 0.5);
	z->accept = 2 - area_inverse(z, area(z, 2.5) - height(z, 2));
}

uint32_t zs_zipf_draw(const struct zs_zipf *z, uint64_t *random)
{
	for (;;) {
		double u = z->high + zs_draw_unit(random) * (z->low - z->high);
		double x = area_inverse(z, u), k = floor(x + 0.5);

		if (k < 1)
			k = 1;
		else if (k > z->n)
			k = z->n;
		if (k - x <= z->accept || u >= area(z, k + 0.5) - height(z, k))
			return (uint32_t)k - 1;
	}
}
