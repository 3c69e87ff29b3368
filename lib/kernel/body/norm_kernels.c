/* norm_kernels.c - batch normalisation over rows of n channels. What sums over rows sweeps them once for every few
 * vectors of channels, whose factors and sums stay in registers; so does the rest where a row is that short. Longer
 * rows it takes in order, and their factors from the first-level cache: memory is read in order, and asked for in time.
 */
#include "kernel/body.h"

#include <float.h>

/* Vectors of channels at a time: as many as the registers hold factors and sums of, and where they need not. */
#if VL == 8
#define NV 2
#else
#define NV 4
#endif
#define MOST 4
#define NR 4 /* rows at a time where one vector is a row: that many sums go on at once */
/* Values of a cache line, and how far ahead they are asked for: no hardware sees across pages, and runs are short. */
#define LINE ((int)(64 / sizeof(elem)))
#define AHEAD (128 * LINE)

/* Vectors v < nv of a row: VL channels each, the last of them `last`. nv is a constant at every use. */
NNO_INLINE void load_row(vf to[MOST], const int nv, int64_t last, const float *p)
{
	for (int v = 0; v < nv; v++)
		to[v] = v == nv - 1 ? load_some(p + v * VL, last) : v_load(p + v * VL);
}

NNO_INLINE void store_row(float *p, const vf from[MOST], const int nv, int64_t last)
{
	for (int v = 0; v < nv; v++)
		store_some(p + v * VL, from[v], v == nv - 1 ? last : VL);
}

NNO_INLINE void get_row(vf to[MOST], const int nv, int64_t last, const elem *p)
{
	for (int v = 0; v < nv; v++)
		to[v] = v == nv - 1 ? get_some(p + v * VL, last) : get(p + v * VL);
}

NNO_INLINE void put_row(elem *p, const vf from[MOST], const int nv, int64_t last)
{
	for (int v = 0; v < nv; v++)
		put_some(p + v * VL, from[v], v == nv - 1 ? last : VL);
}

NNO_INLINE void stream_row(elem *p, const vf from[MOST], const int nv)
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

/* Vectors v < nv from value `at` on, which are channels [column, ...). */
typedef void (*step_fn)(const void *job, int64_t at, int64_t column, const int nv, int64_t last);

NNO_INLINE void in_order(int64_t rows, int64_t n, const void *job, step_fn f)
{
	int64_t whole = n - n % (MOST * VL), left = n - whole, last = (left - 1) % VL + 1;
	for (int64_t at = 0; at < rows * n; at += n) {
		for (int64_t column = 0; column < whole; column += MOST * VL)
			f(job, at + column, column, MOST, VL);
		if (left > 3 * VL)
			f(job, at + whole, whole, 4, last);
		else if (left > 2 * VL)
			f(job, at + whole, whole, 3, last);
		else if (left > VL)
			f(job, at + whole, whole, 2, last);
		else if (left > 0)
			f(job, at + whole, whole, 1, last);
	}
}

