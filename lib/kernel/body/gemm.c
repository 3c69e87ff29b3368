/* gemm.c - register-tiled matrix products without packing: a tile of results stays in registers while the reduction
 * streams by. Rows of a are given by pointers, so that a tile may be any pixels of an image. */
#include "kernel/body.h"

#include <stdbool.h>

/* A tile of results: rows x vectors, the vectors 4 (or what 16 registers allow), 2 or 1. The accumulators, one row of b
 * and a broadcast element of a fill the registers. Rows that are left over go 4, 2 and 1 at a time. */
#if VL == 16
enum { WIDE = 4, HALF = 2, WIDE_ROWS = 7, HALF_ROWS = 14, NARROW_ROWS = 16 };
#elif VL == 8
enum { WIDE = 2, HALF = 2, WIDE_ROWS = 6, HALF_ROWS = 6, NARROW_ROWS = 12 };
#elif VL == 4
enum { WIDE = 4, HALF = 2, WIDE_ROWS = 6, HALF_ROWS = 12, NARROW_ROWS = 16 };
#else
enum { WIDE = 4, HALF = 2, WIDE_ROWS = 4, HALF_ROWS = 4, NARROW_ROWS = 4 };
#endif
enum { MOST_ROWS = 16, AHEAD = 12, LINE = 16 };

typedef struct rows_job {
	int64_t rows, k, taps, ldb, c_off;
	const int64_t *a_off, *b_off;
	const float *bias;
	int flags;
} rows_job;

/* mr and nv are constants at every call, so that the accumulators become registers; `last` is the width of the last
 * vector. `ahead`: the rows of b to come are asked for, because nobody has read them yet. */
NNO_INLINE void rows_tile(const int mr, const int nv, int64_t last, const int ahead, const rows_job *job,
			  const float *const *a, const float *b, float *const *c, int64_t column)
{
	vf acc[MOST_ROWS][WIDE];
	for (int m = 0; m < mr; m++)
		for (int v = 0; v < nv; v++) {
			int64_t width = v == nv - 1 ? last : VL;
			acc[m][v] = job->bias != NULL ? load_some(job->bias + column + v * VL, width) : v_zero();
			if (job->flags & NNO_GEMM_ADD)
				acc[m][v] = v_add(acc[m][v], load_some(c[m] + job->c_off + column + v * VL, width));
		}
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
	for (int m = 0; m < mr; m++)
		for (int v = 0; v < nv; v++) {
			vf x = job->flags & NNO_GEMM_RELU ? v_max(v_zero(), acc[m][v]) : acc[m][v];
			store_some(c[m] + job->c_off + column + v * VL, x, v == nv - 1 ? last : VL);
		}
}

/* As many rows, mr at a time, as are left from *done on. */
NNO_INLINE void rows_strip(const int mr, const int nv, int64_t last, const rows_job *job, const float *const *a,
			   const float *b, float *const *c, int64_t column, int64_t *done)
{
	if (*done == 0 && mr <= job->rows) {
		rows_tile(mr, nv, last, 1, job, a, b, c, column);
		*done = mr;
	}
	for (; *done + mr <= job->rows; *done += mr)
		rows_tile(mr, nv, last, 0, job, a + *done, b, c + *done, column);
}

NNO_INLINE void rows_all(const int mr, const int nv, int64_t last, const rows_job *job, const float *const *a,
			 const float *b, float *const *c, int64_t column)
{
	int64_t done = 0;
	rows_strip(mr, nv, last, job, a, b, c, column, &done);
	rows_strip(4, nv, last, job, a, b, c, column, &done);
	rows_strip(2, nv, last, job, a, b, c, column, &done);
	rows_strip(1, nv, last, job, a, b, c, column, &done);
}

static void rows_wide(const rows_job *job, const float *const *a, const float *b, float *const *c, int64_t column)
{
	rows_all(WIDE_ROWS, WIDE, VL, job, a, b, c, column);
}

static void rows_half(const rows_job *job, const float *const *a, const float *b, float *const *c, int64_t column)
{
	rows_all(HALF_ROWS, HALF, VL, job, a, b, c, column);
}

static void rows_narrow(const rows_job *job, const float *const *a, const float *b, float *const *c, int64_t column)
{
	rows_all(NARROW_ROWS, 1, VL, job, a, b, c, column);
}

static void rows_half_part(int64_t last, const rows_job *job, const float *const *a, const float *b, float *const *c,
			   int64_t column)
{
	rows_all(HALF_ROWS, HALF, last, job, a, b, c, column);
}

static void rows_part(int64_t last, const rows_job *job, const float *const *a, const float *b, float *const *c,
		      int64_t column)
{
	rows_all(NARROW_ROWS, 1, last, job, a, b, c, column);
}

