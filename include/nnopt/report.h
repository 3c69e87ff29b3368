/**
 * @file report.h
 * The report: what a training came to as one HTML file, for people. It stands alone - styles, charts (SVG) and pictures (PNG) are in
 * it, no script, nothing from elsewhere - and is readable on a desktop, a phone, in dark and in print. Also Grad-CAM: which
 * part of a picture speaks for a class.
 *
 * A report is a title and sections, in the order in which they were added. Each nnopt_report_add_..() call makes one section; one of a
 * title that is there already takes that one's place, so that a report can be brought up to date and written again. Titles may be
 * NULL: each kind has its own. Everything given is copied; all text is UTF-8 and is escaped. When a call fails, the report is
 * as before. Large inputs are bounded: curves are thinned so that their peaks stay, pictures are made smaller.
 *
 * Threads: a report is used by one thread at a time.
 */
#ifndef NNOPT_REPORT_H
#define NNOPT_REPORT_H

#include <nnopt/audit.h>
#include <nnopt/eval.h>
#include <nnopt/train.h>
#include <nnopt/tune.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A report in the making. @since 0.1 */
typedef struct nnopt_report nnopt_report;

/** Options of nnopt_report_create(). @since 0.1 */
typedef struct nnopt_report_options {
	size_t struct_size;
	const char *title;     /**< default "Training report" */
	const char *subtitle;  /**< a line under it; default NULL: none */
	const char *language;  /**< of the texts, as HTML's lang wants it. Default "en". */
	int64_t curve_points;  /**< most points of a line in a chart, 16 to 65536. Default 400. */
	int64_t picture_side;  /**< pixels: larger pictures are made smaller to fit this square, 16 to 4096. Default 224. */
	int64_t table_rows;    /**< most rows of a table, 8 to 1048576; a line says how many more there are. Default 200. */
} nnopt_report_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_report_options_init(nnopt_report_options *options, size_t size);
/** A report without sections. @param options NULL for the defaults; copied. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_report_create(nnopt_report **out, nnopt_context *context, const nnopt_report_options *options);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_report_destroy(nnopt_report *report);
/** Sections so far; 0 for NULL. @since 0.1 */
NNOPT_API int64_t nnopt_report_sections(const nnopt_report *report);

/** The report as one HTML file, written atomically; it is not loaded again. Errors: IO, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_report_write(const nnopt_report *report, const char *path);
/** The same as text. Text rule as nnopt_model_to_json(). @since 0.1 */
NNOPT_API nnopt_status nnopt_report_html(const nnopt_report *report, char *text, size_t size, size_t *needed);

/* ---- sections of anything ---- */

/** Paragraphs, separated by an empty line. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY, as for all sections. @since 0.1 */
NNOPT_API nnopt_status nnopt_report_add_text(nnopt_report *report, const char *title, const char *text);
/** Names with their values: options, results. An entry of either may be NULL and is empty then. @since 0.1 */
NNOPT_API nnopt_status nnopt_report_add_values(nnopt_report *report, const char *title, const char *const *names,
                                               const char *const *values, int64_t count);

/** How a column of numbers is shown. @since 0.1 */
typedef enum nnopt_column_kind {
	NNOPT_COLUMN_TEXT = 0,   /**< `texts` */
	NNOPT_COLUMN_NUMBER = 1, /**< `values`; where low and high are given, with that interval */
	NNOPT_COLUMN_BAR = 2,    /**< the same with a bar from 0 */
	NNOPT_COLUMN_DOT = 3,    /**< the same with a dot, and the interval, on a line that reaches from the least to the largest of
	                              the column (and 0 where `sign` is 1), and marks 0 where that is between: for numbers that are close together */
	NNOPT_COLUMN_FORCE_32 = 0x7fffffff
} nnopt_column_kind;
/** A column of a table; zero it and set struct_size first. Arrays have an entry a row. */
typedef struct nnopt_report_column {
	size_t struct_size;
	const char *name;          /**< the heading */
	const char *unit;          /**< put behind numbers, such as " %"; NULL: nothing */
	const char *const *texts;  /**< NNOPT_COLUMN_TEXT only; an entry may be NULL */
	const double *values;      /**< of the other kinds; what is not finite is shown as a dash */
	const double *low, *high;  /**< an interval around each value, or both NULL; an entry may be NaN */
	int32_t kind;              /**< nnopt_column_kind */
	int32_t decimals;          /**< digits after the point, 0 to 12 */
	int32_t sign;              /**< 1: numbers above 0 have a plus */
	int32_t reserved;
} nnopt_report_column;
/** A table of 1 to 64 columns and `rows` rows, such as the rungs of a ladder of experiments. `note` stands under it; NULL: none. @since 0.1 */
NNOPT_API nnopt_status nnopt_report_add_table(nnopt_report *report, const char *title,
                                              const nnopt_report_column *const *columns, int64_t column_count, int64_t rows,
                                              const char *note);

