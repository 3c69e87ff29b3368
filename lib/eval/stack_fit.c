/* stack_fit.c - stacking: multinomial logistic regression by Newton's method. The step is found by conjugate gradients
 * from products of the Hessian alone, which has no room to stand in (Nash 2000, "truncated Newton methods"; Lin, Weng,
 * Keerthi 2008). The intercepts may rise together without a change: gradients, and with them steps, have nothing of it.
 * Everything over the number of samples, so that the tolerance means the same for few and many. */
#include "eval/ensemble.h"

#include <math.h>
#include <string.h>

#define LANES 8
#define MOST_TURNS 200 /* of conjugate gradients: a step need not be exact */

typedef struct logistic {
	const nno_samples *s;
	double l2;
	int64_t features;    /* of a sample: members x classes */
	int64_t size;        /* of a set of weights: classes x (features + 1) */
	double *probability; /* (n, classes), of the last weights looked at */
	double *weights, *next, *gradient, *next_gradient, *step, *left, *along, *curved, *scaled, *diagonal;
	double *answer; /* classes */
} logistic;

/* In lanes, so that the compiler's vectors run over them and the order of the sums is the same everywhere. */
static double dot(const double *restrict a, const double *restrict b, int64_t n)
{
	double lane[LANES] = { 0.0 }, sum = 0.0;
	int64_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (int k = 0; k < LANES; k++)
			lane[k] += a[i + k] * b[i + k];
	for (; i < n; i++)
		sum += a[i] * b[i];
	for (int k = 0; k < LANES; k++)
		sum += lane[k];
	return sum;
}

/* to[k] = w_k x + w_k0 */
static void apply(const logistic *l, const double *w, const double *x, double *to)
{
	for (int64_t k = 0; k < l->s->classes; k++, w += l->features + 1)
		to[k] = dot(w, x, l->features) + w[l->features];
}

/* to_k += r_k (x, 1) */
static void spread(const logistic *l, double *restrict to, const double *restrict x, const double *r)
{
	for (int64_t k = 0; k < l->s->classes; k++, to += l->features + 1) {
		for (int64_t i = 0; i < l->features; i++)
			to[i] += r[k] * x[i];
		to[l->features] += r[k];
	}
}

/* Over the number of samples, and the penalty's part of `times` for each weight but the intercepts. */
static void finish(const logistic *l, double *to, const double *w)
{
	double n = (double)l->s->n;
	for (int64_t i = 0; i < l->size; i++)
		to[i] = (to[i] + ((i + 1) % (l->features + 1) != 0 ? l->l2 * (w != NULL ? w[i] : 1.0) : 0.0)) / n;
}

/* The objective at `w`, its gradient, and the probabilities there. */
static double evaluate(const logistic *l, const double *w, double *gradient)
{
	const nno_samples *s = l->s;
	double f = 0.0, squares = 0.0;
	memset(gradient, 0, (size_t)l->size * sizeof *gradient);
	for (int64_t i = 0; i < s->n; i++) {
		double *p = l->probability + i * s->classes;
		apply(l, w, nno_said(s, i, 0), p);
		double all = nno_log_sum_exp(p, s->classes);
		f += all - p[s->label[i]];
		for (int64_t k = 0; k < s->classes; k++) {
			p[k] = exp(p[k] - all);
			l->answer[k] = p[k] - (k == s->label[i] ? 1.0 : 0.0);
		}
		spread(l, gradient, nno_said(s, i, 0), l->answer);
	}
	finish(l, gradient, w);
	for (int64_t i = 0; i < l->size; i++)
		squares += (i + 1) % (l->features + 1) != 0 ? w[i] * w[i] : 0.0;
	return (f + 0.5 * l->l2 * squares) / (double)s->n;
}

/* The Hessian times `d`. */
static void multiply(const logistic *l, const double *d, double *to)
{
	const nno_samples *s = l->s;
	memset(to, 0, (size_t)l->size * sizeof *to);
	for (int64_t i = 0; i < s->n; i++) {
		const double *p = l->probability + i * s->classes;
		apply(l, d, nno_said(s, i, 0), l->answer);
		double mean = dot(p, l->answer, s->classes);
		for (int64_t k = 0; k < s->classes; k++)
			l->answer[k] = p[k] * (l->answer[k] - mean);
		spread(l, to, nno_said(s, i, 0), l->answer);
	}
	finish(l, to, d);
}

static void find_diagonal(const logistic *l)
{
	const nno_samples *s = l->s;
	memset(l->diagonal, 0, (size_t)l->size * sizeof *l->diagonal);
	for (int64_t i = 0; i < s->n; i++) {
		const double *x = nno_said(s, i, 0);
		double *to = l->diagonal;
		for (int64_t k = 0; k < s->classes; k++, to += l->features + 1) {
			double p = l->probability[i * s->classes + k], v = p * (1.0 - p);
			for (int64_t j = 0; j < l->features; j++)
				to[j] += v * x[j] * x[j];
			to[l->features] += v;
		}
	}
	finish(l, l->diagonal, NULL);
	for (int64_t i = 0; i < l->size; i++)
		l->diagonal[i] = fmax(l->diagonal[i], 1e-300);
}

