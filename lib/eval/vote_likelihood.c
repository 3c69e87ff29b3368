/* vote_likelihood.c - the weights of a vote that make the labels most probable. The mean of the labels' negative
 * log-likelihood is a convex function f of the weights, for a mean of probabilities and for one of logits. A barrier
 * -mu sum log w keeps them positive, and Newton's method with the sum held at 1 finds the minimum; there f is at most
 * members x mu above its own least (Boyd and Vandenberghe 2004, 11.2), which tells how far mu has to fall. */
#include "eval/ensemble.h"

#include <math.h>
#include <string.h>

enum { MOST_STEPS = 500 };
#define FALL 0.2      /* of mu, when its minimum is found */
#define LEAST 1e-6    /* a weight below it becomes 0 */
#define BOUNDARY 0.99 /* of the way to where a weight would be 0 */

typedef struct problem {
	const nno_samples *s;
	nnopt_vote vote;
	int32_t n;      /* weights */
	double *g, *h;  /* gradient and Hessian of f: n, n x n */
	double *factor; /* of the barrier problem's, lower triangle */
	double *a, *b;  /* the two solutions of a step: n each */
	double *next;   /* n */
	double *mean;   /* classes: mean logits, then their probabilities */
	double *expect; /* n: each member's mean logit under them */
} problem;

/* One sample's part of f, the gradient and the Hessian, for a mean of probabilities ... */
static double add_mixture(const problem *p, int64_t i, const double *w, int derivatives)
{
	const nno_samples *s = p->s;
	double sum = 0.0;
	for (int32_t m = 0; m < p->n; m++)
		sum += w[m] * nno_said(s, i, m)[s->label[i]];
	int counts = sum > NNO_LEAST_PROBABILITY;
	for (int32_t m = 0; m < p->n && derivatives && counts; m++) {
		double r = nno_said(s, i, m)[s->label[i]] / sum;
		p->g[m] -= r;
		for (int32_t k = 0; k <= m; k++)
			p->h[m * p->n + k] += r * nno_said(s, i, k)[s->label[i]] / sum;
	}
	return -log(counts ? sum : NNO_LEAST_PROBABILITY);
}

/* ... and for one of logits. */
static double add_logits(const problem *p, int64_t i, const double *w, int derivatives)
{
	const nno_samples *s = p->s;
	memset(p->mean, 0, (size_t)s->classes * sizeof *p->mean);
	for (int32_t m = 0; m < p->n; m++)
		for (int64_t c = 0; c < s->classes; c++)
			p->mean[c] += w[m] * nno_said(s, i, m)[c];
	double all = nno_log_sum_exp(p->mean, s->classes), f = all - p->mean[s->label[i]];
	for (int64_t c = 0; c < s->classes && derivatives; c++)
		p->mean[c] = exp(p->mean[c] - all);
	for (int32_t m = 0; m < p->n && derivatives; m++) {
		const double *z = nno_said(s, i, m);
		p->expect[m] = 0.0;
		for (int64_t c = 0; c < s->classes; c++)
			p->expect[m] += p->mean[c] * z[c];
		p->g[m] += p->expect[m] - z[s->label[i]];
		for (int32_t k = 0; k <= m; k++) {
			const double *y = nno_said(s, i, k);
			double product = 0.0;
			for (int64_t c = 0; c < s->classes; c++)
				product += p->mean[c] * z[c] * y[c];
			p->h[m * p->n + k] += product - p->expect[m] * p->expect[k];
		}
	}
	return f;
}

/* f, and where asked for, its derivatives. */
static double evaluate(const problem *p, const double *w, int derivatives)
{
	int32_t n = p->n;
	double f = 0.0, samples = (double)p->s->n;
	if (derivatives) {
		memset(p->g, 0, (size_t)n * sizeof *p->g);
		memset(p->h, 0, (size_t)n * (size_t)n * sizeof *p->h);
	}
	for (int64_t i = 0; i < p->s->n; i++)
		f +=
		    p->vote == NNOPT_VOTE_LOGITS ? add_logits(p, i, w, derivatives) : add_mixture(p, i, w, derivatives);
	for (int32_t m = 0; m < n && derivatives; m++) {
		p->g[m] /= samples;
		for (int32_t k = 0; k <= m; k++)
			p->h[m * n + k] /= samples;
	}
	return f / samples;
}