/** A line of a chart; zero it and set struct_size first. */
typedef struct nnopt_report_series {
	size_t struct_size;
	const char *name;         /**< written at its end */
	const double *x, *y;      /**< `count` points, x rising; x NULL: 1, 2, 3 .. */
	const double *low, *high; /**< a band around it, or both NULL */
	int64_t count;            /**< of points; a line is broken where one is not finite */
} nnopt_report_series;
/** A chart of lines; zero it and set struct_size first. */
typedef struct nnopt_report_chart {
	size_t struct_size;
	const char *x_name, *y_name;               /**< of the axes, with their units */
	const nnopt_report_series *const *series;  /**< up to 64; the first 6 have colours of their own */
	int64_t series_count;                      /**< of them */
	int32_t x_logarithmic, y_logarithmic;      /**< 1: values above 0, drawn by their logarithm */
} nnopt_report_chart;
/** Charts side by side, each with its numbers in a table behind it. @since 0.1 */
NNOPT_API nnopt_status nnopt_report_add_charts(nnopt_report *report, const char *title, const nnopt_report_chart *const *charts,
                                               int64_t count);
/** Pictures, u8 (1, C, H, W) or (C, H, W) with C of 1 or 3, each with its caption (`captions` or an entry of it may be NULL). Small
 *  pictures are shown larger, pixel by pixel. Section title "Pictures". @since 0.1 */
NNOPT_API nnopt_status nnopt_report_add_pictures(nnopt_report *report, const char *title, const nnopt_tensor *const *pictures,
                                                 const char *const *captions, int64_t count);

/* ---- sections of what the library knows ---- */

/** What the model is: parameters, work, memory, and a table of its layers. The model must be built. Section title "Model".
 *  Errors: STATE. @since 0.1 */
NNOPT_API nnopt_status nnopt_report_add_model(nnopt_report *report, const char *title, nnopt_model *model);
/** The curves of a run: loss, accuracy, learning rate; the best epoch is marked. Section title "Training". @since 0.1 */
NNOPT_API nnopt_status nnopt_report_add_history(nnopt_report *report, const char *title, const nnopt_history *history);
/** The confusion matrix; above 30 classes the 20 most frequent confusions. `class_names` has a name a class; it, or an entry of it,
 *  may be NULL: numbers. Section title "Confusion matrix". @since 0.1 */
NNOPT_API nnopt_status nnopt_report_add_confusion(nnopt_report *report, const char *title, const nnopt_metrics *metrics,
                                                  const char *const *class_names);
/** Accuracy with its interval, and precision, recall and F1 of each class with theirs. Section title "Classes". @since 0.1 */
NNOPT_API nnopt_status nnopt_report_add_classes(nnopt_report *report, const char *title, const nnopt_metrics *metrics,
                                                const char *const *class_names);
/** Whether probabilities are what they say: the reliability diagram (accuracy over confidence, with its interval, a dot a bin), calibration
 *  errors and what Brier score and likelihood are; and the same after temperature scaling. @param after NULL: not scaled.
 *  @param temperature that `after` was made with; told, not applied. Section title "Calibration". @since 0.1 */
NNOPT_API nnopt_status nnopt_report_add_calibration(nnopt_report *report, const char *title, const nnopt_calibration *before,
                                                    const nnopt_calibration *after, double temperature);
/** ROC and precision-recall curves of each class against all others (above 6 classes: of the 6 of least area), and a table of
 *  the areas. @param scores f32 (samples, classes), probabilities say. @param labels as in eval.h. Section title "ROC and precision".
 *  Errors: those of nnopt_roc_curve(). @since 0.1 */
NNOPT_API nnopt_status nnopt_report_add_ranking(nnopt_report *report, const char *title, const nnopt_tensor *scores,
                                                const nnopt_tensor *labels, const char *const *class_names);

