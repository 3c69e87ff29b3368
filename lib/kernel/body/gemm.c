/* gemm.c - register-tiled matrix products without packing: a tile of results stays in registers while the reduction
 * streams by. Rows of a are given by pointers, so that a tile may be any pixels of an image. */
#include "kernel/body.h"

#include "kernel/body/tiles.h"

#include <stdbool.h>

enum { AHEAD = 12, LINE = 16 };

typedef struct rows_job {
	int64_t rows, k, taps, ldb, c_off;
	const int64_t *a_off, *b_off;
	const float *bias;
	int flags;
} rows_job;

/* The bias, or zeros, in all rows of a tile. */
NNO_INLINE void start_tile(const int mr, const int nv, int64_t last, const float *bias, int64_t column,
			   vf acc[MOST_ROWS][WIDE])
{
	for (int v = 0; v < nv; v++) {
		vf start = bias != NULL ? load_some(bias + column + v * VL, v == nv - 1 ? last : VL) : v_zero();
		for (int m = 0; m < mr; m++)
			acc[m][v] = start;
	}
}

NNO_INLINE void clamp_tile(const int mr, const int nv, int flags, vf acc[MOST_ROWS][WIDE])
{
	if (flags & NNO_GEMM_RELU)
		for (int m = 0; m < mr; m++)
			for (int v = 0; v < nv; v++)
				acc[m][v] = v_max(v_zero(), acc[m][v]);
	if (flags & NNO_GEMM_SIX)
		for (int m = 0; m < mr; m++)
			for (int v = 0; v < nv; v++)
				acc[m][v] = v_min(v_set1(6.0f), acc[m][v]);
}

/* mr and nv are constants at every call, so that the accumulators become registers; `last` is the width of the last
 * vector. `ahead`: the rows of b to come are asked for, because nobody has read them yet. */
NNO_INLINE void rows_tile(const int mr, const int nv, int64_t last, const int ahead, const rows_job *job,
			  const float *const *a, const float *b, elem *const *c, int64_t column)
{
	vf acc[MOST_ROWS][WIDE];
	start_tile(mr, nv, last, job->bias, column, acc);
	if (job->flags & NNO_GEMM_ADD)
		for (int m = 0; m < mr; m++)
			for (int v = 0; v < nv; v++)
				acc[m][v] = v_add(
				    acc[m][v], get_some(c[m] + job->c_off + column + v * VL, v == nv - 1 ? last : VL));
	for (int64_t t = 0; t < job->taps; t++) {
		const float *row[MOST_ROWS];
		for (int m = 0; m < mr; m++)
			row[m] = a[m] + job->a_off[t];
		const float *bt = b + job->b_off[t] + column;
		for (int64_t k = 0; k < job->k; k++, bt += job->ldb) {
			vf bv[WIDE];
			for (int v = 0; v < nv; v++) {
				bv[v] = v == nv - 1 ? load_some(bt + v * VL, last) : v_load(bt + v * VL);
				if (ahead)
					__builtin_prefetch(bt + AHEAD * job->ldb + v * VL);
			}
			for (int m = 0; m < mr; m++) {
				vf x = v_set1(row[m][k]);
				for (int v = 0; v < nv; v++)
					acc[m][v] = v_fma(x, bv[v], acc[m][v]);
			}
		}
	}
	clamp_tile(mr, nv, job->flags, acc);
	if (job->flags & NNO_STREAM) {
		for (int m = 0; m < mr; m++)
			for (int v = 0; v < nv; v++)
				put_past(c[m] + job->c_off + column + v * VL, acc[m][v]);
		return;
	}
	for (int m = 0; m < mr; m++)
		for (int v = 0; v < nv; v++)
			put_some(c[m] + job->c_off + column + v * VL, acc[m][v], v == nv - 1 ? last : VL);
}

/* As many rows, mr at a time, as are left from *done on. */
NNO_INLINE void rows_strip(const int mr, const int nv, int64_t last, const rows_job *job, const float *const *a,
			   const float *b, elem *const *c, int64_t column, int64_t end, int64_t *done)
{
	if (*done == 0 && mr <= end) {
		rows_tile(mr, nv, last, 1, job, a, b, c, column);
		*done = mr;
	}
	for (; *done + mr <= end; *done += mr)
		rows_tile(mr, nv, last, 0, job, a + *done, b, c + *done, column);
}

