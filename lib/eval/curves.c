/* curves.c - what happens as the score from which on a sample is called one of the class falls: curves, and the area
 * under that of precision. */
#include "eval/ranking.h"

#include <math.h>

/* Draws twice: at first without points, to learn how many there are. */
typedef struct pen {
	float *points;
	int64_t count;
} pen;

typedef void (*draw_fn)(pen *p, const nno_ranking *r, int64_t class_index);

static void add(pen *p, double x, double y, float score)
{
	if (p->points != NULL) {
		float *point = p->points + 3 * p->count;
		point[0] = (float)x;
		point[1] = (float)y;
		point[2] = score;
	}
	p->count++;
}

/* Each point waits for the next one: it is left out where the steps to and from it are the same, the
 * first score's excepted. */
static void draw_roc(pen *p, const nno_ranking *r, int64_t c)
{
	double m = (double)r->support[c], n = (double)(r->s.count - r->support[c]);
	nno_above above = { 0, 0, 0 }, waits = above, before = above;
	float score, its_score = INFINITY;
	for (int64_t i = 0; nno_next_score(r, c, &above, &score); i++) {
		if (i < 2 || above.own - waits.own != waits.own - before.own ||
		    above.others - waits.others != waits.others - before.others)
			add(p, (double)waits.others / n, (double)waits.own / m, its_score);
		before = waits;
		waits = above;
		its_score = score;
	}
	add(p, (double)waits.others / n, (double)waits.own / m, its_score);
}

static void draw_precision(pen *p, const nno_ranking *r, int64_t c)
{
	nno_above above = { 0, 0, 0 };
	float score;
	add(p, 0.0, 1.0, INFINITY);
	while (nno_next_score(r, c, &above, &score))
		add(p, (double)above.own / (double)r->support[c],
		    (double)above.own / (double)(above.own + above.others), score);
}

static nnopt_status draw_curve(nnopt_tensor **points, nnopt_context *context, const nnopt_tensor *scores,
			       const nnopt_tensor *labels, int64_t class_index, draw_fn draw, const char *what)
{
	nno_ranking r = { .context = context };
	pen p = { NULL, 0 };
	nnopt_tensor *made = NULL;
	if (points == NULL || context == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: points or context is NULL", what);
	nnopt_status status = nno_ranking_start(&r, context, scores, labels, 1, what);
	if (status == NNOPT_OK)
		status = nno_ranking_check(&r, class_index, draw == draw_roc, what);
	if (status == NNOPT_OK) {
		nno_rank(&r, class_index, 0);
		draw(&p, &r, class_index);
		status = nnopt_tensor_create(&made, context, NNOPT_F32, 2, (int64_t[]){ p.count, 3 }, NNOPT_NCHW);
	}
	if (status == NNOPT_OK) {
		p = (pen){ nnopt_tensor_data(made), 0 };
		draw(&p, &r, class_index);
		*points = made;
	}
	nno_ranking_end(&r);
	return status;
}

nnopt_status nnopt_roc_curve(nnopt_tensor **points, nnopt_context *context, const nnopt_tensor *scores,
			     const nnopt_tensor *labels, int64_t class_index)
{
	return draw_curve(points, context, scores, labels, class_index, draw_roc, "roc_curve");
}

nnopt_status nnopt_precision_recall_curve(nnopt_tensor **points, nnopt_context *context, const nnopt_tensor *scores,
					  const nnopt_tensor *labels, int64_t class_index)
{
	return draw_curve(points, context, scores, labels, class_index, draw_precision, "precision_recall_curve");
}

static double average_precision(nno_ranking *r, int64_t c)
{
	nno_above above = { 0, 0, 0 };
	int64_t before = 0;
	double sum = 0.0;
	float score;
	nno_rank(r, c, 0);
	for (; nno_next_score(r, c, &above, &score); before = above.own)
		sum += (double)(above.own - before) * ((double)above.own / (double)above.place);
	return sum / (double)r->support[c];
}

nnopt_status nnopt_average_precision(double *value, nnopt_context *context, const nnopt_tensor *scores,
				     const nnopt_tensor *labels, int64_t class_index)
{
	nno_ranking r = { .context = context };
	double sum = 0.0;
	int64_t occur = 0;
	if (value == NULL || context == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "average_precision: value or context is NULL");
	nnopt_status status = nno_ranking_start(&r, context, scores, labels, 1, "average_precision");
	bool all = class_index == -1 && r.s.classes > 2;
	int64_t first = class_index == -1 ? all ? 0 : 1 : class_index, last = all ? r.s.classes - 1 : first;
	if (status == NNOPT_OK && !all)
		status = nno_ranking_check(&r, first, false, "average_precision");
	for (int64_t c = first; c <= last && status == NNOPT_OK; c++)
		if (r.support[c] > 0) {
			sum += average_precision(&r, c);
			occur++;
		}
	nno_ranking_end(&r);
	if (status == NNOPT_OK)
		*value = sum / (double)occur;
	return status;
}
