/* whitening.c - first values of a convolution that depend on data: filters that whiten the patches it sees. */
#include "model/model.h"

#include "base/eigen.h"
#include "base/size.h"

#include <math.h>

enum { MOST_VALUES = 512 /* of a patch */, PARTS = 16 /* of the images, each with sums of its own */ };

/* Images as patches of c x h x w values. */
typedef struct patches {
	const float *pixels;
	int64_t images, across, down; /* and patches in each */
	int64_t c, h, w, values;
	int64_t step_image, step_c, step_h, step_w;
	double *sums; /* of parts: products of values, below the diagonal and on it */
} patches;

static void read_patch(const patches *p, const float *at, double *values)
{
	for (int64_t c = 0; c < p->c; c++)
		for (int64_t y = 0; y < p->h; y++)
			for (int64_t x = 0; x < p->w; x++)
				*values++ = (double)at[c * p->step_c + y * p->step_h + x * p->step_w];
}

static void add_image(const patches *p, int64_t image, double *sums)
{
	double v[MOST_VALUES];
	for (int64_t y = 0; y < p->down; y++)
		for (int64_t x = 0; x < p->across; x++) {
			read_patch(p, p->pixels + image * p->step_image + y * p->step_h + x * p->step_w, v);
			for (int64_t i = 0; i < p->values; i++)
				for (int64_t k = 0; k <= i; k++)
					sums[i * p->values + k] += v[i] * v[k];
		}
}

static void add_part(void *user, int64_t part, int slot)
{
	(void)slot;
	const patches *p = user;
	int64_t end = (part + 1) * p->images / PARTS;
	for (int64_t image = part * p->images / PARTS; image < end; image++)
		add_image(p, image, p->sums + part * p->values * p->values);
}

/* The parts' sums, in order, over the number of patches, into the first part's; false where it is not finite. */
static bool find_covariance(const patches *p)
{
	double count = (double)(p->images * p->across * p->down);
	bool finite = true;
	for (int64_t i = 0; i < p->values; i++)
		for (int64_t k = 0; k <= i; k++) {
			double sum = 0.0;
			for (int64_t part = 0; part < PARTS; part++)
				sum += p->sums[(part * p->values + i) * p->values + k];
			p->sums[i * p->values + k] = p->sums[k * p->values + i] = sum / count;
			finite = finite && isfinite(sum);
		}
	return finite;
}

/* Filters in public order: the first eigenvectors, scaled, and their negatives. */
static void make_filters(const patches *p, const double *values, const double *vectors, double epsilon, int64_t filters,
			 float *weight)
{
	int64_t n = p->values, half = filters / 2;
	for (int64_t i = 0; i < half; i++) {
		const double *v = vectors + i * n;
		int64_t largest = 0;
		for (int64_t k = 1; k < n; k++)
			largest = fabs(v[k]) > fabs(v[largest]) ? k : largest;
		double factor = (v[largest] < 0.0 ? -1.0 : 1.0) / sqrt(fmax(values[i], 0.0) + epsilon);
		for (int64_t k = 0; k < n; k++) {
			weight[i * n + k] = (float)(v[k] * factor);
			weight[(half + i) * n + k] = -weight[i * n + k];
		}
	}
}

static nnopt_status check_weight(const nno_param *p)
{
	const int64_t *s = p->spec.shape;
	if (p->spec.groups != 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "initialise_whitening: '%s' is %s", p->name,
				p->spec.groups == 0 ? "no weight of a convolution" : "of a convolution with groups");
	int64_t values = s[1] * s[2] * s[3];
	if (values > MOST_VALUES)
		return nno_fail(NNOPT_ERROR_UNSUPPORTED,
				"initialise_whitening: '%s' sees patches of %lld values, at most %d wanted", p->name,
				(long long)values, MOST_VALUES);
	if (s[0] % 2 != 0 || s[0] > 2 * values)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"initialise_whitening: '%s' has %lld filters, an even number, at most %lld (2 C kh kw) "
				"wanted",
				p->name, (long long)s[0], (long long)(2 * values));
	return NNOPT_OK;
}

