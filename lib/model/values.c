/* values.c - whole arrays of a plan's values, whatever their type: from floats, to floats, and added. */
#include "model/model.h"

enum { CHUNK = 16384 };

typedef struct values_job {
	const nno_kernels *kernels;
	nno_type type;
	void *dst;
	const void *src;
	float factor;
	int64_t count;
} values_job;

/* With the kernels of type T, for elements [at, at + n). */
#define BY_TYPE(j, call)                                        \
	do {                                                    \
		if ((j)->type == NNO_BF16)                      \
			call((j)->kernels->bf16, nno_bf16);     \
		else if ((j)->type == NNO_F16)                  \
			call((j)->kernels->f16, nno_f16);       \
		else                                            \
			call((j)->kernels->f32, float);         \
	} while (0)

static int64_t chunk_length(const values_job *j, int64_t at)
{
	return j->count - at < CHUNK ? j->count - at : CHUNK;
}

static void narrow_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const values_job *j = user;
	int64_t at = index * CHUNK, n = chunk_length(j, at);
#define NARROW(k, T) (k)->narrow((T *)j->dst + at, (const float *)j->src + at, j->factor, n, 0)
	BY_TYPE(j, NARROW);
#undef NARROW
}

static void widen_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const values_job *j = user;
	int64_t at = index * CHUNK, n = chunk_length(j, at);
#define WIDEN(k, T) (k)->widen((float *)j->dst + at, (const T *)j->src + at, n)
	BY_TYPE(j, WIDEN);
#undef WIDEN
}

static void add_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const values_job *j = user;
	int64_t at = index * CHUNK, n = chunk_length(j, at);
#define ADD(k, T) (k)->add((T *)j->dst + at, (const T *)j->dst + at, (const T *)j->src + at, n)
	BY_TYPE(j, ADD);
#undef ADD
}

static void run_job(const nnopt_plan *plan, void *dst, const void *src, float factor, int64_t count,
		    void (*task)(void *user, int64_t index, int slot))
{
	values_job j = { plan->context->kernels, plan->graph.type, dst, src, factor, count };
	nno_parallel_for(plan->context->pool, (count + CHUNK - 1) / CHUNK, task, &j);
}

void nno_values_from_floats(const nnopt_plan *plan, void *dst, const float *src, float factor, int64_t count)
{
	run_job(plan, dst, src, factor, count, narrow_chunk);
}

void nno_values_to_floats(const nnopt_plan *plan, float *dst, const void *src, int64_t count)
{
	run_job(plan, dst, src, 1.0f, count, widen_chunk);
}

void nno_values_add(const nnopt_plan *plan, void *dst, const void *src, int64_t count)
{
	run_job(plan, dst, src, 1.0f, count, add_chunk);
}
