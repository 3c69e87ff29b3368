/* table.c - the ordered list of tables, best first. */
#include "kernel/cpu.h"
#include "kernel/kernel.h"

#include "nnopt/context.h"

extern const nno_kernels nno_kernels_scalar;
#if defined(__x86_64__)
extern const nno_kernels nno_kernels_avx2;
extern const nno_kernels nno_kernels_avx512;
extern const nno_kernels nno_kernels_pairs_avx512;
static const nno_kernels *const tables[] = { &nno_kernels_pairs_avx512, &nno_kernels_avx512, &nno_kernels_avx2,
					     &nno_kernels_scalar };
#elif defined(__aarch64__)
extern const nno_kernels nno_kernels_neon;
static const nno_kernels *const tables[] = { &nno_kernels_neon, &nno_kernels_scalar };
#else
static const nno_kernels *const tables[] = { &nno_kernels_scalar };
#endif

static int cpu_runs(const nno_kernels *table)
{
	return nno_cpu_has(table->isa_id) && (table->pairs == NULL || nno_cpu_has_pairs());
}

const nno_kernels *nno_kernels_best(int cap)
{
	int known = cap == NNOPT_ISA_BEST;
	for (size_t i = 0; i < NNO_COUNT(tables); i++) {
		known = known || tables[i]->isa_id == cap;
		if (known && cpu_runs(tables[i]))
			return tables[i];
	}
	return &nno_kernels_scalar;
}

const nno_kernels *nno_kernels_of(int isa)
{
	for (size_t i = 0; i < NNO_COUNT(tables); i++)
		if (tables[i]->isa_id == isa && cpu_runs(tables[i]))
			return tables[i];
	return NULL;
}