static nnopt_status check_images(const nno_param *p, const nnopt_tensor *images)
{
	const int64_t *s = p->spec.shape;
	if (images->dtype != NNOPT_F32 || images->rank != 4)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"initialise_whitening: images of type %s and rank %d, f32 and 4 (N, C, H, W) wanted",
				nnopt_dtype_name(images->dtype), images->rank);
	if (images->shape[0] < 1 || images->shape[1] != s[1] || images->shape[2] < s[2] || images->shape[3] < s[3])
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"initialise_whitening: images of shape (%lld, %lld, %lld, %lld), one or more of %lld "
				"channels and at least %lldx%lld pixels wanted",
				(long long)images->shape[0], (long long)images->shape[1], (long long)images->shape[2],
				(long long)images->shape[3], (long long)s[1], (long long)s[2], (long long)s[3]);
	return NNOPT_OK;
}

static patches patches_of(const nno_param *p, const nnopt_tensor *images)
{
	const int64_t *s = p->spec.shape, *x = images->shape;
	bool last = images->layout == NNOPT_NHWC;
	return (patches){ .pixels = nnopt_tensor_const_data(images),
			  .images = x[0],
			  .down = x[2] - s[2] + 1,
			  .across = x[3] - s[3] + 1,
			  .c = s[1],
			  .h = s[2],
			  .w = s[3],
			  .values = s[1] * s[2] * s[3],
			  .step_image = x[1] * x[2] * x[3],
			  .step_c = last ? 1 : x[2] * x[3],
			  .step_h = last ? x[1] * x[3] : x[3],
			  .step_w = last ? x[1] : 1 };
}

static nnopt_status whiten(nnopt_model *model, const nno_param *p, const nnopt_tensor *images, double epsilon)
{
	const nno_alloc *a = &model->context->alloc;
	patches x = patches_of(p, images);
	size_t square = (size_t)(x.values * x.values), doubles = PARTS * square + square + (size_t)x.values;
	nnopt_status status = NNOPT_OK;
	float *weight = nno_new_array(a, (size_t)p->count, sizeof *weight);
	x.sums = nno_new_array(a, doubles, sizeof *x.sums);
	if (x.sums == NULL || weight == NULL) {
		status = nno_fail_memory("initialise_whitening", doubles * sizeof *x.sums);
		goto out;
	}
	nno_parallel_for(model->context->pool, PARTS, add_part, &x);
	if (!find_covariance(&x)) {
		status = nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				  "initialise_whitening: images hold numbers that are not finite, or too large");
		goto out;
	}
	double *vectors = x.sums + PARTS * square, *values = vectors + square;
	nno_eigen_symmetric(x.sums, x.values, values, vectors);
	make_filters(&x, values, vectors, epsilon, p->spec.shape[0], weight);
	for (int64_t i = 0; i < p->count; i++)
		if (!isfinite(weight[i])) {
			status = nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					  "initialise_whitening: with epsilon %g a filter is beyond a float", epsilon);
			goto out;
		}
	nno_param_to_storage(p, nno_param_data(model, p), weight);
out:
	nno_delete(a, x.sums);
	nno_delete(a, weight);
	return status;
}

nnopt_status nnopt_model_initialise_whitening(nnopt_model *model, int32_t index, const nnopt_tensor *images,
					      double epsilon)
{
	if (model == NULL || images == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "initialise_whitening: %s is NULL",
				model == NULL ? "model" : "images");
	if (!model->built)
		return nno_fail(NNOPT_ERROR_STATE, "initialise_whitening: the model is not built");
	if (index < 0 || index >= model->n_params)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "initialise_whitening: index %d, 0 to %d wanted", index,
				model->n_params - 1);
	if (!(epsilon > 0.0 && epsilon <= 1e30))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "initialise_whitening: epsilon %g, above 0 wanted",
				epsilon);
	const nno_param *p = &model->params[index];
	NNO_TRY(check_weight(p));
	NNO_TRY(check_images(p, images));
	return whiten(model, p, images, epsilon);
}