static double barrier(const problem *p, const double *w, double mu)
{
	double sum = 0.0;
	for (int32_t m = 0; m < p->n; m++)
		sum += log(w[m]);
	return -mu * sum;
}

/* Cholesky's factor of the Hessian with the barrier's part: positive definite because of that. */
static void factorise(const problem *p, const double *w, double mu)
{
	int32_t n = p->n;
	for (int32_t i = 0; i < n; i++)
		for (int32_t j = 0; j <= i; j++) {
			double sum = p->h[i * n + j] + (i == j ? mu / (w[i] * w[i]) : 0.0);
			for (int32_t k = 0; k < j; k++)
				sum -= p->factor[i * n + k] * p->factor[j * n + k];
			p->factor[i * n + j] = i == j ? sqrt(fmax(sum, 1e-300)) : sum / p->factor[j * n + j];
		}
}

static void solve(const problem *p, double *x)
{
	int32_t n = p->n;
	for (int32_t i = 0; i < n; i++) {
		for (int32_t k = 0; k < i; k++)
			x[i] -= p->factor[i * n + k] * x[k];
		x[i] /= p->factor[i * n + i];
	}
	for (int32_t i = n - 1; i >= 0; i--) {
		for (int32_t k = i + 1; k < n; k++)
			x[i] -= p->factor[k * n + i] * x[k];
		x[i] /= p->factor[i * n + i];
	}
}

/* One step for `mu`; returns Newton's decrement, half the square of which is what is left to gain. */
static double step(const problem *p, double *w, double mu)
{
	int32_t n = p->n;
	double f = evaluate(p, w, 1) + barrier(p, w, mu), up = 0.0, down = 0.0, decrement = 0.0, t = 1.0;
	factorise(p, w, mu);
	for (int32_t m = 0; m < n; m++) {
		p->a[m] = mu / w[m] - p->g[m];
		p->b[m] = 1.0;
	}
	solve(p, p->a);
	solve(p, p->b);
	for (int32_t m = 0; m < n; m++) {
		up += p->a[m];
		down += p->b[m];
	}
	for (int32_t m = 0; m < n; m++) {
		p->a[m] -= up / down * p->b[m]; /* the sum stays */
		decrement += p->a[m] * (mu / w[m] - p->g[m]);
		if (p->a[m] < 0.0)
			t = fmin(t, -BOUNDARY * w[m] / p->a[m]);
	}
	for (int tries = 0; tries < 40; tries++, t /= 2.0) {
		for (int32_t m = 0; m < n; m++)
			p->next[m] = w[m] + t * p->a[m];
		if (evaluate(p, p->next, 0) + barrier(p, p->next, mu) <= f - 0.01 * t * decrement + 1e-15 * fabs(f)) {
			memcpy(w, p->next, (size_t)n * sizeof *w);
			break;
		}
	}
	return decrement;
}

nnopt_status nno_likelihood_weights(double *weights, const nno_samples *s, nnopt_vote vote, double tolerance)
{
	int32_t n = s->members;
	int64_t squares = (int64_t)n * n;
	double *room = nno_eval_array(s->context, 2 * squares + 5 * (int64_t)n + s->classes, 1, sizeof *room);
	if (room == NULL)
		return nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "vote_fit: out of memory");
	problem p = { .s = s, .vote = vote, .n = n, .h = room, .factor = room + squares, .g = room + 2 * squares };
	p.a = p.g + n;
	p.b = p.a + n;
	p.next = p.b + n;
	p.expect = p.next + n;
	p.mean = p.expect + n;
	double mu = 0.1 / (double)n, gap = tolerance / (double)n / 2.0;
	for (int32_t m = 0; m < n; m++)
		weights[m] = 1.0 / (double)n;
	int steps = 0, done = 0;
	for (; steps < MOST_STEPS && !done; steps++) {
		double decrement = step(&p, weights, mu);
		done = mu <= gap && decrement <= tolerance;
		if (decrement <= mu)
			mu = fmax(mu * FALL, gap);
	}
	for (int32_t m = 0; m < n; m++)
		weights[m] = weights[m] < LEAST ? 0.0 : weights[m];
	nnopt_context_free(s->context, room);
	return done ? NNOPT_OK
		    : nno_fail(NNOPT_ERROR_STATE,
			       "vote_fit: no weights within %g of the best after %d steps, a larger "
			       "tolerance wanted",
			       tolerance, MOST_STEPS);
}
