/* load_weights.c - weights of other files into a model: which tensor belongs to which parameter is settled first, for
 * all of them, then everything is read and converted, and only then does the model change. */
#include "base/text.h"
#include "model/model.h"

#include <string.h>

typedef struct loading {
	nnopt_model *model;
	nnopt_weights *file;
	const nnopt_load_options *o;
	int32_t *source; /* a parameter's tensor in the file, or one of: */
	nnopt_load_result result;
	nno_text report;
	/* The first of each, for the error. */
	int32_t missing, mismatched;
	const char *unexpected;
} loading;

enum { NOWHERE = -1, SKIPPED = -2, MISMATCHED = -3 };

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);
	return n >= m && strcmp(text + n - m, end) == 0;
}

/* See nnopt_load_options. */
static bool fits(const char *name, const char *pattern)
{
	size_t n = strlen(pattern);
	return n == 0 || pattern[n - 1] == '.' ? strncmp(name, pattern, n) == 0 : strcmp(name, pattern) == 0;
}

static bool is_skipped(const nnopt_load_options *o, const char *name)
{
	for (int32_t i = 0; i < o->skip_count; i++)
		if (fits(name, o->skip[i]))
			return true;
	return false;
}

/* The model's name for a tensor of the file. */
static void rename_tensor(const nnopt_load_options *o, const char *name, nno_text *to)
{
	size_t strip = o->strip_prefix != NULL ? strlen(o->strip_prefix) : 0;
	if (strip > 0 && strncmp(name, o->strip_prefix, strip) == 0)
		name += strip;
	for (int32_t i = 0; i < o->rename_count; i++)
		if (fits(name, o->rename_from[i])) {
			nno_text_add(to, o->rename_to[i]);
			name += strlen(o->rename_from[i]);
			break;
		}
	nno_text_add(to, name);
}

static int32_t find_param(const nnopt_model *model, const char *name)
{
	for (int32_t i = 0; i < model->n_params; i++)
		if (strcmp(model->params[i].name, name) == 0)
			return i;
	return -1;
}

static void note(loading *l, const char *what, const char *name)
{
	nno_text_add(&l->report, what);
	nno_text_add(&l->report, " ");
	nno_text_add(&l->report, name);
	nno_text_add(&l->report, "\n");
}

/* One tensor of the file; `name` is its name after renaming. */
static nnopt_status place_tensor(loading *l, int32_t index, const char *file_name, const char *name)
{
	int32_t i = find_param(l->model, name);
	if (i < 0) {
		if (is_skipped(l->o, name))
			return NNOPT_OK;
		if (l->result.unexpected++ == 0)
			l->unexpected = file_name;
		note(l, "unexpected", file_name);
		return NNOPT_OK;
	}
	if (l->source[i] >= 0)
		return nno_fail(NNOPT_ERROR_FORMAT, "two tensors of the file are renamed to '%.100s'", name);
	if (l->source[i] != SKIPPED)
		l->source[i] = index;
	return NNOPT_OK;
}

static nnopt_status place_tensors(loading *l)
{
	nno_text name;
	nno_text_start(&name, &l->model->context->alloc);
	nnopt_status status = NNOPT_OK;
	for (int32_t i = 0; status == NNOPT_OK && i < nnopt_weights_count(l->file); i++) {
		nnopt_weight_info info = { .struct_size = sizeof info };
		status = nnopt_weights_info(l->file, i, &info);
		if (status != NNOPT_OK || ends_with(info.name, "num_batches_tracked"))
			continue;
		name.length = 0;
		rename_tensor(l->o, info.name, &name);
		status = nno_text_check(&name, "load_weights");
		if (status == NNOPT_OK)
			status = place_tensor(l, i, info.name, name.length > 0 ? name.data : "");
	}
	nno_text_free(&name);
	return status;
}

static void compare_shape(loading *l, int32_t i, const nnopt_weight_info *info)
{
	const nno_param *p = &l->model->params[i];
	char theirs[NNO_SHAPE_TEXT], ours[NNO_SHAPE_TEXT];
	bool same = info->rank == p->spec.rank;
	for (int k = 0; same && k < p->spec.rank; k++)
		same = info->shape[k] == p->spec.shape[k];
	if (same) {
		l->result.loaded++;
		return;
	}
	if (l->result.mismatched++ == 0)
		l->mismatched = i;
	nno_text_addf(&l->report, "mismatched %s %s %s\n", p->name, nno_shape_text(theirs, info->shape, info->rank),
		      nno_shape_text(ours, p->spec.shape, p->spec.rank));
	if (l->o->skip_mismatched != 0)
		l->source[i] = MISMATCHED;
}

