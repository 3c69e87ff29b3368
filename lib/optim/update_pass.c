/* update_pass.c - a step over the flat arrays: first the norm, which also tells whether every gradient is finite, then
 * the update. Both run over chunks of fixed place, so the sums and the weights have the same bits at any thread count.
 */
#include "optim/optim.h"

#include "base/size.h"
#include "nnopt/tensor.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static nnopt_status make_slots(nnopt_optimizer *o)
{
	const char *names[NNO_MAX_SLOTS];
	int count = o->cls->slots(o->attr, names);
	for (int i = 0; i < count; i++) {
		NNO_TRY(nnopt_tensor_create(&o->slots[i], o->context, NNOPT_F32, 1, &o->elements, NNOPT_NCHW));
		o->slot_data[i] = nnopt_tensor_data(o->slots[i]);
		float first = o->cls->first != NULL ? o->cls->first(o->attr, i) : 0.0f;
		for (int64_t k = 0; first != 0.0f && k < o->elements; k++)
			o->slot_data[i][k] = first;
	}
	o->slot_count = count;
	return NNOPT_OK;
}

void nno_optimizer_unbind(nnopt_optimizer *optimizer)
{
	nnopt_optimizer *o = optimizer;
	const nno_alloc *alloc = &o->context->alloc;
	for (int i = 0; i < NNO_MAX_SLOTS; i++) {
		nnopt_tensor_destroy(o->slots[i]);
		o->slots[i] = NULL;
		o->slot_data[i] = NULL;
	}
	nno_delete(alloc, o->spans);
	nno_delete(alloc, o->pieces);
	nno_delete(alloc, o->first);
	nno_delete(alloc, o->partial);
	nno_delete(alloc, o->group_steps);
	nno_delete(alloc, o->work);
	o->work = NULL;
	o->spans = NULL;
	o->pieces = NULL;
	o->first = NULL;
	o->partial = NULL;
	o->group_steps = NULL;
}

static nnopt_status make_work(nnopt_optimizer *o)
{
	size_t bytes = o->cls->work_bytes != NULL ? o->cls->work_bytes(o) : 0;
	if (bytes > 0)
		o->work = bytes < SIZE_MAX ? nno_new(&o->context->alloc, bytes) : NULL;
	return bytes > 0 && o->work == NULL ? nno_fail_memory("optimizer_attach", bytes) : NNOPT_OK;
}

nnopt_status nno_optimizer_bind(nnopt_optimizer *optimizer, const nno_span *spans, int32_t count, int64_t elements)
{
	assert(optimizer->spans == NULL && count >= 0 && elements >= 0);
	nnopt_optimizer *o = optimizer;
	const nno_alloc *alloc = &o->context->alloc;
	int64_t chunks = nno_i64_ceil_div(elements, NNO_UPDATE_CHUNK);
	size_t most = (size_t)count + (size_t)chunks; /* each piece ends with a span or with a chunk */
	o->spans = nno_new_array(alloc, (size_t)count, sizeof *o->spans);
	o->pieces = nno_new_array(alloc, most, sizeof *o->pieces);
	o->first = nno_new_array(alloc, (size_t)chunks + 1, sizeof *o->first);
	o->partial = nno_new_array(alloc, (size_t)chunks, sizeof *o->partial);
	o->group_steps = nno_new_array(alloc, (size_t)o->group_count, sizeof *o->group_steps);
	nnopt_status status = NNOPT_OK;
	if (o->spans == NULL || o->pieces == NULL || o->first == NULL || o->partial == NULL || o->group_steps == NULL) {
		status = nno_fail_memory("optimizer_attach", most * sizeof *o->pieces);
		goto out;
	}
	o->elements = elements;
	NNO_TRY_OUT(make_slots(o));
	if (count > 0)
		memcpy(o->spans, spans, (size_t)count * sizeof *spans);
	o->span_count = count;
	o->chunk_count = chunks;
	NNO_TRY_OUT(make_work(o));
	nno_optimizer_cut(o);
out:
	if (status != NNOPT_OK)
		nno_optimizer_unbind(o); /* so that it can be tried again */
	return status;
}

