/* vote.c - what a row of scores says, and what the mean of several such answers is. In double: the mean of one answer
 * is that answer, and the order of a few makes no difference that a float shows. */
#include "eval/eval.h"

#include <math.h>
#include <string.h>

nnopt_status nno_vote_check(const char *what, int32_t vote)
{
	return vote >= NNOPT_VOTE_LOGITS && vote <= NNOPT_VOTE_HARD
		   ? NNOPT_OK
		   : nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
			      "%s: vote %d, NNOPT_VOTE_LOGITS (0), _PROBABILITIES (1) or _HARD (2) wanted", what,
			      (int)vote);
}

/* In place; of an infinity on top it makes NaNs. */
static void to_probabilities(double *row, int64_t classes)
{
	double top = row[0], sum = 0.0;
	for (int64_t c = 1; c < classes; c++)
		top = row[c] > top ? row[c] : top;
	for (int64_t c = 0; c < classes; c++)
		sum += row[c] = exp(row[c] - top);
	for (int64_t c = 0; c < classes; c++)
		row[c] /= sum;
}

void nno_vote_read(double *dst, const float *row, int64_t classes, nnopt_vote vote, int given)
{
	int numbers = 1;
	for (int64_t c = 0; c < classes; c++) {
		dst[c] = (double)row[c];
		numbers &= row[c] == row[c];
	}
	if (vote == NNOPT_VOTE_PROBABILITIES && !given)
		to_probabilities(dst, classes);
	for (int64_t c = 0; vote == NNOPT_VOTE_LOGITS && given && c < classes; c++)
		dst[c] = log(dst[c] < NNO_LEAST_PROBABILITY ? NNO_LEAST_PROBABILITY : dst[c]);
	for (int64_t c = 0; c < classes && (vote == NNOPT_VOTE_HARD || (vote == NNOPT_VOTE_PROBABILITIES && !numbers));
	     c++)
		dst[c] = numbers ? 0.0 : NAN;
	if (vote == NNOPT_VOTE_HARD && numbers)
		dst[nno_best_class(row, classes)] = 1.0;
}

void nno_vote_give(float *row, double *mean, int64_t classes, nnopt_vote vote, int probabilities)
{
	if (vote == NNOPT_VOTE_LOGITS && probabilities)
		to_probabilities(mean, classes);
	for (int64_t c = 0; c < classes; c++)
		row[c] = (float)(vote == NNOPT_VOTE_PROBABILITIES && !probabilities ? log(mean[c]) : mean[c]);
}
