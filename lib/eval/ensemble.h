/* ensemble.h - an ensemble and its parts. */
#ifndef NNO_EVAL_ENSEMBLE_H
#define NNO_EVAL_ENSEMBLE_H

#include "eval/eval.h"

struct nnopt_ensemble {
	nnopt_context *context;
	int stack;       /* else a vote */
	nnopt_vote vote; /* of a stack: what is made of its features, see nno_features_read() */
	int given;       /* scores are probabilities */
	int32_t members;
	int64_t classes; /* of a stack; 0: any */
	int64_t count;   /* of weights */
	double *weights; /* a vote's shares, or a stack's (classes, members x classes + 1), intercepts last */
};

/* Samples as a vote or a stack reads them, those of which all that is read is finite. */
typedef struct nno_samples {
	nnopt_context *context;
	int64_t n, classes;
	int32_t members;
	double *x;      /* (n, members, classes) */
	int64_t *label; /* n */
} nno_samples;

/* --- ensemble.c --- */
/* An ensemble with room for its weights. */
nnopt_status nno_ensemble_create(nnopt_ensemble **out, const char *what, const nnopt_ensemble *like);
/* A zeroed array from the context; NULL also where its size is too large to be said. */
void *nno_eval_array(nnopt_context *context, int64_t rows, int64_t columns, size_t size);

/* --- samples.c --- */
/* Whether scores (and labels, where not NULL) are what they should be; tells their shape. */
nnopt_status nno_scores_check(const char *what, const nnopt_tensor *const *scores, int32_t members,
			      const nnopt_tensor *labels, int64_t shape[2]);
/* The label of a sample; INVALID_ARGUMENT when it is no class. */
nnopt_status nno_label_read(int64_t *label, const char *what, const nnopt_tensor *labels, int64_t index,
			    int64_t classes);
/* What a member says of sample `index`. Returns whether all of it is finite. */
int nno_features_read(double *dst, const nnopt_ensemble *e, const nnopt_tensor *scores, int64_t index, int64_t classes);
nnopt_status nno_samples_read(nno_samples *s, const char *what, const nnopt_ensemble *e,
			      const nnopt_tensor *const *scores, const nnopt_tensor *labels);
void nno_samples_free(nno_samples *s);
/* What member `member` says of sample `index`. */
static inline const double *nno_said(const nno_samples *s, int64_t index, int32_t member)
{
	return s->x + (index * s->members + member) * s->classes;
}
/* The place of the largest, the first of equals. */
static inline int64_t nno_largest(const double *x, int64_t n)
{
	int64_t best = 0;
	for (int64_t i = 1; i < n; i++)
		best = x[i] > x[best] ? i : best;
	return best;
}

/* --- vote_weights.c, vote_likelihood.c --- */
nnopt_status nno_greedy_weights(double *weights, const nno_samples *s, nnopt_vote vote, int64_t rounds);
nnopt_status nno_likelihood_weights(double *weights, const nno_samples *s, nnopt_vote vote, double tolerance);
/* log(sum exp). */
double nno_log_sum_exp(const double *x, int64_t n);

#endif