void nno_optimizer_cut(nnopt_optimizer *optimizer)
{
	nnopt_optimizer *o = optimizer;
	int64_t n = 0, chunk = 0;
	o->first[0] = 0;
	for (int32_t i = 0; i < o->span_count; i++) {
		const nno_span *s = &o->spans[i];
		assert(s->begin >= 0 && s->begin <= s->end && s->end <= o->elements &&
		       (i == 0 || s[-1].end <= s->begin));
		for (int64_t begin = s->begin, end; s->trainable && !s->apart && begin < s->end; begin = end) {
			int64_t home = begin / NNO_UPDATE_CHUNK;
			while (chunk < home)
				o->first[++chunk] = n;
			end = nno_i64_min(s->end, (home + 1) * NNO_UPDATE_CHUNK);
			nno_piece *last = n > o->first[chunk] ? &o->pieces[n - 1] : NULL;
			if (last != NULL && last->end == begin && last->group == s->group && !o->cls->by_tensor)
				last->end = end;
			else
				o->pieces[n++] = (nno_piece){ begin, end, s->group, i };
		}
	}
	while (chunk < o->chunk_count)
		o->first[++chunk] = n;
}

static void sum_chunk(void *user, int64_t chunk, int slot)
{
	(void)slot;
	const nno_update_pass *p = user;
	const nnopt_optimizer *o = p->o;
	double total = 0.0;
	for (int64_t i = o->first[chunk]; i < o->first[chunk + 1]; i++) {
		const nno_piece *piece = &o->pieces[i];
		double sum;
		o->context->kernels->sum_squares_f32(p->gradients + piece->begin, piece->end - piece->begin, &sum);
		total += sum;
	}
	o->partial[chunk] = total;
}

void nno_optimizer_slots_at(const nnopt_optimizer *optimizer, int64_t at, float *slots[NNO_MAX_SLOTS])
{
	for (int i = 0; i < NNO_MAX_SLOTS; i++)
		slots[i] = optimizer->slot_data[i] == NULL ? NULL : optimizer->slot_data[i] + at;
}

static void update_chunk(void *user, int64_t chunk, int slot)
{
	(void)slot;
	const nno_update_pass *p = user;
	const nnopt_optimizer *o = p->o;
	for (int64_t i = o->first[chunk]; i < o->first[chunk + 1]; i++) {
		const nno_piece *piece = &o->pieces[i];
		float *slots[NNO_MAX_SLOTS];
		nno_optimizer_slots_at(o, piece->begin, slots);
		o->cls->update(o->context->kernels, p->parameters + piece->begin, p->gradients + piece->begin, slots,
			       &o->group_steps[piece->group], piece->end - piece->begin);
	}
}

void nno_optimizer_prepare(nnopt_optimizer *optimizer, double scale)
{
	nnopt_optimizer *o = optimizer;
	for (int32_t i = 0; i < o->group_count; i++) {
		const nno_group *g = &o->groups[i];
		nno_step_input in = {
			.lr = o->lr * g->lr_scale,
			.decay_scale = g->decay_scale,
			.l1_scale = g->l1_scale,
			.number = o->steps + 1,
			.gradient = {
				.scale = (float)scale,
				.limit = o->max_value > 0.0 ? (float)o->max_value : INFINITY,
			},
		};
		o->cls->prepare(o->attr, &in, &o->group_steps[i]);
	}
}

void nno_optimizer_update_pieces(nnopt_optimizer *optimizer, float *parameters, const float *gradients)
{
	nno_update_pass p = { optimizer, parameters, gradients };
	nno_parallel_for(optimizer->context->pool, optimizer->chunk_count, update_chunk, &p);
}

double nno_optimizer_norm(nnopt_optimizer *optimizer, const float *gradients, float scale)
{
	nnopt_optimizer *o = optimizer;
	nno_update_pass p = { o, NULL, gradients };
	nno_parallel_for(o->context->pool, o->chunk_count, sum_chunk, &p);
	double squares = 0.0;
	for (int64_t i = 0; i < o->chunk_count; i++)
		squares += o->partial[i];
	return sqrt(squares) * fabs((double)scale);
}

void nno_optimizer_update(nnopt_optimizer *optimizer, float *parameters, const float *gradients, float gradient_scale,
			  nnopt_step_result *result)
{
	nnopt_optimizer *o = optimizer;
	double norm = nno_optimizer_norm(o, gradients, gradient_scale);
	bool finite = isfinite(norm);
	if (finite) {
		double clip = o->max_norm > 0.0 ? fmin(1.0, o->max_norm / (norm + 1e-6)) : 1.0;
		nno_optimizer_prepare(o, (double)gradient_scale * clip);
		if (o->cls->run != NULL)
			o->cls->run(o, parameters, gradients);
		else
			nno_optimizer_update_pieces(o, parameters, gradients);
		o->steps++;
	}
	*result = (nnopt_step_result){ .struct_size = sizeof *result, .gradient_norm = norm, .finite = finite };
}