/** Options of nnopt_report_add_mistakes(). @since 0.1 */
typedef struct nnopt_report_mistakes_options {
	size_t struct_size;
	const char *const *class_names; /**< NULL, the default: the dataset's */
	int64_t most;                   /**< pictures shown, 1 to 256. Default 24. */
	nnopt_model *model;             /**< puts its Grad-CAM for the predicted class beside each picture; NULL, the default: none */
	nnopt_transforms *transforms;   /**< what pictures go through before the model sees them, which should leave them where they
	                                     are (resize, normalise); NULL, the default: to [0, 1] only */
	const char *layer;              /**< as in nnopt_grad_cam_options. Default NULL. */
	int32_t by;                     /**< nnopt_worst. Default NNOPT_WORST_BY_CONFIDENCE. */
	int32_t reserved;
} nnopt_report_mistakes_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_report_mistakes_options_init(nnopt_report_mistakes_options *options, size_t size);
/** The worst mistakes, worst first: the picture, its class, the class predicted and how surely. @param probabilities f32 (samples,
 *  classes) of the dataset's samples in their order, as nnopt_predict() gives them; the labels are the dataset's. @param options NULL for the
 *  defaults. A picture that cannot be read is left out. Section title "Worst mistakes". Errors: INVALID_ARGUMENT, those of nnopt_worst_samples()
 *  and nnopt_grad_cam(), OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_report_add_mistakes(nnopt_report *report, const char *title, nnopt_dataset *dataset,
                                                 const nnopt_tensor *probabilities, const nnopt_report_mistakes_options *options);

/** The findings of an audit: how many of each kind, and the first of them. Section title "Data audit". @since 0.1 */
NNOPT_API nnopt_status nnopt_report_add_audit(nnopt_report *report, const char *title, const nnopt_audit *audit);
/** The trials of a search, best first, and their parallel coordinates (none without a result). Section title "Search". @since 0.1 */
NNOPT_API nnopt_status nnopt_report_add_search(nnopt_report *report, const char *title, const nnopt_search *search);

/* ---- a report of a training that runs ---- */

/** Makes nnopt_report_on_epoch() keep the section `title` (NULL: "Training") up to date with the run's curves, and write the report to
 *  `path` (copied) after every `every` epochs and after the last of fit_options.epochs. While epochs are left the page asks the browser
 *  to load it again every `reload` seconds (0: not). A run that ends before its last epoch (patience, cancelled, an error) leaves such a
 *  page: call nnopt_report_write() after nnopt_fit() to finish it, which writes the epochs so far and never asks for more.
 *  nnopt_report_add_history() of that title takes the section's place afterwards. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_report_follow(nnopt_report *report, const char *title, const char *path, int64_t every, int64_t reload);
/** Ready-made nnopt_progress_fn for on_epoch; `user` is a report that follows. Errors: STATE when it does not, IO. @since 0.1 */
NNOPT_API nnopt_status nnopt_report_on_epoch(const nnopt_progress *progress, void *user);

/* ---- Grad-CAM ---- */

/** Options of nnopt_grad_cam(). @since 0.1 */
typedef struct nnopt_grad_cam_options {
	size_t struct_size;
	const char *layer;      /**< whose output is weighted; NULL, the default: the last one that gives maps of more than a pixel */
	const int64_t *classes; /**< which class to ask for, one a picture; NULL, the default: the one with the highest score */
	int64_t batch;          /**< pictures at a time. Default 16. */
} nnopt_grad_cam_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_grad_cam_options_init(nnopt_grad_cam_options *options, size_t size);
/** Class activation maps: a new f32 tensor (N, 1, H, W), at the layer's size, 0 where nothing speaks for the class: the positive part
 *  of the layer's maps, each weighted by the mean gradient of the class's score by it (Selvaraju et al. 2017, "Grad-CAM"). The score
 *  is the network's output as it is: logits, unless it ends in a softmax. Everything is as in inference, and the model
 *  does not change.
 *  @param images f32 (N, C, H, W), as the network wants them. @param options NULL for the defaults.
 *  Errors: INVALID_ARGUMENT (a class, a layer that gives no maps), NOT_FOUND (no such layer), STATE (the model is not built), OUT_OF_MEMORY.
 *  @since 0.1 */
NNOPT_API nnopt_status nnopt_grad_cam(nnopt_tensor **out, nnopt_model *model, const nnopt_tensor *images,
                                      const nnopt_grad_cam_options *options);
/** The picture under its map: a new u8 tensor (1, 3, H, W) in NHWC memory, of the picture's size. The map, made larger bilinearly and
 *  divided by its largest value, goes from violet over orange to yellow and covers the picture the more the higher it is.
 *  @param picture u8 (1, C, H, W) or (C, H, W), C of 1 or 3. @param maps of nnopt_grad_cam(). @param index which of them.
 *  @param strength 0 to 1: how much the highest place covers; 0.7 is good. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_grad_cam_overlay(nnopt_tensor **out, nnopt_context *context, const nnopt_tensor *picture,
                                              const nnopt_tensor *maps, int64_t index, double strength);

#ifdef __cplusplus
}
#endif

#endif