void NNO_FN(gemm_rows_f32)(int64_t rows, int64_t n, int64_t k, int64_t taps, const float *const *a,
			   const int64_t *a_off, const float *b, const int64_t *b_off, int64_t ldb, float *const *c,
			   int64_t c_off, const float *bias, int flags)
{
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
}

/* Rows of a `lda` apart. */
typedef struct dense_job {
	int64_t m, k, lda, ldb, ldc;
	int flags;
} dense_job;

NNO_INLINE void dense_tile(const int mr, const int nv, int64_t last, const int ahead, const dense_job *job,
			   const float *a, const float *b, float *c)
{
	vf acc[MOST_ROWS][WIDE];
	for (int m = 0; m < mr; m++)
		for (int v = 0; v < nv; v++)
			acc[m][v] = job->flags & NNO_GEMM_ADD
					? load_some(c + m * job->ldc + v * VL, v == nv - 1 ? last : VL)
					: v_zero();
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
	if (job->flags & NNO_STREAM) {
		for (int m = 0; m < mr; m++)
			for (int v = 0; v < nv; v++)
				v_stream(c + m * job->ldc + v * VL, acc[m][v]);
		return;
	}
	for (int m = 0; m < mr; m++)
		for (int v = 0; v < nv; v++)
			store_some(c + m * job->ldc + v * VL, acc[m][v], v == nv - 1 ? last : VL);
}

NNO_INLINE void dense_strip(const int mr, const int nv, int64_t last, const dense_job *job, const float *a,
			    const float *b, float *c, int64_t *done)
{
	if (*done == 0 && mr <= job->m) {
		dense_tile(mr, nv, last, 1, job, a, b, c);
		*done = mr;
	}
	for (; *done + mr <= job->m; *done += mr)
		dense_tile(mr, nv, last, 0, job, a + *done * job->lda, b, c + *done * job->ldc);
}

NNO_INLINE void dense_all(const int mr, const int nv, int64_t last, const dense_job *job, const float *a,
			  const float *b, float *c)
{
	int64_t done = 0;
	dense_strip(mr, nv, last, job, a, b, c, &done);
	dense_strip(4, nv, last, job, a, b, c, &done);
	dense_strip(2, nv, last, job, a, b, c, &done);
	dense_strip(1, nv, last, job, a, b, c, &done);
}

static void dense_wide(const dense_job *job, const float *a, const float *b, float *c)
{
	dense_all(WIDE_ROWS, WIDE, VL, job, a, b, c);
}

static void dense_half(const dense_job *job, const float *a, const float *b, float *c)
{
	dense_all(HALF_ROWS, HALF, VL, job, a, b, c);
}

static void dense_narrow(const dense_job *job, const float *a, const float *b, float *c)
{
	dense_all(NARROW_ROWS, 1, VL, job, a, b, c);
}

static void dense_half_part(int64_t last, const dense_job *job, const float *a, const float *b, float *c)
{
	dense_all(HALF_ROWS, HALF, last, job, a, b, c);
}

static void dense_part(int64_t last, const dense_job *job, const float *a, const float *b, float *c)
{
	dense_all(NARROW_ROWS, 1, last, job, a, b, c);
}

void NNO_FN(gemm_f32)(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb,
		      float *c, int64_t ldc, int flags)
{
	bool whole_lines = (uintptr_t)c % (VL * sizeof(float)) == 0 && ldc % VL == 0 && n % VL == 0;
	if (!whole_lines)
		flags &= ~NNO_STREAM;
	dense_job job = { .m = m, .k = k, .lda = lda, .ldb = ldb, .ldc = ldc, .flags = flags };
	int64_t column = 0;
	for (; column + WIDE * VL <= n; column += WIDE * VL)
		dense_wide(&job, a, b + column, c + column);
	for (; column + HALF * VL <= n; column += HALF * VL)
		dense_half(&job, a, b + column, c + column);
	int64_t left = n - column;
	if (left > VL)
		dense_half_part(left - VL, &job, a, b + column, c + column);
	else if (left == VL)
		dense_narrow(&job, a, b + column, c + column);
	else if (left > 0)
		dense_part(left, &job, a, b + column, c + column);
	if (flags & NNO_STREAM)
		v_stream_end();
}

typedef struct columns_job {
	int64_t m, k, segments, x_stride, y_stride, ldc;
	const int64_t *x_off, *y_off;
	int flags;
} columns_job;