/* Newton's step to within a share of the gradient, by conjugate gradients scaled with the diagonal. */
static void find_step(const logistic *l, double share)
{
	find_diagonal(l);
	memset(l->step, 0, (size_t)l->size * sizeof *l->step);
	for (int64_t i = 0; i < l->size; i++) {
		l->left[i] = -l->gradient[i];
		l->along[i] = l->scaled[i] = l->left[i] / l->diagonal[i];
	}
	double product = dot(l->left, l->scaled, l->size), end = share * share * product;
	for (int64_t turn = 0; turn < MOST_TURNS && product > end; turn++) {
		multiply(l, l->along, l->curved);
		double curvature = dot(l->along, l->curved, l->size);
		if (!(curvature > 0.0))
			break;
		double t = product / curvature, last = product;
		for (int64_t i = 0; i < l->size; i++) {
			l->step[i] += t * l->along[i];
			l->left[i] -= t * l->curved[i];
			l->scaled[i] = l->left[i] / l->diagonal[i];
		}
		product = dot(l->left, l->scaled, l->size);
		for (int64_t i = 0; i < l->size; i++)
			l->along[i] = l->scaled[i] + product / last * l->along[i];
	}
}

static double largest(const double *x, int64_t n)
{
	double most = 0.0;
	for (int64_t i = 0; i < n; i++)
		most = fmax(most, fabs(x[i]));
	return most;
}

/* From weights of 0. */
static nnopt_status minimise(logistic *l, double tolerance, int64_t iterations)
{
	double f = evaluate(l, l->weights, l->gradient), worst = largest(l->gradient, l->size);
	for (int64_t turn = 0; turn < iterations && worst > tolerance; turn++) {
		find_step(l, fmin(0.1, sqrt(worst)));
		double slope = dot(l->gradient, l->step, l->size), t = 1.0, found = f;
		for (int tries = 0; tries < 60; tries++, t /= 2.0) {
			for (int64_t i = 0; i < l->size; i++)
				l->next[i] = l->weights[i] + t * l->step[i];
			found = evaluate(l, l->next, l->next_gradient);
			if (found <= f + 1e-4 * t * slope + 1e-14 * fabs(f))
				break;
		}
		double *swap = l->weights;
		l->weights = l->next;
		l->next = swap;
		swap = l->gradient;
		l->gradient = l->next_gradient;
		l->next_gradient = swap;
		f = found;
		worst = largest(l->gradient, l->size);
	}
	return worst <= tolerance
		   ? NNOPT_OK
		   : nno_fail(NNOPT_ERROR_STATE,
			      "stack_fit: the gradient is %g after %lld iterations, %g wanted: more of them, a larger "
			      "tolerance or a larger l2",
			      worst, (long long)iterations, tolerance);
}

static nnopt_status solve(double *weights, const nno_samples *s, const nnopt_stack_options *o)
{
	logistic l = { .s = s, .l2 = o->l2, .features = s->members * s->classes };
	l.size = s->classes * (l.features + 1);
	double *room = nno_eval_array(s->context, 10, l.size, sizeof *room);
	l.probability = nno_eval_array(s->context, s->n + 1, s->classes, sizeof *l.probability);
	nnopt_status status = NNOPT_OK;
	if (room == NULL || l.probability == NULL) {
		status = nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "stack_fit: out of memory");
	} else {
		double **const parts[10] = { &l.weights, &l.next,  &l.gradient, &l.next_gradient, &l.step,
					     &l.left,    &l.along, &l.curved,   &l.scaled,        &l.diagonal };
		for (int i = 0; i < 10; i++)
			*parts[i] = room + i * l.size;
		l.answer = l.probability + s->n * s->classes;
		status = minimise(&l, o->tolerance, o->iterations);
		if (status == NNOPT_OK)
			memcpy(weights, l.weights, (size_t)l.size * sizeof *weights);
	}
	nnopt_context_free(s->context, room);
	nnopt_context_free(s->context, l.probability);
	return status;
}

static const nnopt_stack_options defaults = {
	.struct_size = sizeof defaults, .l2 = 1.0, .tolerance = 1e-9, .iterations = 200
};

nnopt_status nnopt_stack_options_init(nnopt_stack_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "stack_options");
}

static nnopt_status check(const nnopt_stack_options *o)
{
	if (!(isfinite(o->l2) && o->l2 > 0.0) || !(o->tolerance > 0.0) || o->iterations < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"stack_fit: l2 %g, tolerance %g and iterations %lld, finite above 0, above 0, and 1 "
				"or more wanted",
				o->l2, o->tolerance, (long long)o->iterations);
	if (o->features != 0 && o->features != 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "stack_fit: features %d, 0 or 1 wanted",
				(int)o->features);
	return NNOPT_OK;
}

nnopt_status nnopt_stack_fit(nnopt_ensemble **out, nnopt_context *context, const nnopt_tensor *const *scores,
			     int32_t members, const nnopt_tensor *labels, const nnopt_stack_options *options)
{
	nnopt_stack_options o = defaults;
	nno_samples s = { .context = NULL };
	nnopt_ensemble *made = NULL;
	if (out == NULL || context == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "stack_fit: out or context is NULL");
	nnopt_status status = nnopt_options_read(&o, sizeof o, options, "stack_fit");
	if (status == NNOPT_OK)
		status = check(&o);
	nnopt_ensemble like = { .context = context,
				.stack = 1,
				.vote = o.features == 1 ? NNOPT_VOTE_PROBABILITIES : NNOPT_VOTE_LOGITS,
				.given = o.probabilities != 0,
				.members = members };
	if (status == NNOPT_OK)
		status = nno_samples_read(&s, "stack_fit", &like, scores, labels);
	like.classes = s.classes;
	if (status == NNOPT_OK && s.classes > INT64_MAX / (members * s.classes + 1))
		status = nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "stack_fit: out of memory");
	if (status == NNOPT_OK) {
		like.count = s.classes * (members * s.classes + 1);
		status = nno_ensemble_create(&made, "stack_fit", &like);
	}
	if (status == NNOPT_OK)
		status = solve(made->weights, &s, &o);
	nno_samples_free(&s);
	if (status == NNOPT_OK)
		*out = made;
	else
		nnopt_ensemble_destroy(made);
	return status;
}
