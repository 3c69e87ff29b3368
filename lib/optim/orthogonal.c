/* orthogonal.c - Newton and Schulz's iteration for the orthogonal factor, with the quintic polynomial of Jordan et al.
 * 2024 (Muon). It is odd in the matrix, so it commutes with transposition and with any order of rows or columns: a
 * matrix is worked on the way it is stored, tall, or transposed when it is wide. Then X <- X (a I + b A + c A^2), A =
 * X^T X. Each task makes whole rows of a result, whose sums do not depend on who makes the others. */
#include "optim/orthogonal.h"

#include "base/size.h"

#include <math.h>

enum { SQUARE_ROWS = 32, TALL_ROWS = 64 };
static const float a = 3.4445f, b = -4.7750f, c = 2.0315f;

typedef struct job {
	const nno_kernels *kernels;
	float *x, *y; /* tall: rows x columns */
	float *gram, *polynomial;
	double *partial;
	int64_t rows, columns, count;
	float scale;
} job;

static int64_t part_length(const job *j, int64_t part)
{
	return nno_i64_min(NNO_ORTHOGONAL_PART, j->count - part * NNO_ORTHOGONAL_PART);
}

static void sum_part(void *user, int64_t part, int slot)
{
	(void)slot;
	const job *j = user;
	j->kernels->sum_squares_f32(j->x + part * NNO_ORTHOGONAL_PART, part_length(j, part), &j->partial[part]);
}

static void scale_part(void *user, int64_t part, int slot)
{
	(void)slot;
	const job *j = user;
	float *x = j->x + part * NNO_ORTHOGONAL_PART;
	j->kernels->scale_f32(x, x, j->scale, part_length(j, part));
}

/* Rows of A = X^T X, and of A A once all of A is there. */
static void gram_rows(void *user, int64_t index, int slot)
{
	(void)slot;
	const job *j = user;
	const int64_t from = index * SQUARE_ROWS, n = j->columns, zero = 0;
	j->kernels->gemm_columns_f32(nno_i64_min(SQUARE_ROWS, n - from), n, j->rows, 1, j->x + from, &zero, n, j->x,
				     &zero, n, j->gram + from * n, n, 0);
}

static void polynomial_rows(void *user, int64_t index, int slot)
{
	(void)slot;
	const job *j = user;
	const int64_t from = index * SQUARE_ROWS, n = j->columns, m = nno_i64_min(SQUARE_ROWS, n - from);
	const float *gram = j->gram + from * n;
	float *p = j->polynomial + from * n;
	j->kernels->f32->gemm(m, n, n, gram, n, j->gram, n, p, n, NULL, 0);
	j->kernels->scale_f32(p, p, c, m * n);
	j->kernels->add_scaled_f32(p, gram, b, m * n);
	for (int64_t i = 0; i < m; i++)
		p[i * n + from + i] += a;
}

static void product_rows(void *user, int64_t index, int slot)
{
	(void)slot;
	const job *j = user;
	const int64_t from = index * TALL_ROWS, n = j->columns;
	j->kernels->f32->gemm(nno_i64_min(TALL_ROWS, j->rows - from), n, n, j->x + from * n, n, j->polynomial, n,
			      j->y + from * n, n, NULL, 0);
}

static void exchange(job *j)
{
	float *x = j->x;
	j->x = j->y;
	j->y = x;
}

const float *nno_orthogonalise(const nnopt_context *context, const nno_orthogonal_room *room, int64_t rows,
			       int64_t columns, int steps, double epsilon)
{
	nno_pool *pool = context->pool;
	bool wide = rows < columns;
	job j = { .kernels = context->kernels,
		  .x = room->x,
		  .y = room->y,
		  .gram = room->gram,
		  .polynomial = room->polynomial,
		  .partial = room->partial,
		  .rows = nno_i64_max(rows, columns),
		  .columns = nno_i64_min(rows, columns),
		  .count = rows * columns };
	int64_t parts = nno_i64_ceil_div(j.count, NNO_ORTHOGONAL_PART);
	nno_parallel_for(pool, parts, sum_part, &j);
	double squares = 0.0;
	for (int64_t i = 0; i < parts; i++)
		squares += j.partial[i];
	j.scale = (float)(1.0 / fmax(sqrt(squares), epsilon));
	nno_parallel_for(pool, parts, scale_part, &j);
	if (wide) {
		j.kernels->f32->transpose(j.y, rows, j.x, columns, rows, columns);
		exchange(&j);
	}
	for (int step = 0; step < steps; step++) {
		nno_parallel_for(pool, nno_i64_ceil_div(j.columns, SQUARE_ROWS), gram_rows, &j);
		nno_parallel_for(pool, nno_i64_ceil_div(j.columns, SQUARE_ROWS), polynomial_rows, &j);
		nno_parallel_for(pool, nno_i64_ceil_div(j.rows, TALL_ROWS), product_rows, &j);
		exchange(&j);
	}
	if (wide) {
		j.kernels->f32->transpose(j.y, columns, j.x, rows, columns, rows);
		exchange(&j);
	}
	return j.x;
}
