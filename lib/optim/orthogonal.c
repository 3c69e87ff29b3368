/* orthogonal.c - Newton and Schulz's iteration for the orthogonal factor, with the quintic polynomial of Jordan et al.
 * 2024 (Muon). It is odd in the matrix, so it commutes with transposition and with any order of rows or columns: a
 * matrix is worked on the way it is stored, tall, or transposed when it is wide. Then X <- X (a I + b A + c A^2), A =
 * X^T X. A and A^2 are symmetric: half of their tiles are made, the others are transposes. Operands are copied block by
 * block to where a kernel finds them side by side. Each task makes a tile of a result, whose sums do not depend on who
 * makes the others. */
#include "optim/orthogonal.h"

#include "base/size.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { TILE = NNO_ORTHOGONAL_TILE, DEPTH = NNO_ORTHOGONAL_DEPTH, TALL = 256 };
static const float a = 3.4445f, b = -4.7750f, c = 2.0315f;

typedef struct job {
	const nno_kernels *kernels;
	float *x, *y; /* tall: rows x columns */
	float *gram, *polynomial, *scratch;
	double *partial;
	int64_t rows, columns, count;
	float scale;
	/* Of square_tile: dst = src^T src, src being depth x columns. */
	const float *src;
	float *dst;
	int64_t depth;
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

/* Part of a matrix, its rows one behind the other. */
static void gather(float *to, const float *from, int64_t ld, int64_t rows, int64_t columns)
{
	for (int64_t i = 0; i < rows; i++)
		memcpy(to + i * columns, from + i * ld, (size_t)columns * sizeof *to);
}

/* Tiles of the upper triangle, counted row by row. */
static void square_tile(void *user, int64_t index, int slot)
{
	const job *j = user;
	const int64_t n = j->columns, side = nno_i64_ceil_div(n, TILE), zero = 0;
	int64_t row = 0;
	for (; index >= side - row; row++)
		index -= side - row;
	int64_t from = row * TILE, across = (row + index) * TILE, high = nno_i64_min(TILE, n - from),
		wide = nno_i64_min(TILE, n - across);
	float *x = j->scratch + (int64_t)slot * NNO_ORTHOGONAL_SCRATCH, *y = x + DEPTH * TILE;
	float *tile = j->dst + from * n + across;
	for (int64_t k = 0; k < j->depth; k += DEPTH) {
		int64_t deep = nno_i64_min(DEPTH, j->depth - k);
		gather(x, j->src + k * n + from, n, deep, high);
		gather(y, j->src + k * n + across, n, deep, wide);
		j->kernels->gemm_columns_f32(high, wide, deep, 1, x, &zero, high, y, &zero, wide, tile, n,
					     k > 0 ? NNO_GEMM_ADD : 0);
	}
	if (across > from)
		j->kernels->f32->transpose(j->dst + across * n + from, n, tile, n, high, wide);
}

static void polynomial_row(void *user, int64_t row, int slot)
{
	(void)slot;
	const job *j = user;
	float *p = j->polynomial + row * j->columns;
	j->kernels->scale_f32(p, p, c, j->columns);
	j->kernels->add_scaled_f32(p, j->gram + row * j->columns, b, j->columns);
	p[row] += a;
}

static void product_tile(void *user, int64_t index, int slot)
{
	const job *j = user;
	const int64_t n = j->columns, side = nno_i64_ceil_div(n, TILE);
	int64_t from = index / side * TALL, across = index % side * TILE, high = nno_i64_min(TALL, j->rows - from),
		wide = nno_i64_min(TILE, n - across);
	float *block = j->scratch + (int64_t)slot * NNO_ORTHOGONAL_SCRATCH;
	for (int64_t k = 0; k < n; k += DEPTH) {
		int64_t deep = nno_i64_min(DEPTH, n - k);
		gather(block, j->polynomial + k * n + across, n, deep, wide);
		j->kernels->f32->gemm(high, wide, deep, j->x + from * n + k, n, block, wide, j->y + from * n + across,
				      n, NULL, k > 0 ? NNO_GEMM_ADD : 0);
	}
}

static void square(nno_pool *pool, job *j, float *dst, const float *src, int64_t depth)
{
	int64_t side = nno_i64_ceil_div(j->columns, TILE);
	j->dst = dst;
	j->src = src;
	j->depth = depth;
	nno_parallel_for(pool, side * (side + 1) / 2, square_tile, j);
}

static void exchange(job *j)
{
	float *x = j->x;
	j->x = j->y;
	j->y = x;
}

static void normalise(nno_pool *pool, job *j, double epsilon)
{
	int64_t parts = nno_i64_ceil_div(j->count, NNO_ORTHOGONAL_PART);
	double squares = 0.0;
	nno_parallel_for(pool, parts, sum_part, j);
	for (int64_t i = 0; i < parts; i++)
		squares += j->partial[i];
	j->scale = (float)fmin(1.0 / fmax(sqrt(squares), epsilon), FLT_MAX); /* infinity times 0 is NaN */
	nno_parallel_for(pool, parts, scale_part, j);
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
		  .scratch = room->scratch,
		  .partial = room->partial,
		  .rows = nno_i64_max(rows, columns),
		  .columns = nno_i64_min(rows, columns),
		  .count = rows * columns };
	normalise(pool, &j, epsilon);
	if (wide) {
		j.kernels->f32->transpose(j.y, rows, j.x, columns, rows, columns);
		exchange(&j);
	}
	for (int step = 0; step < steps; step++) {
		square(pool, &j, j.gram, j.x, j.rows);
		square(pool, &j, j.polynomial, j.gram, j.columns);
		nno_parallel_for(pool, j.columns, polynomial_row, &j);
		nno_parallel_for(pool, nno_i64_ceil_div(j.rows, TALL) * nno_i64_ceil_div(j.columns, TILE), product_tile,
				 &j);
		exchange(&j);
	}
	if (wide) {
		j.kernels->f32->transpose(j.y, columns, j.x, rows, columns, rows);
		exchange(&j);
	}
	return j.x;
}
