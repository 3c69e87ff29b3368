/* auc.c - area under the ROC curve: of a class with DeLong's interval, of means over classes with the bootstrap's. */
#include "eval/ranking.h"

#include <math.h>
#include <string.h>

static const nnopt_auc_options defaults = {
	.struct_size = sizeof defaults, .class_index = -1, .confidence = 0.95, .resamples = 1000
};

nnopt_status nnopt_auc_options_init(nnopt_auc_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "auc_options");
}

/* The sum, over samples of the class and the others, of how far their share of pairs won is off the area: of squares.
 */
static void sum_squares(const nno_ranking *r, int64_t c, double area, double *own, double *others)
{
	double m = (double)r->support[c], n = (double)(r->s.count - r->support[c]);
	nno_above above = { 0, 0, 0 }, before = above;
	float score;
	for (*own = *others = 0.0; nno_next_score(r, c, &above, &score); before = above) {
		double here = (double)(above.own - before.own), there = (double)(above.others - before.others);
		double won = (n - (double)above.others + there / 2.0) / n - area;
		double lost = ((double)before.own + here / 2.0) / m - area;
		*own += here * won * won;
		*others += there * lost * lost;
	}
}

/* Ranking 0 is the class's. */
static void delong(nnopt_estimate *out, const nno_ranking *r, int64_t c, double confidence)
{
	int64_t m = r->support[c], n = r->s.count - m, twice = 0;
	nno_above above = { 0, 0, 0 }, before = above;
	float score;
	for (; nno_next_score(r, c, &above, &score); before = above)
		twice += (above.own - before.own) * (2 * n - above.others - before.others);
	out->value = (double)twice / 2.0 / (double)m / (double)n;
	if (m < 2 || n < 2)
		return;
	double own, others, z = nno_normal_quantile(0.5 + confidence / 2.0);
	sum_squares(r, c, out->value, &own, &others);
	out->error = sqrt(own / (double)(m - 1) / (double)m + others / (double)(n - 1) / (double)n);
	out->low = fmax(out->value - z * out->error, 0.0);
	out->high = fmin(out->value + z * out->error, 1.0);
}

typedef struct means {
	const nno_ranking *r;
	int32_t average;
	int32_t *weights; /* how often each sample comes */
	int64_t *support; /* samples of each class then */
	int64_t *wins;    /* for each class: twice the pairs that the class in question wins against it */
} means;

static void count_wins(const means *m, int64_t c)
{
	const nno_place *places = m->r->places + c * m->r->s.count;
	int64_t count = m->r->s.count, above = 0;
	memset(m->wins, 0, (size_t)m->r->s.classes * sizeof *m->wins);
	for (int64_t begin = 0, end = 0; begin < count; begin = end) {
		int64_t own = 0;
		do {
			uint32_t sample = nno_place_sample(places[end++]);
			own += m->r->labels[sample] == c ? m->weights[sample] : 0;
		} while (end < count && (places[end] & NNO_TIED) != 0);
		for (int64_t i = begin; i < end; i++) {
			uint32_t sample = nno_place_sample(places[i]);
			m->wins[m->r->labels[sample]] += m->weights[sample] * (2 * above + own);
		}
		above += own;
	}
}

/* Pairs of one class are counted as well, and not looked at here. */
static void add_class(const means *m, int64_t c, int64_t count, double *sum, double *weight)
{
	double own = (double)m->support[c], others = (double)(count - m->support[c]), won = 0.0;
	count_wins(m, c);
	for (int64_t b = 0; b < m->r->s.classes; b++) {
		if (b == c || m->support[b] == 0)
			continue;
		won += (double)m->wins[b];
		if (m->average == NNOPT_AUC_ONE_VS_ONE) {
			*sum += (double)m->wins[b] / 2.0 / own / (double)m->support[b];
			*weight += 1.0;
		}
	}
	if (m->average == NNOPT_AUC_ONE_VS_ONE)
		return;
	double share = m->average == NNOPT_AUC_ONE_VS_REST ? 1.0 : own;
	*sum += share * (won / 2.0 / own / others);
	*weight += share;
}

