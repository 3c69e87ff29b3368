/* gemm.c - register-tiled matrix products without packing: a tile of results stays in registers while the reduction
 * streams by. Rows of a are given by pointers, so that a tile may be any pixels of an image. */
#include "kernel/body.h"

/* Tile: rows x vectors of results. 7 x 4 of 32 registers, 6 x 2 of 16. */
#if VL == 16
#define MR 7
#define NV 4
#elif VL == 8
#define MR 6
#define NV 2
#elif VL == 4
#define MR 7
#define NV 3
#else
#define MR 4
#define NV 4
#endif

NNO_INLINE vf load_some(const float *p, int64_t n) { return n >= VL ? v_load(p) : v_load_n(p, n); }

NNO_INLINE void store_some(float *p, vf x, int64_t n)
{
	if (n >= VL)
		v_store(p, x);
	else
		v_store_n(p, x, n);
}

typedef struct rows_job {
	int64_t k, taps, ldb, c_off;
	const int64_t *a_off, *b_off;
	const float *bias;
	int flags;
} rows_job;

/* mr and nv are constants at every call, so that the accumulators become registers; `last` is the width of the last
 * vector. */
NNO_INLINE void rows_tile(const int mr, const int nv, int64_t last, const rows_job *job, const float *const *a,
			  const float *b, float *const *c, int64_t column)
{
	vf acc[MR][NV];
	for (int m = 0; m < mr; m++)
		for (int v = 0; v < nv; v++) {
			int64_t width = v == nv - 1 ? last : VL;
			acc[m][v] = job->bias != NULL ? load_some(job->bias + column + v * VL, width) : v_zero();
			if (job->flags & NNO_GEMM_ADD)
				acc[m][v] = v_add(acc[m][v], load_some(c[m] + job->c_off + column + v * VL, width));
		}
	for (int64_t t = 0; t < job->taps; t++) {
		const float *row[MR];
		for (int m = 0; m < mr; m++)
			row[m] = a[m] + job->a_off[t];
		const float *bt = b + job->b_off[t] + column;
		for (int64_t k = 0; k < job->k; k++, bt += job->ldb) {
			vf bv[NV];
			for (int v = 0; v < nv; v++)
				bv[v] = v == nv - 1 ? load_some(bt + v * VL, last) : v_load(bt + v * VL);
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

static void rows_full(const rows_job *job, const float *const *a, const float *b, float *const *c, int64_t column)
{
	rows_tile(MR, NV, VL, job, a, b, c, column);
}

static void rows_one(const rows_job *job, const float *const *a, const float *b, float *const *c, int64_t column)
{
	rows_tile(1, NV, VL, job, a, b, c, column);
}

static void rows_narrow(int64_t last, const rows_job *job, const float *const *a, const float *b, float *const *c,
			int64_t column)
{
	rows_tile(MR, 1, last, job, a, b, c, column);
}

static void rows_narrow_one(int64_t last, const rows_job *job, const float *const *a, const float *b, float *const *c,
			    int64_t column)
{
	rows_tile(1, 1, last, job, a, b, c, column);
}

void NNO_FN(gemm_rows_f32)(int64_t rows, int64_t n, int64_t k, int64_t taps, const float *const *a,
			   const int64_t *a_off, const float *b, const int64_t *b_off, int64_t ldb, float *const *c,
			   int64_t c_off, const float *bias, int flags)
{
	rows_job job = { .k = k,
			 .taps = taps,
			 .ldb = ldb,
			 .c_off = c_off,
			 .a_off = a_off,
			 .b_off = b_off,
			 .bias = bias,
			 .flags = flags };
	int64_t column = 0;
	for (; column + NV * VL <= n; column += NV * VL) {
		int64_t m = 0;
		for (; m + MR <= rows; m += MR)
			rows_full(&job, a + m, b, c + m, column);
		for (; m < rows; m++)
			rows_one(&job, a + m, b, c + m, column);
	}
	for (; column < n; column += VL) {
		int64_t last = n - column < VL ? n - column : VL;
		int64_t m = 0;
		for (; m + MR <= rows; m += MR)
			rows_narrow(last, &job, a + m, b, c + m, column);
		for (; m < rows; m++)
			rows_narrow_one(last, &job, a + m, b, c + m, column);
	}
}

typedef struct columns_job {
	int64_t k, segments, x_stride, y_stride, ldc;
	const int64_t *x_off, *y_off;
	int flags;
} columns_job;

NNO_INLINE void columns_tile(const int mr, const int nv, int64_t last, const columns_job *job, const float *x,
			     const float *y, float *c)
{
	vf acc[MR][NV];
	for (int m = 0; m < mr; m++)
		for (int v = 0; v < nv; v++)
			acc[m][v] = job->flags & NNO_GEMM_ADD
					? load_some(c + m * job->ldc + v * VL, v == nv - 1 ? last : VL)
					: v_zero();
	for (int64_t s = 0; s < job->segments; s++) {
		const float *xs = x + job->x_off[s];
		const float *ys = y + job->y_off[s];
		for (int64_t k = 0; k < job->k; k++, xs += job->x_stride, ys += job->y_stride) {
			vf yv[NV];
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

static void columns_full(const columns_job *job, const float *x, const float *y, float *c)
{
	columns_tile(MR, NV, VL, job, x, y, c);
}

static void columns_one(const columns_job *job, const float *x, const float *y, float *c)
{
	columns_tile(1, NV, VL, job, x, y, c);
}

static void columns_narrow(int64_t last, const columns_job *job, const float *x, const float *y, float *c)
{
	columns_tile(MR, 1, last, job, x, y, c);
}

static void columns_narrow_one(int64_t last, const columns_job *job, const float *x, const float *y, float *c)
{
	columns_tile(1, 1, last, job, x, y, c);
}

void NNO_FN(gemm_columns_f32)(int64_t m, int64_t n, int64_t k, int64_t segments, const float *x, const int64_t *x_off,
			      int64_t x_stride, const float *y, const int64_t *y_off, int64_t y_stride, float *c,
			      int64_t ldc, int flags)
{
	columns_job job = { .k = k,
			    .segments = segments,
			    .x_stride = x_stride,
			    .y_stride = y_stride,
			    .ldc = ldc,
			    .x_off = x_off,
			    .y_off = y_off,
			    .flags = flags };
	int64_t column = 0;
	for (; column + NV * VL <= n; column += NV * VL) {
		int64_t i = 0;
		for (; i + MR <= m; i += MR)
			columns_full(&job, x + i, y + column, c + i * ldc + column);
		for (; i < m; i++)
			columns_one(&job, x + i, y + column, c + i * ldc + column);
	}
	for (; column < n; column += VL) {
		int64_t last = n - column < VL ? n - column : VL;
		int64_t i = 0;
		for (; i + MR <= m; i += MR)
			columns_narrow(last, &job, x + i, y + column, c + i * ldc + column);
		for (; i < m; i++)
			columns_narrow_one(last, &job, x + i, y + column, c + i * ldc + column);
	}
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
