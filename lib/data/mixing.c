/* mixing.c - mixup and CutMix of a whole batch. H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR
 * 2018; S. Yun et al., "CutMix", ICCV 2019. Pairs, rectangle and arithmetic are those of torchvision.transforms.v2, to
 * the bit; taking one of the two by chance is timm's way. */
#include "data/mixing.h"

#include "base/size.h"

#include <math.h>
#include <string.h>

bool nno_mixing_wanted(const nnopt_loader_options *o) { return o->mixup_alpha > 0.0 || o->cutmix_alpha > 0.0; }

nnopt_status nno_mixing_check(const nnopt_loader_options *o)
{
	const double alphas[2] = { o->mixup_alpha, o->cutmix_alpha };
	for (int i = 0; i < 2; i++)
		if (!(alphas[i] == 0.0 || (alphas[i] >= 1e-6 && alphas[i] <= 1e6)))
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"loader_options: %s %g, 0 (off) or 1e-6 to 1e6 wanted",
					i == 0 ? "mixup_alpha" : "cutmix_alpha", alphas[i]);
	if (!(o->mix_probability >= 0.0 && o->mix_probability <= 1.0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "loader_options: mix_probability %g, 0 to 1 wanted",
				o->mix_probability);
	return NNOPT_OK;
}

/* Uniform in (0, 1], to take logarithms of. */
static double above_zero(nno_rng *r) { return 1.0 - nno_rng_uniform_double(r); }

/* G. Marsaglia and W. W. Tsang, "A simple method for generating gamma variables", 2000; alpha >= 1. */
static double gamma_of(nno_rng *r, double alpha)
{
	double d = alpha - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
	for (;;) {
		double x = (double)nno_rng_normal(r), v = 1.0 + c * x;
		v = v * v * v;
		if (v > 0.0 && log(above_zero(r)) < 0.5 * x * x + d - d * v + d * log(v))
			return d * v;
	}
}

/* Beta(alpha, alpha). Below 1 M. D. Jöhnk's method of 1964, in logarithms, as small powers of uniform numbers leave the
 * range of a double. */
static double beta_of(nno_rng *r, double alpha)
{
	if (alpha > 1.0) {
		double x = gamma_of(r, alpha);
		return x / (x + gamma_of(r, alpha));
	}
	for (;;) {
		double x = log(above_zero(r)) / alpha, y = log(above_zero(r)) / alpha;
		double top = x > y ? x : y;
		if (top + log(exp(x - top) + exp(y - top)) <= 0.0)
			return 1.0 / (1.0 + exp(y - x));
	}
}

void nno_mixing_box(nno_mixing *m, int64_t y, int64_t x, int64_t h, int64_t w)
{
	double r = 0.5 * sqrt(1.0 - m->lambda);
	int64_t half_h = (int64_t)(r * (double)h), half_w = (int64_t)(r * (double)w);
	m->top = nno_i64_max(y - half_h, 0);
	m->bottom = nno_i64_min(y + half_h, h);
	m->left = nno_i64_max(x - half_w, 0);
	m->right = nno_i64_min(x + half_w, w);
	m->lambda = 1.0 - (double)((m->bottom - m->top) * (m->right - m->left)) / (double)(h * w);
}

void nno_mixing_draw(nno_mixing *m, const nnopt_loader_options *o, uint64_t seed, int64_t epoch, int64_t batch,
		     int64_t h, int64_t w)
{
	nno_rng r;
	nno_rng_start(&r, seed, NNO_RNG_MIX, (uint64_t)epoch, (uint64_t)batch);
	double chance = nno_rng_uniform_double(&r), choice = nno_rng_uniform_double(&r);
	*m = (nno_mixing){ .kind = NNO_MIX_NOTHING, .lambda = 1.0 };
	if (chance >= o->mix_probability)
		return;
	bool cut = o->cutmix_alpha > 0.0 && (o->mixup_alpha == 0.0 || choice < 0.5);
	m->kind = cut ? NNO_MIX_CUT : NNO_MIX_UP;
	m->lambda = beta_of(&r, cut ? o->cutmix_alpha : o->mixup_alpha);
	if (cut) {
		int64_t x = (int64_t)nno_rng_below(&r, (uint64_t)w), y = (int64_t)nno_rng_below(&r, (uint64_t)h);
		nno_mixing_box(m, y, x, h, w);
	}
}

/* The rectangle of one picture, by rows. */
static void copy_box(const nno_mixing *m, float *dst, const float *src, int64_t w, int64_t c)
{
	size_t bytes = (size_t)((m->right - m->left) * c) * sizeof *dst;
	for (int64_t y = m->top; y < m->bottom; y++)
		memcpy(dst + (y * w + m->left) * c, src + (y * w + m->left) * c, bytes);
}

void nno_mixing_images(const nno_mixing *m, const nno_kernels *kernels, float *images, int64_t n, int64_t h, int64_t w,
		       int64_t c, float *spare)
{
	int64_t each = h * w * c;
	if (m->kind == NNO_MIX_NOTHING || n < 1)
		return;
	/* From the last to the first, so that every partner is still itself; that of the first is kept. */
	memcpy(spare, images + (n - 1) * each, (size_t)each * sizeof *spare);
	for (int64_t i = n - 1; i >= 0; i--) {
		float *own = images + i * each;
		const float *partner = i > 0 ? own - each : spare;
		if (m->kind == NNO_MIX_CUT)
			copy_box(m, own, partner, w, c);
		else
			kernels->blend_f32(own, partner, (float)(1.0 - m->lambda), own, (float)m->lambda, each);
	}
}

void nno_mixing_targets(const nno_mixing *m, float *targets, const int32_t *labels, int64_t n, int64_t classes)
{
	float own = (float)m->lambda, rest = (float)(1.0 - m->lambda);
	memset(targets, 0, (size_t)(n * classes) * sizeof *targets);
	for (int64_t i = 0; i < n; i++) {
		float *row = targets + i * classes;
		if (m->kind == NNO_MIX_NOTHING) {
			row[labels[i]] = 1.0f;
			continue;
		}
		row[labels[i > 0 ? i - 1 : n - 1]] = rest;
		row[labels[i]] += own;
	}
}
