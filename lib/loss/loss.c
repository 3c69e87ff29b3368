/* loss.c - what all losses share: arguments, chunks, the fixed-order sum, the list of kinds. */
#include "loss/loss.h"

#include "base/size.h"

#include <math.h>
#include <string.h>

static const nno_loss_class *const kinds[] = {
#define NNO_LOSS(kind) &nno_loss_##kind,
#include "loss/kinds.inc"
#undef NNO_LOSS
};

nnopt_status nno_loss_create(nnopt_loss **out, nnopt_context *context, const nno_loss_class *cls, const void *attr,
			     int32_t reduction)
{
	if (out == NULL || context == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s_create: %s is NULL", cls->name,
				out == NULL ? "out" : "context");
	if (reduction != NNOPT_REDUCTION_MEAN && reduction != NNOPT_REDUCTION_SUM)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: reduction %d, mean (0) or sum (1) wanted", cls->name,
				(int)reduction);
	const nno_alloc *alloc = &context->alloc;
	nnopt_loss *loss = nno_new(alloc, sizeof *loss);
	if (loss == NULL)
		return nno_fail_memory(cls->name, sizeof *loss);
	loss->attr = nno_new(alloc, cls->attr_size);
	if (loss->attr == NULL) {
		nno_delete(alloc, loss);
		return nno_fail_memory(cls->name, cls->attr_size);
	}
	if (cls->attr_size > 0)
		memcpy(loss->attr, attr, cls->attr_size);
	loss->cls = cls;
	loss->reduction = (nnopt_reduction)reduction;
	loss->context = nno_context_take(context);
	*out = loss;
	return NNOPT_OK;
}

void nnopt_loss_destroy(nnopt_loss *loss)
{
	if (loss == NULL)
		return;
	nnopt_context *context = loss->context;
	if (loss->cls->release != NULL)
		loss->cls->release(loss->attr, &context->alloc);
	nnopt_tensor_destroy(loss->turned);
	nno_delete(&context->alloc, loss->parts);
	nno_delete(&context->alloc, loss->attr);
	nno_delete(&context->alloc, loss);
	nno_context_drop(context);
}

nnopt_status nno_loss_copy_weights(float **out, nnopt_context *context, const float *weights, int64_t count,
				   const char *what)
{
	*out = NULL;
	if (weights == NULL && count == 0)
		return NNOPT_OK;
	if (context == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: context is NULL", what);
	if (weights == NULL || count < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %lld weights at %s, both or neither wanted", what,
				(long long)count, weights == NULL ? "NULL" : "an address");
	for (int64_t i = 0; i < count; i++)
		if (!(isfinite(weights[i]) && weights[i] >= 0.0f))
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"%s: weight %lld is %g, finite and at least 0 wanted", what, (long long)i,
					(double)weights[i]);
	float *copy = nno_new_array(&context->alloc, (size_t)count, sizeof *copy);
	if (copy == NULL)
		return nno_fail_memory(what, (size_t)count * sizeof *copy);
	memcpy(copy, weights, (size_t)count * sizeof *copy);
	*out = copy;
	return NNOPT_OK;
}

static bool same_shape(const nnopt_tensor *a, const nnopt_tensor *b)
{
	return a->rank == b->rank && memcmp(a->shape, b->shape, (size_t)a->rank * sizeof a->shape[0]) == 0;
}

nnopt_status nno_loss_take_target(nno_loss_call *call)
{
	const nnopt_tensor *x = call->prediction, *t = call->target;
	nnopt_loss *loss = call->loss;
	if (t->dtype != NNOPT_F32 || !same_shape(x, t)) {
		char got[NNO_SHAPE_TEXT], wanted[NNO_SHAPE_TEXT];
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: target %s %s, f32 %s as the prediction wanted",
				loss->cls->name, nnopt_dtype_name(t->dtype), nno_shape_text(got, t->shape, t->rank),
				nno_shape_text(wanted, x->shape, x->rank));
	}
	if (t->layout != x->layout) {
		nnopt_tensor *turned = loss->turned;
		if (turned == NULL || !same_shape(turned, x) || turned->layout != x->layout) {
			NNO_TRY(nnopt_tensor_create(&turned, loss->context, NNOPT_F32, x->rank, x->shape, x->layout));
			nnopt_tensor_destroy(loss->turned);
			loss->turned = turned;
		}
		NNO_TRY(nnopt_tensor_copy(turned, t));
		t = turned;
	}
	call->t = nnopt_tensor_const_data(t);
	return NNOPT_OK;
}

