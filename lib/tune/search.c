/* search.c - which trial comes next, and what became of each. Successive halving is that of ASHA with one worker: a
 * trial that is among the best of its budget's and has not gone on goes on, with the largest budget first; only where
 * there is none a new one begins. So nothing waits for a whole round, and good values are known early. */
#include "tune/tune.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/size.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const nnopt_search_options defaults = { .struct_size = sizeof defaults,
					       .strategy = NNOPT_SEARCH_HALVING,
					       .maximise = 1,
					       .trials = 27,
					       .budget = 9,
					       .least = 1,
					       .reduction = 3 };

nnopt_status nnopt_search_options_init(nnopt_search_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "search_options");
}

static nnopt_status check(const nnopt_search_options *o)
{
	if (o->strategy < NNOPT_SEARCH_GRID || o->strategy > NNOPT_SEARCH_HALVING)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "search_options: strategy %d, 0 to %d wanted",
				o->strategy, NNOPT_SEARCH_HALVING);
	if (o->trials < (o->strategy == NNOPT_SEARCH_GRID ? 0 : 1) || o->budget < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"search_options: trials %lld, budget %lld, 1 or more of each wanted",
				(long long)o->trials, (long long)o->budget);
	if (o->strategy == NNOPT_SEARCH_HALVING && (o->least < 1 || o->least > o->budget || o->reduction < 2))
		return nno_fail(
		    NNOPT_ERROR_INVALID_ARGUMENT,
		    "search_options: least %lld, reduction %lld: 1 to the budget of %lld, and 2 or more wanted",
		    (long long)o->least, (long long)o->reduction, (long long)o->budget);
	return NNOPT_OK;
}

nnopt_status nnopt_search_create(nnopt_search **out, nnopt_context *context, const nnopt_search_options *options)
{
	nnopt_search_options o = defaults;
	if (out == NULL || context == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "search: %s is NULL", out == NULL ? "out" : "context");
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "search"));
	NNO_TRY(check(&o));
	nnopt_search *s = nno_new(&context->alloc, sizeof *s);
	if (s == NULL)
		return nno_fail_memory("search", sizeof *s);
	if (o.path != NULL) {
		s->path = nno_new_text(&context->alloc, o.path, strlen(o.path));
		if (s->path == NULL) {
			nno_delete(&context->alloc, s);
			return nno_fail_memory("search", strlen(o.path));
		}
	}
	s->o = o;
	s->o.path = s->path;
	s->context = nno_context_take(context);
	*out = s;
	return NNOPT_OK;
}

void nnopt_search_destroy(nnopt_search *search)
{
	if (search == NULL)
		return;
	nnopt_context *context = search->context;
	const nno_alloc *a = &context->alloc;
	for (int64_t i = 0; i < search->count; i++) {
		nno_delete(a, search->trials[i]->error);
		nno_delete(a, search->trials[i]);
	}
	for (int i = 0; i < search->axis_count; i++) {
		nno_axis *axis = &search->axes[i];
		for (int64_t k = 0; axis->choices != NULL && k < axis->points; k++)
			nno_delete(a, axis->choices[k]);
		nno_delete(a, axis->choices);
		nno_delete(a, axis->name);
	}
	nno_delete(a, search->trials);
	nno_delete(a, search->path);
	nno_delete(a, search);
	nno_context_drop(context);
}

nnopt_status nno_search_begin(nnopt_search *s, nnopt_trial **out)
{
	const nno_alloc *a = &s->context->alloc;
	if (s->count == s->room) {
		int64_t room = s->room < 16 ? 16 : 2 * s->room;
		void *trials = nno_grow(a, s->trials, (size_t)room * sizeof(nnopt_trial *));
		if (trials == NULL)
			return nno_fail_memory("search", (size_t)room * sizeof(nnopt_trial *));
		s->trials = trials;
		s->room = room;
	}
	nnopt_trial *t = nno_new(a, sizeof *t);
	if (t == NULL)
		return nno_fail_memory("search", sizeof *t);
	t->search = s;
	t->id = s->count;
	t->result = NAN;
	nno_search_choose(s, t->id, t->value);
	s->trials[s->count++] = t;
	*out = t;
	return NNOPT_OK;
}

/* --- which comes next --- */

static bool better(const nnopt_search *s, double a, double b) { return s->o.maximise ? a > b : a < b; }

static bool has_result(const nnopt_trial *t) { return t->error == NULL && t->spent > 0; }

static int64_t first_budget(const nnopt_search *s)
{
	return s->o.strategy == NNOPT_SEARCH_HALVING ? s->o.least : s->o.budget;
}