static nnopt_status compare(loading *l)
{
	for (int32_t i = 0; i < l->model->n_params; i++) {
		const char *name = l->model->params[i].name;
		nnopt_weight_info info = { .struct_size = sizeof info };
		if (l->source[i] == SKIPPED) {
			l->result.skipped++;
			note(l, "skipped", name);
		} else if (l->source[i] == NOWHERE) {
			if (l->result.missing++ == 0)
				l->missing = i;
			note(l, "missing", name);
		} else {
			NNO_TRY(nnopt_weights_info(l->file, l->source[i], &info));
			compare_shape(l, i, &info);
		}
	}
	return NNOPT_OK;
}

/* What the options do not let pass. */
static nnopt_status judge(const loading *l)
{
	const nno_param *params = l->model->params;
	if (l->result.mismatched > 0 && l->o->skip_mismatched == 0) {
		char theirs[NNO_SHAPE_TEXT], ours[NNO_SHAPE_TEXT];
		const nno_param *p = &params[l->mismatched];
		nnopt_weight_info info = { .struct_size = sizeof info };
		NNO_TRY(nnopt_weights_info(l->file, l->source[l->mismatched], &info));
		return nno_fail(NNOPT_ERROR_FORMAT, "'%s' has shape %s, the model wants %s", p->name,
				nno_shape_text(theirs, info.shape, info.rank),
				nno_shape_text(ours, p->spec.shape, p->spec.rank));
	}
	if (l->result.missing > 0 && l->o->strict != 0)
		return nno_fail(
		    NNOPT_ERROR_FORMAT,
		    "no tensor called '%s', which the model has (%d of its %d are missing, %d of the file's "
		    "are not the model's)",
		    params[l->missing].name, l->result.missing, l->model->n_params, l->result.unexpected);
	if (l->result.unexpected > 0 && l->o->strict != 0)
		return nno_fail(NNOPT_ERROR_FORMAT, "tensor '%.100s' is not one of the model's (%d are not)",
				l->unexpected, l->result.unexpected);
	return NNOPT_OK;
}

/* The counts stand before the names. */
static nnopt_status keep_report(loading *l)
{
	const nno_alloc *a = &l->model->context->alloc;
	const nnopt_load_result *r = &l->result;
	nno_text whole;
	nno_text_start(&whole, a);
	nno_text_addf(&whole, "loaded %d, missing %d, unexpected %d, mismatched %d, skipped %d\n", r->loaded,
		      r->missing, r->unexpected, r->mismatched, r->skipped);
	nno_text_add_n(&whole, l->report.data != NULL ? l->report.data : "", l->report.length);
	whole.failed = whole.failed || l->report.failed;
	nnopt_status status = nno_text_check(&whole, "load_weights");
	if (status != NNOPT_OK) {
		nno_text_free(&whole);
		return status;
	}
	nno_delete(a, l->model->load_report);
	l->model->load_report = whole.data;
	return NNOPT_OK;
}

/* All tensors are read and converted before the first is copied, so that a failure leaves the model as it was. */
static nnopt_status copy_tensors(const loading *l)
{
	nnopt_model *model = l->model;
	const nno_alloc *a = &model->context->alloc;
	nnopt_tensor **tensors = nno_new_array(a, (size_t)model->n_params, sizeof *tensors), *plain = NULL;
	nnopt_status status = NNOPT_OK;
	if (tensors == NULL)
		return nno_fail_memory("load_weights", (size_t)model->n_params * sizeof *tensors);
	for (int i = 0; i < model->n_params; i++) {
		if (l->source[i] < 0)
			continue;
		NNO_TRY_OUT(nnopt_weights_read(l->file, l->source[i], &tensors[i]));
		if (tensors[i]->dtype == NNOPT_F32)
			continue;
		NNO_TRY_OUT(nnopt_tensor_create(&plain, model->context, NNOPT_F32, tensors[i]->rank, tensors[i]->shape,
						NNOPT_NCHW));
		status = nnopt_tensor_copy(plain, tensors[i]);
		nnopt_tensor_destroy(tensors[i]);
		tensors[i] = plain;
		if (status != NNOPT_OK)
			goto out;
	}
	for (int i = 0; i < model->n_params; i++)
		if (tensors[i] != NULL)
			nno_param_to_storage(&model->params[i], nno_param_data(model, &model->params[i]),
					     nnopt_tensor_const_data(tensors[i]));
out:
	for (int i = 0; i < model->n_params; i++)
		nnopt_tensor_destroy(tensors[i]);
	nno_delete(a, tensors);
	return status;
}