NNO_INLINE void columns_tile(const int mr, const int nv, int64_t last, const columns_job *job, const float *x,
			     const float *y, float *c)
{
	vf acc[MOST_ROWS][WIDE];
	for (int m = 0; m < mr; m++)
		for (int v = 0; v < nv; v++)
			acc[m][v] = job->flags & NNO_GEMM_ADD
					? load_some(c + m * job->ldc + v * VL, v == nv - 1 ? last : VL)
					: v_zero();
	for (int64_t s = 0; s < job->segments; s++) {
		const float *xs = x + job->x_off[s];
		const float *ys = y + job->y_off[s];
		for (int64_t k = 0; k < job->k; k++, xs += job->x_stride, ys += job->y_stride) {
			vf yv[WIDE];
			for (int v = 0; v < nv; v++)
				yv[v] = v == nv - 1 ? load_some(ys + v * VL, last) : v_load(ys + v * VL);
			for (int m = 0; m < mr; m++) {
				vf xm = v_set1(xs[m]);
				for (int v = 0; v < nv; v++)
					acc[m][v] = v_fma(xm, yv[v], acc[m][v]);
			}
		}
	}
	for (int m = 0; m < mr; m++)
		for (int v = 0; v < nv; v++)
			store_some(c + m * job->ldc + v * VL, acc[m][v], v == nv - 1 ? last : VL);
}

NNO_INLINE void columns_strip(const int mr, const int nv, int64_t last, const columns_job *job, const float *x,
			      const float *y, float *c, int64_t *done)
{
	for (; *done + mr <= job->m; *done += mr)
		columns_tile(mr, nv, last, job, x + *done, y, c + *done * job->ldc);
}

NNO_INLINE void columns_all(const int mr, const int nv, int64_t last, const columns_job *job, const float *x,
			    const float *y, float *c)
{
	int64_t done = 0;
	columns_strip(mr, nv, last, job, x, y, c, &done);
	columns_strip(4, nv, last, job, x, y, c, &done);
	columns_strip(2, nv, last, job, x, y, c, &done);
	columns_strip(1, nv, last, job, x, y, c, &done);
}

static void columns_wide(const columns_job *job, const float *x, const float *y, float *c)
{
	columns_all(WIDE_ROWS, WIDE, VL, job, x, y, c);
}

static void columns_half(const columns_job *job, const float *x, const float *y, float *c)
{
	columns_all(HALF_ROWS, HALF, VL, job, x, y, c);
}

static void columns_narrow(const columns_job *job, const float *x, const float *y, float *c)
{
	columns_all(NARROW_ROWS, 1, VL, job, x, y, c);
}

static void columns_half_part(int64_t last, const columns_job *job, const float *x, const float *y, float *c)
{
	columns_all(HALF_ROWS, HALF, last, job, x, y, c);
}

static void columns_part(int64_t last, const columns_job *job, const float *x, const float *y, float *c)
{
	columns_all(NARROW_ROWS, 1, last, job, x, y, c);
}

void NNO_FN(gemm_columns_f32)(int64_t m, int64_t n, int64_t k, int64_t segments, const float *x, const int64_t *x_off,
			      int64_t x_stride, const float *y, const int64_t *y_off, int64_t y_stride, float *c,
			      int64_t ldc, int flags)
{
	columns_job job = { .m = m,
			    .k = k,
			    .segments = segments,
			    .x_stride = x_stride,
			    .y_stride = y_stride,
			    .ldc = ldc,
			    .x_off = x_off,
			    .y_off = y_off,
			    .flags = flags };
	int64_t column = 0;
	for (; column + WIDE * VL <= n; column += WIDE * VL)
		columns_wide(&job, x, y + column, c + column);
	for (; column + HALF * VL <= n; column += HALF * VL)
		columns_half(&job, x, y + column, c + column);
	int64_t left = n - column;
	if (left > VL)
		columns_half_part(left - VL, &job, x, y + column, c + column);
	else if (left == VL)
		columns_narrow(&job, x, y + column, c + column);
	else if (left > 0)
		columns_part(left, &job, x, y + column, c + column);
}

void NNO_FN(mask_positive_f32)(float *gradient, const float *y, int64_t n)
{
	for (int64_t i = 0; i < n; i += VL) {
		int64_t width = n - i < VL ? n - i : VL;
		store_some(gradient + i,
			   v_select_le(load_some(y + i, width), v_zero(), v_zero(), load_some(gradient + i, width)),
			   width);
	}
}

void NNO_FN(column_sums_f32)(float *sums, const float *x, int64_t rows, int64_t n)
{
	for (int64_t j = 0; j < n; j += VL) {
		int64_t width = n - j < VL ? n - j : VL;
		vf acc = load_some(sums + j, width);
		for (int64_t i = 0; i < rows; i++)
			acc = v_add(acc, load_some(x + i * n + j, width));
		store_some(sums + j, acc, width);
	}
}
