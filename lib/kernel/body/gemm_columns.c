/* gemm_columns.c - products whose rows run along the reduction: sums over pixels or samples of what lies side by side
 * in both, as the weights' gradients are. A tile of results stays in registers while the reduction streams by. */
#include "kernel/body.h"

#include "kernel/body/tiles.h"

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
			      const float *y, float *c, int64_t end, int64_t *done)
{
	for (; *done + mr <= end; *done += mr)
		columns_tile(mr, nv, last, job, x + *done, y, c + *done * job->ldc);
}

NNO_INLINE void columns_all(const int mr, const int nv, int64_t last, const columns_job *job, const float *x,
			    const float *y, float *c)
{
	int64_t done = 0;
	tile_rows r = share_rows(mr, job->m);
	columns_strip(mr, nv, last, job, x, y, c, r.high, &done);
	if (mr > 5)
		columns_strip(5, nv, last, job, x, y, c, r.five, &done);
	columns_strip(4, nv, last, job, x, y, c, job->m, &done);
	columns_strip(2, nv, last, job, x, y, c, job->m, &done);
	columns_strip(1, nv, last, job, x, y, c, job->m, &done);
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

/* --- one row --- */

/* Vectors of the result at a time: most of the registers, so that a row of the matrix is read in one long stretch. */
#if VL == 16 || VL == 4
enum { LONG = 16 };
#elif VL == 8
enum { LONG = 12 };
#else
enum { LONG = 4 };
#endif

NNO_INLINE void row_stretch(const int nv, float *y, const float *x, const float *w, int64_t ld, int64_t rows,
			    int64_t last, int add)
{
	vf acc[LONG];
#pragma GCC unroll 16
	for (int v = 0; v < nv; v++)
		acc[v] = add ? load_some(y + v * VL, v == nv - 1 ? last : VL) : v_zero();
	for (int64_t k = 0; k < rows; k++, w += ld) {
		vf xk = v_set1(x[k]);
#pragma GCC unroll 16
		for (int v = 0; v < nv; v++)
			acc[v] = v_fma(xk, load_some(w + v * VL, v == nv - 1 ? last : VL), acc[v]);
	}
#pragma GCC unroll 16
	for (int v = 0; v < nv; v++)
		store_some(y + v * VL, acc[v], v == nv - 1 ? last : VL);
}

void NNO_FN(row_times_f32)(float *y, const float *x, const float *w, int64_t ld, int64_t rows, int64_t n, int flags)
{
	int add = flags & NNO_GEMM_ADD;
	int64_t j = 0;
	for (; j + LONG * VL <= n; j += LONG * VL)
		row_stretch(LONG, y + j, x, w + j, ld, rows, VL, add);
	for (; j + 4 * VL <= n; j += 4 * VL)
		row_stretch(4, y + j, x, w + j, ld, rows, VL, add);
	for (; j < n; j += VL)
		row_stretch(1, y + j, x, w + j, ld, rows, n - j, add);
}