NNO_INLINE void rows_all(const int mr, const int nv, int64_t last, const rows_job *job, const float *const *a,
			 const float *b, elem *const *c, int64_t column)
{
	int64_t done = 0;
	tile_rows r = share_rows(mr, job->rows);
	rows_strip(mr, nv, last, job, a, b, c, column, r.high, &done);
	if (mr > 5)
		rows_strip(5, nv, last, job, a, b, c, column, r.five, &done);
	rows_strip(4, nv, last, job, a, b, c, column, job->rows, &done);
	rows_strip(2, nv, last, job, a, b, c, column, job->rows, &done);
	rows_strip(1, nv, last, job, a, b, c, column, job->rows, &done);
}

static void rows_wide(const rows_job *job, const float *const *a, const float *b, elem *const *c, int64_t column)
{
	rows_all(WIDE_ROWS, WIDE, VL, job, a, b, c, column);
}

static void rows_half(const rows_job *job, const float *const *a, const float *b, elem *const *c, int64_t column)
{
	rows_all(HALF_ROWS, HALF, VL, job, a, b, c, column);
}

static void rows_narrow(const rows_job *job, const float *const *a, const float *b, elem *const *c, int64_t column)
{
	rows_all(NARROW_ROWS, 1, VL, job, a, b, c, column);
}

static void rows_half_part(int64_t last, const rows_job *job, const float *const *a, const float *b, elem *const *c,
			   int64_t column)
{
	rows_all(HALF_ROWS, HALF, last, job, a, b, c, column);
}

static void rows_part(int64_t last, const rows_job *job, const float *const *a, const float *b, elem *const *c,
		      int64_t column)
{
	rows_all(NARROW_ROWS, 1, last, job, a, b, c, column);
}

void NNO_OF(gemm_rows)(int64_t rows, int64_t n, int64_t k, int64_t taps, const float *const *a, const int64_t *a_off,
		       const float *b, const int64_t *b_off, int64_t ldb, elem *const *c, int64_t c_off,
		       const float *bias, int flags)
{
	uintptr_t low = (uintptr_t)(c_off * (int64_t)sizeof(elem)), line = VL * sizeof(elem);
	for (int64_t m = 0; m < rows && flags & NNO_STREAM; m++)
		low |= (uintptr_t)c[m];
	if (low % line != 0 || n % VL != 0 || flags & NNO_GEMM_ADD)
		flags &= ~NNO_STREAM;
	rows_job job = { .rows = rows,
			 .k = k,
			 .taps = taps,
			 .ldb = ldb,
			 .c_off = c_off,
			 .a_off = a_off,
			 .b_off = b_off,
			 .bias = bias,
			 .flags = flags };
	int64_t column = 0;
	for (; column + WIDE * VL <= n; column += WIDE * VL)
		rows_wide(&job, a, b, c, column);
	for (; column + HALF * VL <= n; column += HALF * VL)
		rows_half(&job, a, b, c, column);
	int64_t left = n - column;
	if (left > VL)
		rows_half_part(left - VL, &job, a, b, c, column);
	else if (left == VL)
		rows_narrow(&job, a, b, c, column);
	else if (left > 0)
		rows_part(left, &job, a, b, c, column);
	if (flags & NNO_STREAM)
		v_stream_end();
}

/* Rows of a `lda` apart. */
typedef struct dense_job {
	int64_t m, k, lda, ldb, ldc;
	const float *bias;
	int flags;
} dense_job;

NNO_INLINE void dense_tile(const int mr, const int nv, int64_t last, const int ahead, const dense_job *job,
			   const float *a, const float *b, elem *c, int64_t column)
{
	vf acc[MOST_ROWS][WIDE];
	start_tile(mr, nv, last, job->bias, column, acc);
	if (job->flags & NNO_GEMM_ADD)
		for (int m = 0; m < mr; m++)
			for (int v = 0; v < nv; v++)
				acc[m][v] =
				    v_add(acc[m][v], get_some(c + m * job->ldc + v * VL, v == nv - 1 ? last : VL));
	const float *next = a + mr * job->lda;
	for (int64_t k = 0; k < job->k; k++, b += job->ldb) {
		vf bv[WIDE];
		/* Rows of a mostly follow each other: a line for each k is the next tile. */
		if (nv > 1)
			__builtin_prefetch(next + k * LINE);
		for (int v = 0; v < nv; v++) {
			bv[v] = v == nv - 1 ? load_some(b + v * VL, last) : v_load(b + v * VL);
			if (ahead)
				__builtin_prefetch(b + AHEAD * job->ldb + v * VL);
		}
		for (int m = 0; m < mr; m++) {
			vf x = v_set1(a[m * job->lda + k]);
			for (int v = 0; v < nv; v++)
				acc[m][v] = v_fma(x, bv[v], acc[m][v]);
		}
	}
	clamp_tile(mr, nv, job->flags, acc);
	if (job->flags & NNO_STREAM) {
		for (int m = 0; m < mr; m++)
			for (int v = 0; v < nv; v++)
				put_past(c + m * job->ldc + v * VL, acc[m][v]);
		return;
	}
	for (int m = 0; m < mr; m++)
		for (int v = 0; v < nv; v++)
			put_some(c + m * job->ldc + v * VL, acc[m][v], v == nv - 1 ? last : VL);
}

