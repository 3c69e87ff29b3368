/* ensemble_file.c - an ensemble as a safetensors file: atomic, checked by CRC, readable by any tool. Real numbers are
 * the bits of their f64 in i64, as in checkpoints: the format must not round what must come back exact. */
#include "eval/ensemble.h"
#include "nnopt/file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define VERSION 1
#define MOST_CLASSES (1 << 20)

enum { R_STACK, R_VOTE, R_GIVEN, R_MEMBERS, R_CLASSES, RULE };

nnopt_status nnopt_ensemble_save(const nnopt_ensemble *ensemble, const char *path)
{
	static const char *const names[2] = { "rule", "weights" }, *const keys[1] = { "nnopt.ensemble" };
	const nnopt_ensemble *e = ensemble;
	if (e == NULL || path == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "ensemble_save: ensemble or path is NULL");
	char version[16];
	const char *values[1] = { version };
	int64_t rule[RULE] = { e->stack, e->vote, e->given, e->members, e->classes }, count[2] = { RULE, e->count };
	void *data[2] = { rule, e->weights };
	nnopt_tensor *tensors[2] = { NULL, NULL };
	nnopt_status status = NNOPT_OK;
	snprintf(version, sizeof version, "%d", VERSION);
	for (int i = 0; i < 2 && status == NNOPT_OK; i++)
		status = nnopt_tensor_wrap(&tensors[i], e->context, data[i], (size_t)count[i] * sizeof(int64_t),
					   NNOPT_I64, 1, &count[i], NNOPT_NCHW);
	if (status == NNOPT_OK)
		status = nnopt_safetensors_save(e->context, path, names, (const nnopt_tensor *const *)tensors, 2, keys,
						values, 1);
	nnopt_tensor_destroy(tensors[0]);
	nnopt_tensor_destroy(tensors[1]);
	return status;
}

static nnopt_status read_tensor(nnopt_tensor **out, nnopt_weights *file, const char *name, int64_t count,
				const char *path)
{
	int32_t index;
	nnopt_status status = nnopt_weights_find(file, name, &index);
	if (status == NNOPT_ERROR_NOT_FOUND)
		return nno_fail(NNOPT_ERROR_FORMAT, "ensemble_load: %s: no tensor %s", path, name);
	if (status == NNOPT_OK)
		status = nnopt_weights_read(file, index, out);
	if (status == NNOPT_OK && (nnopt_tensor_dtype(*out) != NNOPT_I64 || nnopt_tensor_rank(*out) != 1 ||
				   (count >= 0 && nnopt_tensor_count(*out) != count)))
		status = nno_fail(NNOPT_ERROR_FORMAT, "ensemble_load: %s: %s is %lld of type %s, %lld of i64 wanted",
				  path, name, (long long)nnopt_tensor_count(*out),
				  nnopt_dtype_name(nnopt_tensor_dtype(*out)), (long long)count);
	return status;
}

/* The rule's numbers, which say how many weights there are. */
static nnopt_status read_rule(nnopt_ensemble *e, const int64_t *rule, const char *path)
{
	int stack = rule[R_STACK] == 1, most = stack ? NNOPT_VOTE_PROBABILITIES : NNOPT_VOTE_HARD;
	if (rule[R_STACK] < 0 || rule[R_STACK] > 1 || rule[R_VOTE] < 0 || rule[R_VOTE] > most || rule[R_GIVEN] < 0 ||
	    rule[R_GIVEN] > 1 || rule[R_MEMBERS] < 1 || rule[R_MEMBERS] > INT32_MAX || rule[R_CLASSES] < stack ||
	    rule[R_CLASSES] > (stack ? MOST_CLASSES : 0))
		return nno_fail(NNOPT_ERROR_FORMAT,
				"ensemble_load: %s: a rule of %lld, %lld, %lld, %lld and %lld is none", path,
				(long long)rule[R_STACK], (long long)rule[R_VOTE], (long long)rule[R_GIVEN],
				(long long)rule[R_MEMBERS], (long long)rule[R_CLASSES]);
	e->stack = stack;
	e->vote = (nnopt_vote)rule[R_VOTE];
	e->given = (int)rule[R_GIVEN];
	e->members = (int32_t)rule[R_MEMBERS];
	e->classes = rule[R_CLASSES];
	if (e->classes > 0 && e->members >= INT64_MAX / e->classes / e->classes)
		return nno_fail(NNOPT_ERROR_FORMAT, "ensemble_load: %s: too many members and classes", path);
	e->count = stack ? e->classes * (e->members * e->classes + 1) : e->members;
	return NNOPT_OK;
}

static nnopt_status read_all(nnopt_ensemble **made, nnopt_ensemble *like, nnopt_weights *file, const char *path)
{
	nnopt_tensor *rule = NULL, *weights = NULL;
	nnopt_status status = read_tensor(&rule, file, "rule", RULE, path);
	if (status == NNOPT_OK)
		status = read_rule(like, nnopt_tensor_const_data(rule), path);
	if (status == NNOPT_OK)
		status = read_tensor(&weights, file, "weights", like->count, path);
	if (status == NNOPT_OK)
		status = nno_ensemble_create(made, "ensemble_load", like);
	double sum = 0.0;
	if (status == NNOPT_OK)
		memcpy((*made)->weights, nnopt_tensor_const_data(weights), (size_t)like->count * sizeof sum);
	for (int64_t i = 0; i < like->count && status == NNOPT_OK; i++) {
		double weight = (*made)->weights[i];
		sum += weight;
		if (!isfinite(weight) || (!like->stack && weight < 0.0))
			status = nno_fail(NNOPT_ERROR_FORMAT, "ensemble_load: %s: weight %lld is %g", path,
					  (long long)i, weight);
	}
	if (status == NNOPT_OK && !like->stack && !(fabs(sum - 1.0) < 1e-9))
		status = nno_fail(NNOPT_ERROR_FORMAT, "ensemble_load: %s: weights add up to %g, 1 wanted", path, sum);
	nnopt_tensor_destroy(rule);
	nnopt_tensor_destroy(weights);
	return status;
}

nnopt_status nnopt_ensemble_load(nnopt_ensemble **out, nnopt_context *context, const char *path)
{
	if (out == NULL || context == NULL || path == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "ensemble_load: out, context or path is NULL");
	nnopt_weights *file = NULL;
	nnopt_ensemble *made = NULL, like = { .context = context };
	char version[16];
	snprintf(version, sizeof version, "%d", VERSION);
	nnopt_status status = nnopt_weights_open(&file, context, path, NULL);
	const char *found = status == NNOPT_OK ? nnopt_weights_metadata(file, "nnopt.ensemble") : NULL;
	if (status == NNOPT_OK && found == NULL)
		status = nno_fail(NNOPT_ERROR_FORMAT, "ensemble_load: %s holds no ensemble", path);
	if (status == NNOPT_OK && strcmp(found, version) != 0)
		status = nno_fail(NNOPT_ERROR_UNSUPPORTED, "ensemble_load: %s has version %s, %s wanted", path, found,
				  version);
	if (status == NNOPT_OK)
		status = read_all(&made, &like, file, path);
	nnopt_weights_destroy(file);
	if (status == NNOPT_OK)
		*out = made;
	else
		nnopt_ensemble_destroy(made);
	return status;
}