/* The budget after one; the most there is when it would be passed. */
static int64_t next_budget(const nnopt_search *s, int64_t budget)
{
	return budget > s->o.budget / s->o.reduction ? s->o.budget : budget * s->o.reduction;
}

/* Of the trials that have reached `budget` the best `1 / reduction` may go on. The best of them that has not; or NULL.
 * A trial that went on counts with the result it has now: what it had is not kept, and it was among the best. */
static nnopt_trial *may_go_on(const nnopt_search *s, int64_t budget)
{
	int64_t reached = 0, gone_on = 0;
	nnopt_trial *best = NULL;
	for (int64_t i = 0; i < s->count; i++) {
		nnopt_trial *t = s->trials[i];
		if (t->spent < budget)
			continue;
		reached++;
		gone_on += t->spent > budget;
		if (t->spent == budget && t->error == NULL && (best == NULL || better(s, t->result, best->result)))
			best = t;
	}
	return gone_on < reached / s->o.reduction ? best : NULL;
}

static int64_t wanted_trials(const nnopt_search *s)
{
	if (s->o.strategy != NNOPT_SEARCH_GRID)
		return s->o.trials;
	int64_t grid = nno_search_grid(s);
	return s->o.trials > 0 ? nno_i64_min(grid, s->o.trials) : grid;
}

/* The trial to run now, its budget set; *out NULL when all are done. */
static nnopt_status next_trial(nnopt_search *s, nnopt_trial **out)
{
	*out = NULL;
	/* One that was interrupted before its first result. */
	for (int64_t i = 0; i < s->count; i++)
		if (s->trials[i]->error == NULL && s->trials[i]->spent == 0) {
			*out = s->trials[i];
			(*out)->budget = first_budget(s);
			return NNOPT_OK;
		}
	if (s->o.strategy == NNOPT_SEARCH_HALVING) {
		int64_t rungs[64], n = 0; /* each at least twice the one before */
		for (int64_t budget = s->o.least; budget < s->o.budget; budget = next_budget(s, budget))
			rungs[n++] = budget;
		while (n-- > 0) {
			*out = may_go_on(s, rungs[n]);
			if (*out != NULL) {
				(*out)->budget = next_budget(s, rungs[n]);
				return NNOPT_OK;
			}
		}
	}
	if (s->count >= wanted_trials(s))
		return NNOPT_OK;
	NNO_TRY(nno_search_begin(s, out));
	(*out)->budget = first_budget(s);
	return NNOPT_OK;
}

/* --- running --- */

static nnopt_status note_failure(nnopt_search *s, nnopt_trial *t, nnopt_status status, double value)
{
	const char *text = status != NNOPT_OK ? nnopt_last_error()
			   : isnan(value)     ? "the value is NaN"
					      : "the value is infinite";
	t->error = nno_new_text(&s->context->alloc, text, strlen(text));
	return t->error == NULL ? nno_fail_memory("search", strlen(text)) : NNOPT_OK;
}

static nnopt_status run_trial(nnopt_search *s, nnopt_trial *t, nnopt_search_fn evaluate, void *user)
{
	double value = NAN, begun = nno_clock_now();
	unsigned before = nno_failures();
	nnopt_status status = nno_fail_caller(before, evaluate(t, &value, user));
	if (status == NNOPT_ERROR_CANCELLED || status == NNOPT_ERROR_OUT_OF_MEMORY)
		return status;
	t->seconds += nno_clock_now() - begun;
	if (status != NNOPT_OK || !isfinite(value)) {
		NNO_TRY(note_failure(s, t, status, value));
	} else {
		t->result = value;
		t->spent = t->budget;
	}
	return nno_search_save(s);
}

static nnopt_status run_trials(nnopt_search *s, nnopt_search_fn evaluate, void *user, int64_t most)
{
	for (int64_t n = 0; most <= 0 || n < most; n++) {
		nnopt_trial *t = NULL;
		NNO_TRY(next_trial(s, &t));
		if (t == NULL)
			return NNOPT_OK;
		NNO_TRY(run_trial(s, t, evaluate, user));
	}
	return NNOPT_OK;
}

nnopt_status nnopt_search_run(nnopt_search *search, nnopt_search_fn evaluate, void *user, int64_t most)
{
	if (search == NULL || evaluate == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "search_run: %s is NULL",
				search == NULL ? "search" : "evaluate");
	if (search->running)
		return nno_fail(NNOPT_ERROR_STATE, "search_run: the search is running");
	if (search->axis_count == 0)
		return nno_fail(NNOPT_ERROR_STATE, "search_run: the search has no options");
	if (!search->started) {
		NNO_TRY(nno_search_load(search));
		search->started = true;
	}
	search->running = true;
	nnopt_status status = run_trials(search, evaluate, user, most);
	search->running = false;
	return status;
}

