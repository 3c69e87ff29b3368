/* recurrent_panels.c - weights in panels. Lines of a panel follow each other, where those of a matrix are often a power
 * of two apart and then share a few sets of the first-level cache. */
#include "op/recurrent.h"

#include "base/size.h"

#include <string.h>

#define STRETCH 512 /* of the reduction: its part of a panel stays in a second-level cache */

typedef struct panels_job {
	const nno_run *run;
	const nno_panels *panels;
	int count;
} panels_job;

static void fill_panel(const nno_run *run, const nno_panels *p, int64_t index)
{
	int64_t column = index * NNO_PANEL, width = nno_i64_min(NNO_PANEL, p->columns - column);
	float *dst = p->data + column * p->rows;
	if (p->turned) {
		run->kernels->f32->transpose(dst, width, p->from + column * p->ld, p->ld, width, p->rows);
		return;
	}
	for (int64_t i = 0; i < p->rows; i++)
		memcpy(dst + i * width, p->from + i * p->ld + column, (size_t)width * sizeof(float));
}

static void fill_task(void *user, int64_t index, int slot)
{
	(void)slot;
	const panels_job *j = user;
	int which = 0;
	for (; index >= nno_panels_of(&j->panels[which]); which++)
		index -= nno_panels_of(&j->panels[which]);
	fill_panel(j->run, &j->panels[which], index);
}

void nno_panels_fill(const nno_run *run, const nno_panels *panels, int count)
{
	panels_job j = { run, panels, count };
	int64_t tasks = 0;
	for (int k = 0; k < count; k++)
		tasks += nno_panels_of(&panels[k]);
	nno_parallel_for(run->pool, tasks, fill_task, &j);
}

void nno_panels_product(const nno_kernels *kernels, const nno_panels *panels, int64_t first, int64_t k, int64_t m,
			const float *a, int64_t lda, float *c, int64_t ldc, const float *bias, int flags)
{
	for (int64_t column = 0; column < panels->columns; column += NNO_PANEL) {
		int64_t width = nno_i64_min(NNO_PANEL, panels->columns - column);
		const float *w = panels->data + column * panels->rows + first * width;
		for (int64_t at = 0; at < k; at += STRETCH)
			kernels->f32->gemm(m, width, nno_i64_min(STRETCH, k - at), a + at, lda, w + at * width, width,
					   c + column, ldc, at == 0 && bias != NULL ? bias + column : NULL,
					   at == 0 ? flags : flags | NNO_GEMM_ADD);
	}
}
