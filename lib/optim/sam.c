/* sam.c - sharpness-aware minimisation (Foret et al. 2021; Kwon et al. 2021): up the gradient to the worst weights
 * nearby, and back. It goes over the optimizer's own pieces, so frozen weights stay, and the norm has the same bits at
 * any thread count. */
#include "model/late.h"
#include "optim/optim.h"

#include <math.h>
#include <string.h>

typedef struct ascent {
	nno_update_pass pass;
	float factor;
	bool adaptive;
} ascent;

static void sum_products(void *user, int64_t chunk, int slot)
{
	(void)slot;
	const ascent *a = user;
	const nnopt_optimizer *o = a->pass.o;
	double total = 0.0;
	for (int64_t i = o->first[chunk]; i < o->first[chunk + 1]; i++) {
		const nno_piece *piece = &o->pieces[i];
		double sum;
		o->context->kernels->sum_product_squares_f32(a->pass.parameters + piece->begin,
							     a->pass.gradients + piece->begin,
							     piece->end - piece->begin, &sum);
		total += sum;
	}
	o->partial[chunk] = total;
}

static void climb(void *user, int64_t chunk, int slot)
{
	(void)slot;
	const ascent *a = user;
	const nnopt_optimizer *o = a->pass.o;
	for (int64_t i = o->first[chunk]; i < o->first[chunk + 1]; i++) {
		const nno_piece *piece = &o->pieces[i];
		float *w = a->pass.parameters + piece->begin;
		const float *g = a->pass.gradients + piece->begin;
		int64_t n = piece->end - piece->begin;
		memcpy(o->saved + piece->begin, w, (size_t)n * sizeof *w);
		if (a->adaptive)
			o->context->kernels->ascend_f32(w, g, a->factor, n);
		else
			o->context->kernels->add_scaled_f32(w, g, a->factor, n);
	}
}

static void go_back(void *user, int64_t chunk, int slot)
{
	(void)slot;
	const ascent *a = user;
	const nnopt_optimizer *o = a->pass.o;
	for (int64_t i = o->first[chunk]; i < o->first[chunk + 1]; i++) {
		const nno_piece *piece = &o->pieces[i];
		memcpy(a->pass.parameters + piece->begin, o->saved + piece->begin,
		       (size_t)(piece->end - piece->begin) * sizeof(float));
	}
}

/* |w g| of all that is trainable. */
static double product_norm(nnopt_optimizer *o, ascent *a)
{
	nno_parallel_for(o->context->pool, o->chunk_count, sum_products, a);
	double squares = 0.0;
	for (int64_t i = 0; i < o->chunk_count; i++)
		squares += o->partial[i];
	return sqrt(squares);
}

static nnopt_status make_room(nnopt_optimizer *o)
{
	if (o->saved == NULL)
		o->saved = nno_new_array(&o->context->alloc, (size_t)o->elements, sizeof *o->saved);
	return o->saved != NULL ? NNOPT_OK : nno_fail_memory("sam_perturb", (size_t)o->elements * sizeof *o->saved);
}

nnopt_status nnopt_sam_perturb(nnopt_optimizer *optimizer, nnopt_model *model, double rho, int32_t adaptive,
			       float gradient_scale, nnopt_step_result *result)
{
	if (optimizer == NULL || model == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "sam_perturb: %s is NULL",
				optimizer == NULL ? "optimizer" : "model");
	if (!(isfinite(rho) && rho > 0.0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "sam_perturb: rho %g, finite and above 0 wanted", rho);
	if (!isfinite(gradient_scale))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "sam_perturb: gradient_scale %g, a finite one wanted",
				(double)gradient_scale);
	if (result != NULL)
		NNO_TRY(nnopt_result_check(result, "step_result"));
	nnopt_model_blocks blocks;
	NNO_TRY(nno_optimizer_ready(optimizer, model, NULL, "sam_perturb", &blocks));
	NNO_TRY(nno_model_check_gradients("sam_perturb", model));
	NNO_TRY(make_room(optimizer));
	ascent a = { .pass = { optimizer, blocks.parameters, blocks.gradients }, .adaptive = adaptive != 0 };
	nnopt_step_result ours = { .struct_size = sizeof ours };
	ours.gradient_norm = nno_optimizer_norm(optimizer, blocks.gradients, gradient_scale);
	double norm = a.adaptive ? product_norm(optimizer, &a) * fabs((double)gradient_scale) : ours.gradient_norm;
	ours.finite = isfinite(ours.gradient_norm) && isfinite(norm);
	if (ours.finite) {
		/* The scale is in the gradient and in its norm, but for its sign. */
		a.factor = (float)(rho * (double)gradient_scale / (norm + 1e-12));
		nno_parallel_for(optimizer->context->pool, optimizer->chunk_count, climb, &a);
		optimizer->ascended = true;
	}
	if (result != NULL)
		nnopt_result_give(result, &ours, sizeof ours);
	return NNOPT_OK;
}

int32_t nnopt_sam_perturbed(const nnopt_optimizer *optimizer) { return optimizer != NULL && optimizer->ascended; }

nnopt_status nnopt_sam_restore(nnopt_optimizer *optimizer, nnopt_model *model)
{
	if (optimizer == NULL || model == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "sam_restore: %s is NULL",
				optimizer == NULL ? "optimizer" : "model");
	if (!optimizer->ascended)
		return NNOPT_OK;
	nnopt_model_blocks blocks = { .struct_size = sizeof blocks };
	NNO_TRY(nnopt_model_get_blocks(model, &blocks));
	if (optimizer->identity != blocks.identity)
		return nno_fail(NNOPT_ERROR_STATE,
				"sam_restore: another model than the one perturbed, or a layer was replaced since");
	ascent a = { .pass = { optimizer, blocks.parameters, NULL } };
	nno_parallel_for(optimizer->context->pool, optimizer->chunk_count, go_back, &a);
	optimizer->ascended = false;
	return NNOPT_OK;
}
