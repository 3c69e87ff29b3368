/* space.c - the options that a search looks at, and which values trial number so-and-so has. A function of (seed,
 * number) alone, so that a search that goes on later draws what it would have drawn. */
#include "tune/tune.h"

#include "base/rng.h"
#include "base/size.h"
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Steps of a whole number's axis. */
static int64_t integer_points(const nno_axis *a)
{
	if (!a->logarithmic)
		return (int64_t)((a->high - a->low) / (double)a->step) + 1;
	int64_t n = 1;
	for (double x = a->low * (double)a->step; x <= a->high; x *= (double)a->step)
		n++;
	return n;
}

int64_t nno_axis_points(const nno_axis *a) { return a->kind == NNO_AXIS_INTEGER ? integer_points(a) : a->points; }

double nno_axis_point(const nno_axis *a, int64_t point)
{
	if (a->kind == NNO_AXIS_CHOICE)
		return (double)point;
	if (a->kind == NNO_AXIS_INTEGER)
		return a->logarithmic ? a->low * pow((double)a->step, (double)point)
				      : a->low + (double)(point * a->step);
	double t = a->points > 1 ? (double)point / (double)(a->points - 1) : 0.0;
	if (t == 1.0)
		return a->high;
	return a->logarithmic ? a->low * pow(a->high / a->low, t) : a->low + t * (a->high - a->low);
}

static double draw(const nno_axis *a, nno_rng *r)
{
	if (a->kind != NNO_AXIS_NUMBER)
		return nno_axis_point(a, (int64_t)nno_rng_below(r, (uint64_t)nno_axis_points(a)));
	double t = (double)(nno_rng_u64(r) >> 11) * 0x1p-53;
	return a->logarithmic ? a->low * pow(a->high / a->low, t) : a->low + t * (a->high - a->low);
}

void nno_search_choose(const nnopt_search *s, int64_t id, double *values)
{
	if (s->o.strategy == NNOPT_SEARCH_GRID) {
		for (int i = s->axis_count - 1; i >= 0; i--) {
			int64_t points = nno_axis_points(&s->axes[i]);
			values[i] = nno_axis_point(&s->axes[i], id % points);
			id /= points;
		}
		return;
	}
	for (int i = 0; i < s->axis_count; i++) {
		nno_rng r;
		nno_rng_start(&r, s->o.seed, NNO_RNG_USER, (uint64_t)id, (uint64_t)i);
		values[i] = draw(&s->axes[i], &r);
	}
}

int64_t nno_search_grid(const nnopt_search *s)
{
	int64_t n = 1;
	for (int i = 0; i < s->axis_count; i++)
		if (!nno_i64_mul(n, nno_axis_points(&s->axes[i]), &n))
			return INT64_MAX;
	return n;
}

int nno_search_axis(const nnopt_search *s, const char *name)
{
	for (int i = 0; i < s->axis_count && name != NULL; i++)
		if (strcmp(s->axes[i].name, name) == 0)
			return i;
	return -1;
}

const char *nno_axis_text(const nno_axis *axis, double value, char text[NNO_VALUE_TEXT])
{
	if (axis->kind == NNO_AXIS_CHOICE)
		return axis->choices[(int64_t)value];
	if (axis->kind == NNO_AXIS_INTEGER) {
		snprintf(text, NNO_VALUE_TEXT, "%lld", (long long)value);
		return text;
	}
	nno_print_number(text, value, 4);
	return text;
}

/* --- public: adding options --- */

static nnopt_status check_name(const nnopt_search *s, const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
	if (s == NULL || name == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "search_add: %s is NULL", s == NULL ? "search" : "name");
	if (s->started)
		return nno_fail(NNOPT_ERROR_STATE, "search_add: option '%s' after the search has run", name);
	if (name[0] == '\0' || strspn(name, letters) != strlen(name) || strlen(name) > 64)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"search_add: name '%s', 1 to 64 letters, digits, '_', '-' and '.' wanted", name);
	if (nno_search_axis(s, name) >= 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "search_add: option '%s' is there already", name);
	if (s->axis_count == NNO_MOST_AXES)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "search_add: option '%s' is more than %d", name,
				NNO_MOST_AXES);
	return NNOPT_OK;
}