static nnopt_status run(loading *l)
{
	for (int32_t i = 0; i < l->model->n_params; i++)
		l->source[i] = is_skipped(l->o, l->model->params[i].name) ? SKIPPED : NOWHERE;
	NNO_TRY(place_tensors(l));
	NNO_TRY(compare(l));
	NNO_TRY(keep_report(l));
	NNO_TRY(judge(l));
	return copy_tensors(l);
}

nnopt_status nno_model_load_from(nnopt_model *model, nnopt_weights *file, const nnopt_load_options *o,
				 nnopt_load_result *result)
{
	const nno_alloc *a = &model->context->alloc;
	loading l = { .model = model, .file = file, .o = o, .result = { .struct_size = sizeof l.result } };
	l.source = nno_new_array(a, (size_t)model->n_params, sizeof *l.source);
	if (l.source == NULL)
		return nno_fail_memory("load_weights", (size_t)model->n_params * sizeof *l.source);
	nno_text_start(&l.report, a);
	nnopt_status status = run(&l);
	nno_text_free(&l.report);
	nno_delete(a, l.source);
	if (result != NULL)
		nnopt_result_give(result, &l.result, sizeof l.result);
	return status;
}

nnopt_status nnopt_load_options_init(nnopt_load_options *options, size_t size)
{
	static const nnopt_load_options defaults = { .strict = 1 };
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "load_options");
}

static nnopt_status check_options(const nnopt_load_options *o)
{
	if (o->rename_count < 0 || o->skip_count < 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "load_options: %s is %d, at least 0 wanted",
				o->rename_count < 0 ? "rename_count" : "skip_count",
				o->rename_count < 0 ? o->rename_count : o->skip_count);
	for (int32_t i = 0; i < o->rename_count; i++)
		if (o->rename_from == NULL || o->rename_to == NULL || o->rename_from[i] == NULL ||
		    o->rename_to[i] == NULL)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"load_options: rename_from[%d] or rename_to[%d] is NULL", i, i);
	for (int32_t i = 0; i < o->skip_count; i++)
		if (o->skip == NULL || o->skip[i] == NULL)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "load_options: skip[%d] is NULL", i);
	return NNOPT_OK;
}

nnopt_status nnopt_model_load_weights_with(nnopt_model *model, const char *path, const nnopt_load_options *options,
					   nnopt_load_result *result)
{
	if (model == NULL || path == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "load_weights: %s is NULL",
				model == NULL ? "model" : "path");
	nnopt_load_options o;
	NNO_TRY(nnopt_load_options_init(&o, sizeof o));
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "load_options"));
	NNO_TRY(check_options(&o));
	if (result != NULL)
		NNO_TRY(nnopt_result_check(result, "load_result"));
	if (!model->built)
		return nno_fail(NNOPT_ERROR_STATE, "load_weights: the model is not built");
	nnopt_weights_options wo;
	NNO_TRY(nnopt_weights_options_init(&wo, sizeof wo));
	wo.root = o.root;
	nnopt_weights *file = NULL;
	NNO_TRY(nnopt_weights_open(&file, model->context, path, &wo));
	nnopt_status status = nno_model_load_from(model, file, &o, result);
	nnopt_weights_destroy(file);
	return status == NNOPT_OK ? status : nno_fail_in(status, "%s", path);
}

nnopt_status nnopt_model_load_weights(nnopt_model *model, const char *path, int32_t strict)
{
	nnopt_load_options o;
	NNO_TRY(nnopt_load_options_init(&o, sizeof o));
	o.strict = strict != 0;
	return nnopt_model_load_weights_with(model, path, &o, NULL);
}

nnopt_status nnopt_model_load_report(const nnopt_model *model, char *text, size_t size, size_t *needed)
{
	if (model == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "model_load_report: model is NULL");
	if (model->load_report == NULL)
		return nno_fail(NNOPT_ERROR_STATE, "model_load_report: no weights were loaded");
	nno_text t = { .data = model->load_report, .length = strlen(model->load_report) };
	return nno_text_give(&t, text, size, needed, "model_load_report");
}
