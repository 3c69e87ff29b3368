/* activation.c - element-wise functions and their derivatives, and softmax over channels. A task is a chunk of elements (of
 * pixels, for softmax). */
#include "op/op.h"

#include "op/parallel.h"

#include <math.h>

typedef float (*value_fn)(float x, const nno_act_attr *a);
/* The derivative from the input x and the result y; each uses one of them, as its class says. A NaN lets the gradient pass,
 * as in PyTorch: it must not vanish from sight. */
typedef float (*slope_fn)(float x, float y, const nno_act_attr *a);

static float relu(float x, const nno_act_attr *a) { (void)a; return x < 0.0f ? 0.0f : x; }
static float relu_slope(float x, float y, const nno_act_attr *a) { (void)x; (void)a; return y <= 0.0f ? 0.0f : 1.0f; }
static float leaky(float x, const nno_act_attr *a) { return x < 0.0f ? x * a->slope : x; }
static float leaky_slope(float x, float y, const nno_act_attr *a) { (void)y; return x > 0.0f ? 1.0f : a->slope; }
static float relu6(float x, const nno_act_attr *a) { (void)a; return x < 0.0f ? 0.0f : x > 6.0f ? 6.0f : x; }
static float relu6_slope(float x, float y, const nno_act_attr *a) { (void)x; (void)a; return y <= 0.0f || y >= 6.0f ? 0.0f : 1.0f; }
static float sigmoid_of(float x) { return 1.0f / (1.0f + expf(-x)); }
static float sigmoid(float x, const nno_act_attr *a) { (void)a; return sigmoid_of(x); }
static float sigmoid_slope(float x, float y, const nno_act_attr *a) { (void)x; (void)a; return y * (1.0f - y); }
static float tanh_value(float x, const nno_act_attr *a) { (void)a; return tanhf(x); }
static float tanh_slope(float x, float y, const nno_act_attr *a) { (void)x; (void)a; return 1.0f - y * y; }
static float silu(float x, const nno_act_attr *a) { (void)a; return x * sigmoid_of(x); }

static float silu_slope(float x, float y, const nno_act_attr *a)
{
	(void)y;
	(void)a;
	float s = sigmoid_of(x);
	return s * (1.0f + x * (1.0f - s));
}

#define SQRT_2_OVER_PI 0.7978845608f
#define GELU_CUBIC 0.044715f

static float gelu(float x, const nno_act_attr *a)
{
	if (a->tanh_form)
		return 0.5f * x * (1.0f + tanhf(SQRT_2_OVER_PI * (x + GELU_CUBIC * x * x * x)));
	return 0.5f * x * (1.0f + erff(x * 0.7071067812f));
}

static float gelu_slope(float x, float y, const nno_act_attr *a)
{
	(void)y;
	if (a->tanh_form) {
		float t = tanhf(SQRT_2_OVER_PI * (x + GELU_CUBIC * x * x * x));
		float rise = 0.5f * x * (1.0f - t * t);
		/* Where tanh is flat the square of x may be infinite, and its product with 0 no number. */
		rise = rise == 0.0f ? 0.0f : rise * SQRT_2_OVER_PI * (1.0f + 3.0f * GELU_CUBIC * x * x);
		return 0.5f * (1.0f + t) + rise;
	}
	return 0.5f * (1.0f + erff(x * 0.7071067812f)) + x * 0.3989422804f * expf(-0.5f * x * x);
}

static const struct {
	const nno_op_class *cls;
	value_fn value;
	slope_fn slope;
} functions[] = {
	{ &nno_op_relu, relu, relu_slope },          { &nno_op_leaky_relu, leaky, leaky_slope },
	{ &nno_op_relu6, relu6, relu6_slope },       { &nno_op_gelu, gelu, gelu_slope },
	{ &nno_op_silu, silu, silu_slope },          { &nno_op_sigmoid, sigmoid, sigmoid_slope },
	{ &nno_op_tanh, tanh_value, tanh_slope },
};

typedef struct act_job {
	const nno_op *op;
	nno_run *run;
	value_fn value;
	slope_fn slope;
	int64_t count;
} act_job;

static act_job start_job(const nno_op *op, nno_run *run)
{
	act_job j = { .op = op, .run = run, .count = run->n * nno_shape_count(op->out) };
	for (size_t i = 0; i < NNO_COUNT(functions); i++)
		if (functions[i].cls == op->cls) {
			j.value = functions[i].value;
			j.slope = functions[i].slope;
		}
	return j;
}

static bool book(nno_op *op, int slots)
{
	(void)op;
	(void)slots;
	return true;
}