/* --- what became of them --- */

typedef struct place {
	double result; /* the larger the better */
	int64_t spent, trial;
} place;

static int best_first(const void *a, const void *b)
{
	const place *x = a, *y = b;
	if (x->spent != y->spent)
		return (x->spent < y->spent) - (x->spent > y->spent);
	if (x->spent > 0 && x->result != y->result)
		return (x->result < y->result) - (x->result > y->result);
	return (x->trial > y->trial) - (x->trial < y->trial);
}

nnopt_status nno_search_rank(const nnopt_search *s, int64_t **order)
{
	const nno_alloc *a = &s->context->alloc;
	place *places = nno_new_array(a, (size_t)s->count, sizeof *places);
	*order = nno_new_array(a, (size_t)s->count, sizeof **order);
	if (places == NULL || *order == NULL) {
		nno_delete(a, places);
		nno_delete(a, *order);
		return nno_fail_memory("search", (size_t)s->count * sizeof *places);
	}
	for (int64_t i = 0; i < s->count; i++) {
		const nnopt_trial *t = s->trials[i];
		bool counts = has_result(t);
		places[i] = (place){ s->o.maximise ? t->result : -t->result, counts ? t->spent : 0, i };
	}
	if (s->count > 0)
		qsort(places, (size_t)s->count, sizeof *places, best_first);
	for (int64_t i = 0; i < s->count; i++)
		(*order)[i] = places[i].trial;
	nno_delete(a, places);
	return NNOPT_OK;
}

int64_t nnopt_search_count(const nnopt_search *search) { return search == NULL ? 0 : search->count; }

const nnopt_trial *nnopt_search_trial(const nnopt_search *search, int64_t index)
{
	return search == NULL || index < 0 || index >= search->count ? NULL : search->trials[index];
}

nnopt_status nnopt_search_trial_info(const nnopt_search *search, int64_t index, nnopt_trial_info *info)
{
	NNO_TRY(nnopt_result_check(info, "search_trial_info"));
	const nnopt_trial *t = nnopt_search_trial(search, index);
	if (t == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "search_trial_info: index %lld, below %lld wanted",
				(long long)index, (long long)nnopt_search_count(search));
	nnopt_trial_info r = { .struct_size = sizeof r,
			       .spent = t->spent,
			       .value = t->result,
			       .seconds = t->seconds,
			       .failed = t->error != NULL,
			       .error = t->error };
	nnopt_result_give(info, &r, sizeof r);
	return NNOPT_OK;
}

int64_t nnopt_search_best(const nnopt_search *search)
{
	int64_t best = -1;
	for (int64_t i = 0; i < nnopt_search_count(search); i++) {
		const nnopt_trial *t = search->trials[i], *b = best >= 0 ? search->trials[best] : NULL;
		if (has_result(t) && (b == NULL || t->spent > b->spent ||
				      (t->spent == b->spent && better(search, t->result, b->result))))
			best = i;
	}
	return best;
}

int64_t nnopt_trial_id(const nnopt_trial *trial) { return trial == NULL ? -1 : trial->id; }

int64_t nnopt_trial_budget(const nnopt_trial *trial) { return trial == NULL ? 0 : trial->budget; }

int64_t nnopt_trial_spent(const nnopt_trial *trial) { return trial == NULL ? 0 : trial->spent; }

double nnopt_trial_number(const nnopt_trial *trial, const char *name)
{
	int axis = trial == NULL ? -1 : nno_search_axis(trial->search, name);
	return axis < 0 || trial->search->axes[axis].kind == NNO_AXIS_CHOICE ? NAN : trial->value[axis];
}

int64_t nnopt_trial_integer(const nnopt_trial *trial, const char *name)
{
	int axis = trial == NULL ? -1 : nno_search_axis(trial->search, name);
	return axis < 0 || trial->search->axes[axis].kind != NNO_AXIS_INTEGER ? 0 : (int64_t)trial->value[axis];
}

const char *nnopt_trial_choice(const nnopt_trial *trial, const char *name)
{
	int axis = trial == NULL ? -1 : nno_search_axis(trial->search, name);
	if (axis < 0 || trial->search->axes[axis].kind != NNO_AXIS_CHOICE)
		return NULL;
	return trial->search->axes[axis].choices[(int64_t)trial->value[axis]];
}
