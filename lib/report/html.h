/* html.h - the HTML report's parts. A section's body is text that is written once, when it is added. */
#ifndef NNO_REPORT_HTML_H
#define NNO_REPORT_HTML_H

#include "base/svg.h"
#include "context/context.h"
#include "nnopt/report.h"

typedef struct nno_report_section {
	char *title;
	nno_text body;
} nno_report_section;

/* A run that is watched. */
typedef struct nno_report_follow {
	char *title, *path; /* NULL: none */
	int64_t every, reload;
	nnopt_epoch_record *records; /* of the epochs since the callback was first called */
	int64_t count, room, first, best;
} nno_report_follow;

struct nnopt_report {
	nnopt_context *context;
	char *title, *subtitle, *language; /* subtitle: NULL for none */
	int64_t curve_points, picture_side, table_rows;
	nno_report_section *sections;
	int64_t count, room;
	nno_report_follow follow;
};

/* --- html.c --- */
/* Takes over a finished body: as a new section, or in the place of the one of that title. `what` is the public
 * function. */
nnopt_status nno_report_put(nnopt_report *report, const char *title, nno_text *body, const char *what);
/* The arguments that all sections have: a report, and `given`, called `name`, not NULL. */
nnopt_status nno_report_check(const nnopt_report *report, const void *given, const char *name, const char *what);
/* How many there are of something: 0 or more. */
nnopt_status nno_report_check_count(int64_t count, const char *what);
/* nnopt_report_write() of a page that is loaded again after `reload` seconds; 0: not. */
nnopt_status nno_report_write(const nnopt_report *report, const char *path, int64_t reload, const char *what);

/* --- html_style.c --- */
extern const char nno_report_style[];

/* --- html_values.c --- */
/* A value with its name, of those between nno_report_facts_begin() and _end(). */
void nno_report_facts_begin(nno_text *t);
void nno_report_fact(nno_text *t, const char *name, const char *value);
/* The same with a number: "93.33 %". */
void nno_report_fact_number(nno_text *t, const char *name, double value, int decimals, const char *unit);
void nno_report_facts_end(nno_text *t);
/* Most columns of a table. */
#define NNO_REPORT_COLUMNS 64
/* A table, of `rows` rows at most r->table_rows; `caption` is for who cannot see where it stands. */
void nno_report_table(const nnopt_report *r, nno_text *t, const char *caption,
		      const nnopt_report_column *const *columns, int64_t column_count, int64_t rows);
/* That `rows` more are not shown; nothing where there are none. */
void nno_report_more(nno_text *t, int64_t rows);
/* A number, or a dash for what is none. */
void nno_report_number(nno_text *t, double value, int decimals, int sign, const char *unit);
/* Name `index` of names, which may be NULL: its number, as text in `number`. */
#define NNO_REPORT_NUMBER 24
const char *nno_report_name(const char *const *names, int64_t index, char number[NNO_REPORT_NUMBER]);
/* All of them. False: out of memory; to be freed all the same. */
typedef struct nno_report_names {
	const char **names;
	char (*numbers)[NNO_REPORT_NUMBER];
} nno_report_names;
bool nno_report_names_make(nno_report_names *out, const nno_alloc *a, const char *const *names, int64_t n);
void nno_report_names_free(nno_report_names *names, const nno_alloc *a);

/* --- html_charts.c --- */
void nno_report_charts_begin(nno_text *t);
/* The frame of a chart with its axes, for values that are widened and placed already; x_name and y_name as in
 * nnopt_report_chart. Ends with nno_svg_end(), what else belongs to it, and "</figure>". */
void nno_report_frame_begin(nno_text *t, const nno_svg_frame *frame, const char *x_name, const char *y_name);
/* Where a frame stands that has no names to its right; for ranges that are set. */
void nno_report_frame_place(nno_svg_frame *frame);
/* A series of one point is a dot. False: out of memory. */
bool nno_report_chart(const nnopt_report *r, nno_text *t, const nnopt_report_chart *chart);
void nno_report_charts_end(nno_text *t);

/* --- html_history.c --- */
/* Curves of `count` epochs, the first of which is number `first` from 0; `best` of them, from 0, or -1. */
nnopt_status nno_report_history(const nnopt_report *r, nno_text *t, const nnopt_epoch_record *records, int64_t count,
				int64_t first, int64_t best, const char *what);

/* --- html_pictures.c --- */
/* A picture as an img element of at most r->picture_side pixels each way. */
nnopt_status nno_report_picture(const nnopt_report *r, nno_text *t, const nnopt_tensor *picture, const char *alt);

#endif