NNO_INLINE void fetch_row(const elem *p, const int nv)
{
	for (int at = 0; at < nv * VL; at += LINE)
		__builtin_prefetch(p + AHEAD + at);
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
	vf shift[MOST], sum[NR][MOST], square[NR][MOST], row[MOST];
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
	vf mean[MOST], scale[MOST], shift[MOST];
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

NNO_INLINE void give_value(const value_job *j, int64_t at, const factors *f, const int nv, int64_t last)
{
	vf x[MOST], skip[MOST], low = v_set1(j->p->low), high = v_set1(j->p->high);
	fetch_row(j->x + at, nv);
	get_row(x, nv, last, j->x + at);
	for (int v = 0; v < nv; v++)
		x[v] = value_of(x[v], f, v);
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

NNO_INLINE void value_sweep(const void *job, int64_t column, const int nv, int64_t last)
{
	const value_job *j = job;
	factors f;
	load_factors(&f, nv, last, j->p, column);
	for (int64_t r = 0, at = column; r < j->rows; r++, at += j->n)
		give_value(j, at, &f, nv, last);
}

NNO_INLINE void value_step(const void *job, int64_t at, int64_t column, const int nv, int64_t last)
{
	const value_job *j = job;
	factors f;
	load_factors(&f, nv, last, j->p, column);
	give_value(j, at, &f, nv, last);
}

void NNO_OF(norm)(elem *dst, const elem *x, const elem *skip, const nno_norm *p, int64_t rows, int64_t n, int flags)
{
	const value_job job = { dst, x, skip, p, rows, n, flags & NNO_NORM_STREAM && fills_lines(dst, n, n) };
	if (n <= NV * VL)
		sweep(n, &job, value_sweep);
	else
		in_order(rows, n, &job, value_step);
	v_stream_end();
}

/* dy where the clamp let the values pass: where it has no upper end, infinity too. */
NNO_INLINE void mask_row(vf dy[MOST], const vf values[MOST], const int nv, const nno_norm *p)
{
	vf low = v_set1(p->low), high = v_set1(p->high);
	int ends = p->high <= FLT_MAX;
	for (int v = 0; v < nv; v++) {
		dy[v] = v_select_le(values[v], low, v_zero(), dy[v]);
		dy[v] = ends ? v_select_le(high, values[v], v_zero(), dy[v]) : dy[v];
	}
}

NNO_INLINE void mask_by_source(vf dy[MOST], const vf x[MOST], const int nv, const nno_norm *p, const factors *f)
{
	vf values[MOST];
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

NNO_INLINE void add_products(vf sum[MOST], vf product[MOST], const sums_job *j, int64_t at, const int nv, int64_t last,
			     const factors *f)
{
	vf x[MOST], dy[MOST], y[MOST];
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
	const int nr = VL == 8 && nv > 1 ? 1 : rows_at_once(nv); /* more would not stay in 16 registers */
	factors f;
	vf sum[NR][MOST], product[NR][MOST];
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

NNO_INLINE void give_row(elem *dst, vf from[MOST], const int nv, int64_t last, int add)
{
	vf old[MOST];
	if (add) {
		get_row(old, nv, last, dst);
		for (int v = 0; v < nv; v++)
			from[v] = v_add(old[v], from[v]);
	}
	put_row(dst, from, nv, last);
}

typedef struct slopes {
	vf a[MOST], b[MOST], d[MOST];
} slopes;

NNO_INLINE void load_slopes(slopes *s, const int nv, int64_t last, const nno_norm_slope *p, int64_t column)
{
	load_row(s->a, nv, last, p->a + column);
	load_row(s->b, nv, last, p->b + column);
	load_row(s->d, nv, last, p->d + column);
}

NNO_INLINE void give_gradient(const gradient_job *j, int64_t at, const factors *f, const slopes *s, const int nv,
			      int64_t last)
{
	vf x[MOST], dy[MOST], dx[MOST];
	fetch_row(j->x + at, nv);
	fetch_row(j->dy + at, nv);
	get_row(x, nv, last, j->x + at);
	get_row(dy, nv, last, j->dy + at);
	if (j->p->clamped)
		mask_by_source(dy, x, nv, j->p, f);
	if (j->dx != NULL) {
		for (int v = 0; v < nv; v++)
			dx[v] = v_fma(s->a[v], dy[v], v_fma(s->b[v], v_sub(x[v], f->mean[v]), s->d[v]));
		if (j->stream)
			stream_row(j->dx + at, dx, nv);
		else
			give_row(j->dx + at, dx, nv, last, j->flags & NNO_NORM_ADD_DX);
	}
	if (j->dskip != NULL)
		give_row(j->dskip + at, dy, nv, last, j->flags & NNO_NORM_ADD_DSKIP);
}

NNO_INLINE void gradient_sweep(const void *job, int64_t column, const int nv, int64_t last)
{
	const gradient_job *j = job;
	factors f;
	slopes s;
	load_factors(&f, nv, last, j->p, column);
	load_slopes(&s, nv, last, j->s, column);
	for (int64_t r = 0, at = column; r < j->rows; r++, at += j->n)
		give_gradient(j, at, &f, &s, nv, last);
}

NNO_INLINE void gradient_step(const void *job, int64_t at, int64_t column, const int nv, int64_t last)
{
	const gradient_job *j = job;
	factors f;
	slopes s;
	load_factors(&f, nv, last, j->p, column);
	load_slopes(&s, nv, last, j->s, column);
	give_gradient(j, at, &f, &s, nv, last);
}

void NNO_OF(norm_gradient)(elem *dx, elem *dskip, const elem *dy, const elem *x, const nno_norm *p,
			   const nno_norm_slope *s, int64_t rows, int64_t n, int flags)
{
	int stream = flags & NNO_NORM_STREAM && !(flags & NNO_NORM_ADD_DX) && fills_lines(dx, n, n);
	const gradient_job job = { dx, dskip, dy, x, p, s, rows, n, flags, stream };
	if (n <= NV * VL)
		sweep(n, &job, gradient_sweep);
	else
		in_order(rows, n, &job, gradient_step);
	v_stream_end();
}
