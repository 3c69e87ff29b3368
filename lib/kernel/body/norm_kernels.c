/* norm_kernels.c - batch normalisation over rows of n channels. Each kernel sweeps the rows once for every few vectors
 * of channels, whose factors and sums stay in registers: it runs at the memory's speed, also for few channels. */
#include "kernel/body.h"

/* Vectors of channels at a time: as many as the registers hold factors and sums of. */
#if VL == 8
#define NV 2
#else
#define NV 4
#endif
#define FEW 4 /* rows swept at a time where no sum goes over all */
#define NR 4  /* rows at a time where one vector is a row: that many sums go on at once */

/* Vectors v < nv of a row: VL channels each, the last of them `last`. nv is a constant at every use. */
NNO_INLINE void load_row(vf to[NV], const int nv, int64_t last, const float *p)
{
	for (int v = 0; v < nv; v++)
		to[v] = v == nv - 1 ? load_some(p + v * VL, last) : v_load(p + v * VL);
}

NNO_INLINE void store_row(float *p, const vf from[NV], const int nv, int64_t last)
{
	for (int v = 0; v < nv; v++)
		store_some(p + v * VL, from[v], v == nv - 1 ? last : VL);
}

NNO_INLINE void get_row(vf to[NV], const int nv, int64_t last, const elem *p)
{
	for (int v = 0; v < nv; v++)
		to[v] = v == nv - 1 ? get_some(p + v * VL, last) : get(p + v * VL);
}

NNO_INLINE void put_row(elem *p, const vf from[NV], const int nv, int64_t last)
{
	for (int v = 0; v < nv; v++)
		put_some(p + v * VL, from[v], v == nv - 1 ? last : VL);
}

NNO_INLINE void stream_row(elem *p, const vf from[NV], const int nv)
{
	for (int v = 0; v < nv; v++)
		put_past(p + v * VL, from[v]);
}

/* Channels [column, column + (nv - 1) VL + last) of all rows. */
typedef void (*sweep_fn)(const void *job, int64_t column, const int nv, int64_t last);

NNO_INLINE void sweep(int64_t n, const void *job, sweep_fn f)
{
	int64_t column = 0;
	for (; column + NV * VL <= n; column += NV * VL)
		f(job, column, NV, VL);
	int64_t last = (n - column - 1) % VL + 1;
	switch ((n - column + VL - 1) / VL) {
	case 1:
		f(job, column, 1, last);
		break;
	case 2:
		f(job, column, 2, last);
		break;
	case 3:
		f(job, column, NV > 2 ? 3 : 1, last);
		break;
	case 4:
		f(job, column, NV > 3 ? 4 : 1, last);
		break;
	default:
		break;
	}
}

/* Of `rows` that are left: of rows longer than a sweep is wide a few at a time, so that memory is read nearly in order.
 */
NNO_INLINE int64_t few_rows(int64_t n, int64_t rows)
{
	int64_t few = n <= NV * VL ? rows : FEW;
	return few < rows ? few : rows;
}

NNO_INLINE int rows_at_once(const int nv) { return nv == 1 ? NR : nv == 2 ? NR / 2 : 1; }

typedef struct moments_job {
	float *shift, *sum, *square;
	const elem *x;
	int64_t rows, n;
} moments_job;

/* Differences from the mean of a few of the rows themselves: the error of their squares' sum is at most that of a sum
 * of rows / 4 times the variance, however far the mean is from zero. */
NNO_INLINE void moments_sweep(const void *job, int64_t column, const int nv, int64_t last)
{
	const moments_job *j = job;
	const elem *x = j->x + column;
	const int nr = rows_at_once(nv);
	vf shift[NV], sum[NR][NV], square[NR][NV], row[NV];
	int64_t first = j->rows < 4 ? j->rows : 4, r = 0;
	get_row(shift, nv, last, x);
	for (int64_t i = 1; i < first; i++) {
		get_row(row, nv, last, x + i * j->n);
		for (int v = 0; v < nv; v++)
			shift[v] = v_add(shift[v], row[v]);
	}
	for (int v = 0; v < nv; v++) {
		shift[v] = v_mul(shift[v], v_set1(1.0f / (float)first));
		for (int i = 0; i < nr; i++)
			sum[i][v] = square[i][v] = v_zero();
	}
	for (; r + nr <= j->rows; r += nr)
		for (int i = 0; i < nr; i++, x += j->n) {
			get_row(row, nv, last, x);
			for (int v = 0; v < nv; v++) {
				vf d = v_sub(row[v], shift[v]);
				sum[i][v] = v_add(sum[i][v], d);
				square[i][v] = v_fma(d, d, square[i][v]);
			}
		}
	for (; r < j->rows; r++, x += j->n) {
		get_row(row, nv, last, x);
		for (int v = 0; v < nv; v++) {
			vf d = v_sub(row[v], shift[v]);
			sum[0][v] = v_add(sum[0][v], d);
			square[0][v] = v_fma(d, d, square[0][v]);
		}
	}
	for (int i = 1; i < nr; i++)
		for (int v = 0; v < nv; v++) {
			sum[0][v] = v_add(sum[0][v], sum[i][v]);
			square[0][v] = v_add(square[0][v], square[i][v]);
		}
	store_row(j->shift + column, shift, nv, last);
	store_row(j->sum + column, sum[0], nv, last);
	store_row(j->square + column, square[0], nv, last);
}