static bool overlap(const nnopt_tensor *a, const nnopt_tensor *b)
{
	const char *x = a->data, *y = b->data;
	size_t n = nnopt_tensor_bytes(a), m = nnopt_tensor_bytes(b);
	return n > 0 && m > 0 && x < y + m && y < x + n;
}

/* The target is NULL where none is looked at. */
static nnopt_status check_gradient(const nnopt_loss *loss, const nnopt_tensor *x, const nnopt_tensor *target,
				   const nnopt_tensor *gradient)
{
	if (gradient->dtype != NNOPT_F32 || !same_shape(x, gradient) || gradient->layout != x->layout) {
		char got[NNO_SHAPE_TEXT], wanted[NNO_SHAPE_TEXT];
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"%s: gradient %s %s, f32 %s in the prediction's layout wanted", loss->cls->name,
				nnopt_dtype_name(gradient->dtype), nno_shape_text(got, gradient->shape, gradient->rank),
				nno_shape_text(wanted, x->shape, x->rank));
	}
	const char *what = overlap(gradient, x)                                        ? "prediction"
			   : target != NULL && overlap(gradient, target)               ? "target"
			   : loss->teacher != NULL && overlap(gradient, loss->teacher) ? "teacher's logits"
										       : NULL;
	if (what != NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: gradient overlaps the %s, memory of its own wanted",
				loss->cls->name, what);
	return NNOPT_OK;
}

static nnopt_status make_parts(nnopt_loss *loss, int64_t chunks)
{
	if (chunks <= loss->part_capacity)
		return NNOPT_OK;
	nno_loss_part *parts = nno_new_array(&loss->context->alloc, (size_t)chunks, sizeof *parts);
	if (parts == NULL)
		return nno_fail_memory(loss->cls->name, (size_t)chunks * sizeof *parts);
	nno_delete(&loss->context->alloc, loss->parts);
	loss->parts = parts;
	loss->part_capacity = chunks;
	return NNOPT_OK;
}

static void run_chunk(void *user, int64_t chunk, int slot)
{
	(void)slot;
	const nno_loss_call *call = user;
	int64_t begin = chunk * call->rows_in_chunk;
	int64_t end = nno_i64_min(call->rows, begin + call->rows_in_chunk);
	call->parts[chunk] = (nno_loss_part){ 0 };
	call->run(call, begin, end, &call->parts[chunk]);
}

void nno_loss_over_rows(nno_loss_call *call, nno_loss_rows run)
{
	int64_t chunks = nno_i64_ceil_div(call->rows, call->rows_in_chunk);
	nno_loss_part *total = &call->total;
	call->run = run;
	nno_parallel_for(call->loss->context->pool, chunks, run_chunk, call);
	for (int64_t i = 0; i < chunks; i++) {
		const nno_loss_part *part = &call->parts[i];
		total->value += part->value;
		total->correct += part->correct;
		total->weight += part->weight;
		total->count += part->count;
		total->active += part->active;
	}
}