static void forward_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const act_job *j = user;
	const float *src = j->run->src[0] + index * NNO_CHUNK;
	float *dst = j->run->dst + index * NNO_CHUNK;
	int64_t n = nno_chunk_length(j->count, index);
	for (int64_t i = 0; i < n; i++)
		dst[i] = j->value(src[i], j->op->attr);
}

static void backward_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const act_job *j = user;
	int64_t at = index * NNO_CHUNK, n = nno_chunk_length(j->count, index);
	const float *from = (j->op->cls->needs_src ? j->run->src[0] : j->run->dst) + at;
	const float *ddst = j->run->ddst + at;
	float *dsrc = j->run->dsrc[0] + at;
	for (int64_t i = 0; i < n; i++) {
		float g = ddst[i] * j->slope(from[i], from[i], j->op->attr);
		dsrc[i] = j->run->dsrc_add[0] ? dsrc[i] + g : g;
	}
}

static void forward(const nno_op *op, nno_run *run)
{
	act_job j = start_job(op, run);
	nno_parallel_for(run->pool, nno_chunks(j.count), forward_chunk, &j);
}

static void backward(const nno_op *op, nno_run *run)
{
	act_job j = start_job(op, run);
	if (run->dsrc[0] != NULL)
		nno_parallel_for(run->pool, nno_chunks(j.count), backward_chunk, &j);
}

#define PIXELS 256

static void softmax_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const act_job *j = user;
	int64_t c = j->op->out.c, pixels = j->count / c, to = (index + 1) * PIXELS < pixels ? (index + 1) * PIXELS : pixels;
	for (int64_t p = index * PIXELS; p < to; p++) {
		const float *x = j->run->src[0] + p * c;
		float *y = j->run->dst + p * c;
		float most = x[0], sum = 0.0f;
		for (int64_t i = 1; i < c; i++)
			most = x[i] > most ? x[i] : most;
		for (int64_t i = 0; i < c; i++)
			sum += y[i] = expf(x[i] - most);
		for (int64_t i = 0; i < c; i++)
			y[i] /= sum;
	}
}

static void softmax_back_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const act_job *j = user;
	int64_t c = j->op->out.c, pixels = j->count / c, to = (index + 1) * PIXELS < pixels ? (index + 1) * PIXELS : pixels;
	for (int64_t p = index * PIXELS; p < to; p++) {
		const float *y = j->run->dst + p * c, *dy = j->run->ddst + p * c;
		float *dx = j->run->dsrc[0] + p * c;
		float dot = 0.0f;
		for (int64_t i = 0; i < c; i++)
			dot += y[i] * dy[i];
		for (int64_t i = 0; i < c; i++) {
			float g = y[i] * (dy[i] - dot);
			dx[i] = j->run->dsrc_add[0] ? dx[i] + g : g;
		}
	}
}

static void softmax_forward(const nno_op *op, nno_run *run)
{
	act_job j = start_job(op, run);
	nno_parallel_for(run->pool, (j.count / op->out.c + PIXELS - 1) / PIXELS, softmax_chunk, &j);
}

static void softmax_backward(const nno_op *op, nno_run *run)
{
	act_job j = start_job(op, run);
	if (run->dsrc[0] != NULL)
		nno_parallel_for(run->pool, (j.count / op->out.c + PIXELS - 1) / PIXELS, softmax_back_chunk, &j);
}

#define COMMON .attr_size = sizeof(nno_act_attr), .can_add = true, .book = book, .forward = forward, .backward = backward
const nno_op_class nno_op_relu = { .name = "relu", COMMON, .needs_dst = true, .inplace = true };
const nno_op_class nno_op_leaky_relu = { .name = "leaky_relu", COMMON, .needs_src = true };
const nno_op_class nno_op_relu6 = { .name = "relu6", COMMON, .needs_dst = true, .inplace = true };
const nno_op_class nno_op_gelu = { .name = "gelu", COMMON, .needs_src = true };
const nno_op_class nno_op_silu = { .name = "silu", COMMON, .needs_src = true };
const nno_op_class nno_op_sigmoid = { .name = "sigmoid", COMMON, .needs_dst = true, .inplace = true };
const nno_op_class nno_op_tanh = { .name = "tanh", COMMON, .needs_dst = true, .inplace = true };
const nno_op_class nno_op_softmax = {
	.name = "softmax", .attr_size = sizeof(nno_act_attr), .can_add = true, .needs_dst = true, .book = book,
	.forward = softmax_forward, .backward = softmax_backward,
};