static nnopt_status mean_auc(double *value, const int64_t *indices, int64_t count, void *user)
{
	const means *m = user;
	double sum = 0.0, weight = 0.0;
	memset(m->weights, 0, (size_t)count * sizeof *m->weights);
	memset(m->support, 0, (size_t)m->r->s.classes * sizeof *m->support);
	for (int64_t i = 0; i < count; i++) {
		m->weights[indices[i]]++;
		m->support[m->r->labels[indices[i]]]++;
	}
	for (int64_t c = 0; c < m->r->s.classes; c++)
		if (m->support[c] > 0 && m->support[c] < count)
			add_class(m, c, count, &sum, &weight);
	*value = weight > 0.0 ? sum / weight : NAN;
	return NNOPT_OK;
}

static nnopt_status mean_of_classes(nnopt_estimate *out, nno_ranking *r, const nnopt_auc_options *o)
{
	nnopt_context *context = r->context;
	means m = { .r = r, .average = o->average };
	nnopt_bootstrap_options b;
	m.weights = nnopt_context_alloc(context, (size_t)r->s.count * sizeof *m.weights);
	m.support = nnopt_context_alloc(context, (size_t)r->s.classes * sizeof *m.support);
	m.wins = nnopt_context_alloc(context, (size_t)r->s.classes * sizeof *m.wins);
	nnopt_status status = m.weights != NULL && m.support != NULL && m.wins != NULL
				  ? nnopt_bootstrap_options_init(&b, sizeof b)
				  : nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "roc_auc: out of memory for the classes");
	for (int64_t c = 0; c < r->s.classes && status == NNOPT_OK; c++)
		nno_rank(r, c, c * r->s.count);
	if (status == NNOPT_OK) {
		b.resamples = o->resamples;
		b.confidence = o->confidence;
		b.seed = o->seed;
		status = nno_bootstrap(out, context, r->s.count, mean_auc, &m, &b, "roc_auc");
	}
	nnopt_context_free(context, m.weights);
	nnopt_context_free(context, m.support);
	nnopt_context_free(context, m.wins);
	return status;
}

static nnopt_status check(const nnopt_estimate *out, const nnopt_auc_options *o)
{
	nnopt_status status = nnopt_result_check(out, "roc_auc");
	if (status == NNOPT_OK)
		status = nno_check_confidence(o->confidence, "roc_auc");
	if (status == NNOPT_OK && (o->average < NNOPT_AUC_ONE_VS_REST || o->average > NNOPT_AUC_ONE_VS_ONE))
		status = nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "roc_auc: average %d, 0 to 2 wanted", (int)o->average);
	if (status == NNOPT_OK && o->class_index < -1)
		status = nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "roc_auc: class %lld, -1 or more wanted",
				  (long long)o->class_index);
	return status;
}

nnopt_status nnopt_roc_auc(nnopt_estimate *auc, nnopt_context *context, const nnopt_tensor *scores,
			   const nnopt_tensor *labels, const nnopt_auc_options *options)
{
	nnopt_auc_options o = defaults;
	nnopt_estimate found = { .struct_size = sizeof found, .low = NAN, .high = NAN, .error = NAN, .p = NAN };
	nno_ranking r = { .context = context };
	if (auc == NULL || context == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "roc_auc: auc or context is NULL");
	nnopt_status status = nnopt_options_read(&o, sizeof o, options, "roc_auc");
	if (status == NNOPT_OK)
		status = check(auc, &o);
	if (status != NNOPT_OK)
		return status;
	status = nno_ranking_start(&r, context, scores, labels, o.class_index < 0 ? 0 : 1, "roc_auc");
	int64_t c = o.class_index < 0 && r.s.classes == 2 ? 1 : o.class_index;
	/* With a mean, one class is as good as another to find that it is the only one. */
	if (status == NNOPT_OK)
		status = nno_ranking_check(&r, c < 0 ? r.labels[0] : c, true, "roc_auc");
	if (status == NNOPT_OK && c < 0) {
		status = mean_of_classes(&found, &r, &o);
	} else if (status == NNOPT_OK) {
		found.count = r.s.count;
		nno_rank(&r, c, 0);
		delong(&found, &r, c, o.confidence);
	}
	nno_ranking_end(&r);
	if (status == NNOPT_OK)
		nnopt_result_give(auc, &found, sizeof found);
	return status;
}