static nnopt_status compute(nno_loss_call *call, nnopt_loss_result *result)
{
	nnopt_loss *loss = call->loss;
	bool mean = loss->reduction == NNOPT_REDUCTION_MEAN;
	NNO_TRY(loss->cls->check(call));
	if (call->rows_in_chunk == 0)
		call->rows_in_chunk = nno_i64_max(1, NNO_LOSS_CHUNK / nno_i64_max(1, call->columns));
	NNO_TRY(make_parts(loss, nno_i64_ceil_div(call->rows, call->rows_in_chunk)));
	call->parts = loss->parts;
	if (loss->cls->prepare != NULL)
		NNO_TRY(loss->cls->prepare(call));
	/* The mean of nothing is NaN, as PyTorch's, or 0; its gradient is 0, as PyTorch's. */
	call->slope = !mean ? call->scale : call->weight > 0.0 ? call->scale / call->weight : 0.0;
	nno_loss_over_rows(call, loss->cls->run);
	bool none = loss->cls->zero_of_none && call->weight == 0.0;
	double value = mean && !none ? call->total.value / call->weight : call->total.value;
	*result = (nnopt_loss_result){
		.struct_size = sizeof *result,
		.value = value,
		.weight = call->weight,
		.count = call->count,
		.correct = call->total.correct,
		.finite = isfinite(value) != 0,
		.active = call->total.active,
	};
	return NNOPT_OK;
}

static nnopt_status check_and_compute(nnopt_loss *loss, const nnopt_tensor *prediction, const nnopt_tensor *target,
				      float gradient_scale, nnopt_tensor *gradient, nnopt_loss_result *result)
{
	if (prediction == NULL || (target == NULL && !loss->cls->ignores_target))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s is NULL", loss->cls->name,
				prediction == NULL ? "prediction" : "target");
	NNO_TRY(nnopt_result_check(result, "loss_result"));
	if (prediction->dtype != NNOPT_F32)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: prediction %s, f32 wanted", loss->cls->name,
				nnopt_dtype_name(prediction->dtype));
	if (gradient != NULL)
		NNO_TRY(check_gradient(loss, prediction, loss->cls->ignores_target ? NULL : target, gradient));
	int64_t rows = prediction->rank > 0 ? prediction->shape[0] : 1;
	nno_loss_call call = {
		.loss = loss,
		.prediction = prediction,
		.target = target,
		.x = nnopt_tensor_const_data(prediction),
		.gradient = gradient != NULL ? nnopt_tensor_data(gradient) : NULL,
		.scale = gradient_scale,
		.rows = rows,
		.columns = rows > 0 ? prediction->count / rows : 0,
	};
	nnopt_loss_result ours;
	NNO_TRY(compute(&call, &ours));
	nnopt_result_give(result, &ours, sizeof ours);
	return NNOPT_OK;
}

nnopt_status nnopt_loss_compute(nnopt_loss *loss, const nnopt_tensor *prediction, const nnopt_tensor *target,
				float gradient_scale, nnopt_tensor *gradient, nnopt_loss_result *result)
{
	if (loss == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "loss_compute: loss is NULL");
	nnopt_status status = check_and_compute(loss, prediction, target, gradient_scale, gradient, result);
	loss->teacher = NULL;
	return status;
}

nnopt_status nnopt_loss_set_teacher(nnopt_loss *loss, const nnopt_tensor *teacher_logits)
{
	if (loss == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "loss_set_teacher: loss is NULL");
	if (!loss->cls->takes_teacher)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"%s: takes no teacher, a loss that learns from one, such as distillation, wanted",
				loss->cls->name);
	loss->teacher = teacher_logits;
	return NNOPT_OK;
}

int32_t nnopt_loss_takes_teacher(const nnopt_loss *loss) { return loss != NULL && loss->cls->takes_teacher; }

nnopt_reduction nnopt_loss_reduction(const nnopt_loss *loss)
{
	return loss != NULL ? loss->reduction : NNOPT_REDUCTION_MEAN;
}

const char *nnopt_loss_kind(const nnopt_loss *loss) { return loss == NULL ? "" : loss->cls->name; }

int32_t nnopt_loss_kind_count(void) { return (int32_t)NNO_COUNT(kinds); }

const char *nnopt_loss_kind_name(int32_t index)
{
	return index < 0 || index >= nnopt_loss_kind_count() ? NULL : kinds[index]->name;
}