static nnopt_status add(nnopt_search *s, const char *name, nno_axis axis)
{
	axis.name = nno_new_text(&s->context->alloc, name, strlen(name));
	if (axis.name == NULL)
		return nno_fail_memory("search_add", strlen(name));
	s->axes[s->axis_count++] = axis;
	return NNOPT_OK;
}

nnopt_status nnopt_search_add_number(nnopt_search *search, const char *name, double low, double high,
				     int32_t logarithmic, int64_t points)
{
	NNO_TRY(check_name(search, name));
	/* What values are drawn by. */
	double range = logarithmic ? high / low : high - low;
	if (!(low <= high && isfinite(range)) || (logarithmic && !(low > 0.0)))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "search_add_number: '%s' from %g to %g, %s wanted", name,
				low, high,
				logarithmic ? "above 0, rising and of a finite ratio"
					    : "finite, rising and of a finite difference");
	if (points < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"search_add_number: '%s' of %lld points, 1 or more wanted", name, (long long)points);
	return add(
	    search, name,
	    (nno_axis){
		.kind = NNO_AXIS_NUMBER, .low = low, .high = high, .logarithmic = logarithmic != 0, .points = points });
}

nnopt_status nnopt_search_add_integer(nnopt_search *search, const char *name, int64_t low, int64_t high, int64_t step,
				      int32_t logarithmic)
{
	const int64_t most = (int64_t)1 << 52; /* whole in a double */
	NNO_TRY(check_name(search, name));
	if (low > high || low < (logarithmic ? 1 : -most) || high > most)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "search_add_integer: '%s' from %lld to %lld, %s wanted",
				name, (long long)low, (long long)high,
				logarithmic ? "1 or more and rising" : "rising, within 2^52");
	if (step < (logarithmic ? 2 : 1))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"search_add_integer: '%s' in steps of %lld, %d or more wanted", name, (long long)step,
				logarithmic ? 2 : 1);
	return add(search, name,
		   (nno_axis){ .kind = NNO_AXIS_INTEGER,
			       .low = (double)low,
			       .high = (double)high,
			       .step = step,
			       .logarithmic = logarithmic != 0 });
}

static void free_choices(const nno_alloc *a, char **choices, int64_t count)
{
	for (int64_t i = 0; choices != NULL && i < count; i++)
		nno_delete(a, choices[i]);
	nno_delete(a, choices);
}

nnopt_status nnopt_search_add_choice(nnopt_search *search, const char *name, const char *const *choices, int64_t count)
{
	NNO_TRY(check_name(search, name));
	if (choices == NULL || count < 1 || count > 4096)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "search_add_choice: '%s' of %lld names, 1 to 4096 wanted",
				name, (long long)(choices == NULL ? 0 : count));
	for (int64_t i = 0; i < count; i++)
		if (choices[i] == NULL)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "search_add_choice: '%s': choices[%lld] is NULL",
					name, (long long)i);
	const nno_alloc *a = &search->context->alloc;
	char **copies = nno_new_array(a, (size_t)count, sizeof *copies);
	nnopt_status status =
	    copies == NULL ? nno_fail_memory("search_add_choice", (size_t)count * sizeof *copies) : NNOPT_OK;
	for (int64_t i = 0; i < count && status == NNOPT_OK; i++) {
		copies[i] = nno_new_text(a, choices[i], strlen(choices[i]));
		status = copies[i] == NULL ? nno_fail_memory("search_add_choice", strlen(choices[i])) : NNOPT_OK;
	}
	if (status == NNOPT_OK)
		status =
		    add(search, name,
			(nno_axis){
			    .kind = NNO_AXIS_CHOICE, .high = (double)(count - 1), .points = count, .choices = copies });
	if (status != NNOPT_OK)
		free_choices(a, copies, count);
	return status;
}