void NNO_OF(norm_moments)(float *shift, float *sum, float *square, const elem *x, int64_t rows, int64_t n)
{
	const moments_job job = { shift, sum, square, x, rows, n };
	sweep(n, &job, moments_sweep);
}

typedef struct factors {
	vf mean[NV], scale[NV], shift[NV];
} factors;

NNO_INLINE void load_factors(factors *f, const int nv, int64_t last, const nno_norm *p, int64_t column)
{
	load_row(f->mean, nv, last, p->mean + column);
	load_row(f->scale, nv, last, p->scale + column);
	load_row(f->shift, nv, last, p->shift + column);
}

/* The same operations wherever they stand: a gradient's mask, computed anew from x, agrees with the result to the bit.
 */
NNO_INLINE vf value_of(vf x, const factors *f, int v) { return v_fma(v_sub(x, f->mean[v]), f->scale[v], f->shift[v]); }

typedef struct value_job {
	elem *dst;
	const elem *x, *skip;
	const nno_norm *p;
	int64_t rows, n;
	int stream;
} value_job;

NNO_INLINE void value_sweep(const void *job, int64_t column, const int nv, int64_t last)
{
	const value_job *j = job;
	factors f;
	vf x[NV], skip[NV], low = v_set1(j->p->low), high = v_set1(j->p->high);
	load_factors(&f, nv, last, j->p, column);
	for (int64_t r = 0, at = column; r < j->rows; r++, at += j->n) {
		get_row(x, nv, last, j->x + at);
		for (int v = 0; v < nv; v++)
			x[v] = value_of(x[v], &f, v);
		if (j->skip != NULL) {
			get_row(skip, nv, last, j->skip + at);
			for (int v = 0; v < nv; v++)
				x[v] = v_add(x[v], skip[v]);
		}
		/* In this order a NaN stays one. */
		for (int v = 0; v < nv; v++)
			x[v] = v_min(high, v_max(low, x[v]));
		if (j->stream)
			stream_row(j->dst + at, x, nv);
		else
			put_row(j->dst + at, x, nv, last);
	}
}

void NNO_OF(norm)(elem *dst, const elem *x, const elem *skip, const nno_norm *p, int64_t rows, int64_t n, int flags)
{
	value_job job = { dst, x, skip, p, 0, n, flags & NNO_NORM_STREAM && fills_lines(dst, n, n) };
	for (int64_t r = 0, at = 0; r < rows; r += job.rows, at += job.rows * n) {
		job.rows = few_rows(n, rows - r);
		job.dst = dst + at;
		job.x = x + at;
		job.skip = skip != NULL ? skip + at : NULL;
		sweep(n, &job, value_sweep);
	}
	v_stream_end();
}

/* dy where the clamp let the values pass. */
NNO_INLINE void mask_row(vf dy[NV], const vf values[NV], const int nv, const nno_norm *p)
{
	vf low = v_set1(p->low), high = v_set1(p->high);
	for (int v = 0; v < nv; v++)
		dy[v] = v_select_le(values[v], low, v_zero(), v_select_le(high, values[v], v_zero(), dy[v]));
}

NNO_INLINE void mask_by_source(vf dy[NV], const vf x[NV], const int nv, const nno_norm *p, const factors *f)
{
	vf values[NV];
	for (int v = 0; v < nv; v++)
		values[v] = value_of(x[v], f, v);
	mask_row(dy, values, nv, p);
}

typedef struct sums_job {
	float *sum, *product;
	elem *dy;
	const elem *x, *y;
	const nno_norm *p;
	int64_t rows, n;
} sums_job;

