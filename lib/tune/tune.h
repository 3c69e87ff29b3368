/* tune.h - a search and its parts. */
#ifndef NNO_TUNE_H
#define NNO_TUNE_H

#include "context/context.h"
#include "nnopt/tune.h"

#include <stdbool.h>

#define NNO_MOST_AXES 32

typedef enum nno_axis_kind { NNO_AXIS_NUMBER, NNO_AXIS_INTEGER, NNO_AXIS_CHOICE } nno_axis_kind;

/* One option that is looked at. */
typedef struct nno_axis {
	char *name;
	nno_axis_kind kind;
	bool logarithmic;
	double low, high; /* numbers and whole numbers; of choices 0 and their count - 1 */
	int64_t step, points;
	char **choices;
} nno_axis;

struct nnopt_trial {
	const nnopt_search *search;
	int64_t id, budget, spent;
	double value[NNO_MOST_AXES]; /* of a choice: its number */
	double result;               /* NaN before the first */
	double seconds;
	char *error; /* NULL: has not failed */
};

struct nnopt_search {
	nnopt_context *context;
	nnopt_search_options o;
	char *path;
	nno_axis axes[NNO_MOST_AXES];
	int axis_count;
	nnopt_trial **trials; /* in the order in which they began; each keeps its place in memory */
	int64_t count, room;
	bool started; /* the space is closed, and the file has been read */
	bool running; /* its function may be called */
};

/* --- space.c --- */
/* Values of a grid's axis. */
int64_t nno_axis_points(const nno_axis *axis);
double nno_axis_point(const nno_axis *axis, int64_t point);
/* The values of trial `id`, by the strategy. */
void nno_search_choose(const nnopt_search *search, int64_t id, double *values);
/* Combinations of a grid; INT64_MAX when there are more than that. */
int64_t nno_search_grid(const nnopt_search *search);
int nno_search_axis(const nnopt_search *search, const char *name);
/* A value as text, into a buffer. */
#define NNO_VALUE_TEXT 64
const char *nno_axis_text(const nno_axis *axis, double value, char text[NNO_VALUE_TEXT]);

/* --- search.c --- */
nnopt_status nno_search_begin(nnopt_search *search, nnopt_trial **out);
/* Trial numbers, best first: those with a result by what was spent on them, then by it; then those without. */
nnopt_status nno_search_rank(const nnopt_search *search, int64_t **order);

/* --- search_file.c --- */
nnopt_status nno_search_save(const nnopt_search *search);
/* What the file holds, when there is one. */
nnopt_status nno_search_load(nnopt_search *search);

#endif