/* The k rows of b behind the job's own, shared out among its tiles. */
NNO_INLINE void dense_next(const int nv, const dense_job *job, const float *b, int64_t from, int64_t rows)
{
	int64_t end = (from + rows) * job->k / job->m;
	for (int64_t k = from * job->k / job->m; k < end; k++)
		for (int v = 0; v < nv; v += LINE / VL)
			__builtin_prefetch(b + (job->k + k) * job->ldb + v * VL);
}

NNO_INLINE void dense_strip(const int mr, const int nv, int64_t last, const dense_job *job, const float *a,
			    const float *b, elem *c, int64_t column, int64_t end, int64_t *done)
{
	for (; *done + mr <= end; *done += mr) {
		if (job->flags & NNO_GEMM_NEXT)
			dense_next(nv, job, b, *done, mr);
		if (*done == 0)
			dense_tile(mr, nv, last, 1, job, a, b, c, column);
		else
			dense_tile(mr, nv, last, 0, job, a + *done * job->lda, b, c + *done * job->ldc, column);
	}
}

NNO_INLINE void dense_all(const int mr, const int nv, int64_t last, const dense_job *job, const float *a,
			  const float *b, elem *c, int64_t column)
{
	int64_t done = 0;
	tile_rows r = share_rows(mr, job->m);
	dense_strip(mr, nv, last, job, a, b + column, c + column, column, r.high, &done);
	if (mr > 5)
		dense_strip(5, nv, last, job, a, b + column, c + column, column, r.five, &done);
	dense_strip(4, nv, last, job, a, b + column, c + column, column, job->m, &done);
	dense_strip(2, nv, last, job, a, b + column, c + column, column, job->m, &done);
	dense_strip(1, nv, last, job, a, b + column, c + column, column, job->m, &done);
}

static void dense_wide(const dense_job *job, const float *a, const float *b, elem *c, int64_t column)
{
	dense_all(WIDE_ROWS, WIDE, VL, job, a, b, c, column);
}

static void dense_half(const dense_job *job, const float *a, const float *b, elem *c, int64_t column)
{
	dense_all(HALF_ROWS, HALF, VL, job, a, b, c, column);
}

static void dense_narrow(const dense_job *job, const float *a, const float *b, elem *c, int64_t column)
{
	dense_all(NARROW_ROWS, 1, VL, job, a, b, c, column);
}

static void dense_half_part(int64_t last, const dense_job *job, const float *a, const float *b, elem *c, int64_t column)
{
	dense_all(HALF_ROWS, HALF, last, job, a, b, c, column);
}

static void dense_part(int64_t last, const dense_job *job, const float *a, const float *b, elem *c, int64_t column)
{
	dense_all(NARROW_ROWS, 1, last, job, a, b, c, column);
}

void NNO_OF(gemm)(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb, elem *c,
		  int64_t ldc, const float *bias, int flags)
{
	bool whole_vectors = (uintptr_t)c % (VL * sizeof(elem)) == 0 && ldc % VL == 0 && n % VL == 0;
	if (!whole_vectors || flags & NNO_GEMM_ADD)
		flags &= ~NNO_STREAM;
	dense_job job = { .m = m, .k = k, .lda = lda, .ldb = ldb, .ldc = ldc, .bias = bias, .flags = flags };
	int64_t column = 0;
	for (; column + WIDE * VL <= n; column += WIDE * VL)
		dense_wide(&job, a, b, c, column);
	for (; column + HALF * VL <= n; column += HALF * VL)
		dense_half(&job, a, b, c, column);
	int64_t left = n - column;
	if (left > VL)
		dense_half_part(left - VL, &job, a, b, c, column);
	else if (left == VL)
		dense_narrow(&job, a, b, c, column);
	else if (left > 0)
		dense_part(left, &job, a, b, c, column);
	if (flags & NNO_STREAM)
		v_stream_end();
}