NNO_INLINE void add_products(vf sum[NV], vf product[NV], const sums_job *j, int64_t at, const int nv, int64_t last,
			     const factors *f)
{
	vf x[NV], dy[NV], y[NV];
	get_row(x, nv, last, j->x + at);
	get_row(dy, nv, last, j->dy + at);
	if (j->y != NULL) {
		get_row(y, nv, last, j->y + at);
		mask_row(dy, y, nv, j->p);
		put_row(j->dy + at, dy, nv, last);
	} else if (j->p->clamped) {
		mask_by_source(dy, x, nv, j->p, f);
	}
	for (int v = 0; v < nv; v++) {
		sum[v] = v_add(sum[v], dy[v]);
		product[v] = v_fma(dy[v], v_sub(x[v], f->mean[v]), product[v]);
	}
}

NNO_INLINE void sums_sweep(const void *job, int64_t column, const int nv, int64_t last)
{
	const sums_job *j = job;
	const int nr = rows_at_once(nv);
	factors f;
	vf sum[NR][NV], product[NR][NV];
	load_factors(&f, nv, last, j->p, column);
	for (int i = 0; i < nr; i++)
		for (int v = 0; v < nv; v++)
			sum[i][v] = product[i][v] = v_zero();
	int64_t r = 0, at = column;
	for (; r + nr <= j->rows; r += nr)
		for (int i = 0; i < nr; i++, at += j->n)
			add_products(sum[i], product[i], j, at, nv, last, &f);
	for (; r < j->rows; r++, at += j->n)
		add_products(sum[0], product[0], j, at, nv, last, &f);
	for (int i = 1; i < nr; i++)
		for (int v = 0; v < nv; v++) {
			sum[0][v] = v_add(sum[0][v], sum[i][v]);
			product[0][v] = v_add(product[0][v], product[i][v]);
		}
	store_row(j->sum + column, sum[0], nv, last);
	store_row(j->product + column, product[0], nv, last);
}

void NNO_OF(norm_sums)(float *sum, float *product, elem *dy, const elem *x, const elem *y, const nno_norm *p,
		       int64_t rows, int64_t n)
{
	const sums_job job = { sum, product, dy, x, y, p, rows, n };
	sweep(n, &job, sums_sweep);
}

typedef struct gradient_job {
	elem *dx, *dskip;
	const elem *dy, *x;
	const nno_norm *p;
	const nno_norm_slope *s;
	int64_t rows, n;
	int flags, stream;
} gradient_job;

NNO_INLINE void give_row(elem *dst, vf from[NV], const int nv, int64_t last, int add)
{
	vf old[NV];
	if (add) {
		get_row(old, nv, last, dst);
		for (int v = 0; v < nv; v++)
			from[v] = v_add(old[v], from[v]);
	}
	put_row(dst, from, nv, last);
}

NNO_INLINE void gradient_sweep(const void *job, int64_t column, const int nv, int64_t last)
{
	const gradient_job *j = job;
	factors f;
	vf a[NV], b[NV], d[NV], x[NV], dy[NV], dx[NV];
	load_factors(&f, nv, last, j->p, column);
	load_row(a, nv, last, j->s->a + column);
	load_row(b, nv, last, j->s->b + column);
	load_row(d, nv, last, j->s->d + column);
	for (int64_t r = 0, at = column; r < j->rows; r++, at += j->n) {
		get_row(x, nv, last, j->x + at);
		get_row(dy, nv, last, j->dy + at);
		if (j->p->clamped)
			mask_by_source(dy, x, nv, j->p, &f);
		if (j->dx != NULL) {
			for (int v = 0; v < nv; v++)
				dx[v] = v_fma(a[v], dy[v], v_fma(b[v], v_sub(x[v], f.mean[v]), d[v]));
			if (j->stream)
				stream_row(j->dx + at, dx, nv);
			else
				give_row(j->dx + at, dx, nv, last, j->flags & NNO_NORM_ADD_DX);
		}
		if (j->dskip != NULL)
			give_row(j->dskip + at, dy, nv, last, j->flags & NNO_NORM_ADD_DSKIP);
	}
}

void NNO_OF(norm_gradient)(elem *dx, elem *dskip, const elem *dy, const elem *x, const nno_norm *p,
			   const nno_norm_slope *s, int64_t rows, int64_t n, int flags)
{
	int stream = flags & NNO_NORM_STREAM && !(flags & NNO_NORM_ADD_DX) && fills_lines(dx, n, n);
	gradient_job job = { dx, dskip, dy, x, p, s, 0, n, flags, stream };
	for (int64_t r = 0, at = 0; r < rows; r += job.rows, at += job.rows * n) {
		job.rows = few_rows(n, rows - r);
		job.dx = dx != NULL ? dx + at : NULL;
		job.dskip = dskip != NULL ? dskip + at : NULL;
		job.dy = dy + at;
		job.x = x + at;
		sweep(n, &job, gradient_sweep);
	}
	v_stream_end();
}
