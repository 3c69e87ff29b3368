/* parameter.c - parameters by number and name: information, copies in and out, freezing, the flat blocks. */
#include "model/model.h"

#include <string.h>

float *nno_param_data(const nnopt_model *model, const nno_param *p)
{
	return (p->spec.role == NNOPT_ROLE_STATE ? model->state : model->parameters) + p->offset;
}

/* Visits the elements in storage order; strides[k] is the step in public order of storage axis k. */
static void storage_walk(const nno_param *p, int64_t extent[4], int64_t step[4])
{
	int64_t stride[4];
	int64_t run = 1;
	for (int axis = p->spec.rank - 1; axis >= 0; axis--) {
		stride[axis] = run;
		run *= p->spec.shape[axis];
	}
	for (int k = 0; k < 4; k++) {
		extent[k] = 1;
		step[k] = 0;
	}
	int pad = 4 - p->spec.rank;
	for (int k = 0; k < p->spec.rank; k++) {
		extent[pad + k] = p->spec.shape[p->spec.order[k]];
		step[pad + k] = stride[p->spec.order[k]];
	}
}

/* A square of the two inner extents at a time: both orders' lines are used whole while they are near. */
enum { SIDE = 16 };

typedef struct square {
	int64_t c, c_end, d, d_end;
} square;

static bool next_square(square *q, const int64_t e[4])
{
	q->d = q->d_end;
	if (q->d >= e[3]) {
		q->c = q->c_end;
		q->d = 0;
	}
	q->c_end = q->c + SIDE < e[2] ? q->c + SIDE : e[2];
	q->d_end = q->d + SIDE < e[3] ? q->d + SIDE : e[3];
	return q->c < e[2];
}

void nno_param_to_storage(const nno_param *p, float *storage, const float *public_order)
{
	int64_t e[4], s[4];
	storage_walk(p, e, s);
	for (square q = { .d_end = e[3] }; next_square(&q, e);)
		for (int64_t a = 0; a < e[0]; a++)
			for (int64_t b = 0; b < e[1]; b++)
				for (int64_t c = q.c; c < q.c_end; c++)
					for (int64_t d = q.d; d < q.d_end; d++)
						storage[((a * e[1] + b) * e[2] + c) * e[3] + d] =
						    public_order[a * s[0] + b * s[1] + c * s[2] + d * s[3]];
}

void nno_param_to_public(const nno_param *p, float *public_order, const float *storage)
{
	int64_t e[4], s[4];
	storage_walk(p, e, s);
	for (square q = { .d_end = e[3] }; next_square(&q, e);)
		for (int64_t a = 0; a < e[0]; a++)
			for (int64_t b = 0; b < e[1]; b++)
				for (int64_t c = q.c; c < q.c_end; c++)
					for (int64_t d = q.d; d < q.d_end; d++)
						public_order[a * s[0] + b * s[1] + c * s[2] + d * s[3]] =
						    storage[((a * e[1] + b) * e[2] + c) * e[3] + d];
}

nnopt_status nno_param_tensor(const nnopt_model *model, int index, nnopt_tensor **out)
{
	const nno_param *p = &model->params[index];
	NNO_TRY(nnopt_tensor_create(out, model->context, NNOPT_F32, p->spec.rank, p->spec.shape, NNOPT_NCHW));
	nno_param_to_public(p, nnopt_tensor_data(*out), nno_param_data(model, p));
	return NNOPT_OK;
}

static nnopt_status check_index(const char *what, const nnopt_model *model, int32_t index, const void *tensor)
{
	if (model == NULL || tensor == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s is NULL", what,
				model == NULL ? "model" : "the second object");
	if (!model->built)
		return nno_fail(NNOPT_ERROR_STATE, "%s: the model is not built", what);
	if (index < 0 || index >= model->n_params)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: index %d, 0 to %d wanted", what, index,
				model->n_params - 1);
	return NNOPT_OK;
}

static nnopt_status check_shape(const char *what, const nno_param *p, const nnopt_tensor *tensor)
{
	bool same = tensor->rank == p->spec.rank;
	for (int i = 0; same && i < tensor->rank; i++)
		same = tensor->shape[i] == p->spec.shape[i];
	if (same)
		return NNOPT_OK;
	char got[NNO_SHAPE_TEXT], wanted[NNO_SHAPE_TEXT];
	return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: '%s' from a tensor of shape %s, %s wanted", what, p->name,
			nno_shape_text(got, tensor->shape, tensor->rank),
			nno_shape_text(wanted, p->spec.shape, p->spec.rank));
}

/* A f32 row-major copy of `storage` through a new tensor, converted into dst. */
static nnopt_status copy_out(const nnopt_model *model, const nno_param *p, const float *storage, nnopt_tensor *dst)
{
	nnopt_tensor *plain = NULL;
	NNO_TRY(nnopt_tensor_create(&plain, model->context, NNOPT_F32, p->spec.rank, p->spec.shape, NNOPT_NCHW));
	nno_param_to_public(p, nnopt_tensor_data(plain), storage);
	nnopt_status status = nnopt_tensor_copy(dst, plain);
	nnopt_tensor_destroy(plain);
	return status;
}

int32_t nnopt_model_parameter_count(const nnopt_model *model) { return model == NULL ? 0 : model->n_params; }

static int32_t place_of_first_axis(const nno_spec *spec)
{
	for (int32_t k = 0; k < spec->rank; k++)
		if (spec->order[k] == 0)
			return k;
	return 0;
}

nnopt_status nnopt_model_parameter_info(const nnopt_model *model, int32_t index, nnopt_parameter_info *info)
{
	NNO_TRY(check_index("parameter_info", model, index, info));
	const nno_param *p = &model->params[index];
	nnopt_parameter_info full = {
		.struct_size = sizeof full,
		.name = p->name,
		.role = p->spec.role,
		.trainable = p->spec.role != NNOPT_ROLE_STATE && !p->frozen,
		.rank = p->spec.rank,
		.first_axis_place = place_of_first_axis(&p->spec),
		.count = p->count,
		.block_offset = p->offset,
		.spent = p->spent,
	};
	memcpy(full.shape, p->spec.shape, sizeof p->spec.shape);
	NNO_TRY(nnopt_result_check(info, "parameter_info"));
	nnopt_result_give(info, &full, sizeof full);
	return NNOPT_OK;
}

nnopt_status nnopt_model_find_parameter(const nnopt_model *model, const char *name, int32_t *index)
{
	if (model == NULL || name == NULL || index == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "find_parameter: %s is NULL",
				model == NULL  ? "model"
				: name == NULL ? "name"
					       : "index");
	for (int i = 0; i < model->n_params; i++)
		if (strcmp(model->params[i].name, name) == 0) {
			*index = i;
			return NNOPT_OK;
		}
	return nno_fail(NNOPT_ERROR_NOT_FOUND, "find_parameter: no parameter called '%.100s'%s", name,
			model->built ? "" : ", the model is not built");
}

nnopt_status nnopt_model_get_parameter(const nnopt_model *model, int32_t index, nnopt_tensor *dst)
{
	NNO_TRY(check_index("get_parameter", model, index, dst));
	const nno_param *p = &model->params[index];
	NNO_TRY(check_shape("get_parameter", p, dst));
	return copy_out(model, p, nno_param_data(model, p), dst);
}

nnopt_status nnopt_model_set_parameter(nnopt_model *model, int32_t index, const nnopt_tensor *src)
{
	NNO_TRY(check_index("set_parameter", model, index, src));
	const nno_param *p = &model->params[index];
	NNO_TRY(check_shape("set_parameter", p, src));
	nnopt_tensor *plain = NULL;
	NNO_TRY(nnopt_tensor_create(&plain, model->context, NNOPT_F32, p->spec.rank, p->spec.shape, NNOPT_NCHW));
	nnopt_status status = nnopt_tensor_copy(plain, src);
	if (status == NNOPT_OK)
		nno_param_to_storage(p, nno_param_data(model, p), nnopt_tensor_const_data(plain));
	nnopt_tensor_destroy(plain);
	return status;
}

nnopt_status nnopt_model_get_gradient(const nnopt_model *model, int32_t index, nnopt_tensor *dst)
{
	NNO_TRY(check_index("get_gradient", model, index, dst));
	const nno_param *p = &model->params[index];
	if (p->spec.role == NNOPT_ROLE_STATE)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "get_gradient: '%s' is state and has no gradient",
				p->name);
	if (model->gradients == NULL)
		return nno_fail(NNOPT_ERROR_STATE, "get_gradient: no training plan was made");
	if (p->spent)
		return nno_fail(NNOPT_ERROR_STATE,
				"get_gradient: that of '%s' was used up by nnopt_optimizer_backward_step(), or its "
				"backward pass failed",
				p->name);
	NNO_TRY(check_shape("get_gradient", p, dst));
	return copy_out(model, p, model->gradients + p->offset, dst);
}

nnopt_status nnopt_model_set_trainable(nnopt_model *model, const char *prefix, int32_t trainable, int32_t *changed)
{
	if (model == NULL || prefix == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "set_trainable: %s is NULL",
				model == NULL ? "model" : "prefix");
	if (!model->built)
		return nno_fail(NNOPT_ERROR_STATE, "set_trainable: the model is not built");
	int32_t count = 0;
	bool any = false;
	for (int i = 0; i < model->n_params; i++) {
		nno_param *p = &model->params[i];
		if (strncmp(p->name, prefix, strlen(prefix)) != 0 || p->frozen == (trainable == 0))
			continue;
		p->frozen = trainable == 0;
		any = true;
		count += p->spec.role != NNOPT_ROLE_STATE;
		if (p->frozen && p->spec.role != NNOPT_ROLE_STATE && model->gradients != NULL) {
			memset(model->gradients + p->offset, 0, (size_t)p->count * sizeof(float));
			p->spent = false;
		}
	}
	model->stamp += any;
	if (changed != NULL)
		*changed = count;
	return NNOPT_OK;
}

nnopt_status nnopt_model_set_frozen_norms(nnopt_model *model, const char *prefix, int32_t frozen, int32_t *changed)
{
	if (model == NULL || prefix == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "set_frozen_norms: %s is NULL",
				model == NULL ? "model" : "prefix");
	if (!model->built)
		return nno_fail(NNOPT_ERROR_STATE, "set_frozen_norms: the model is not built");
	int32_t count = 0;
	for (int i = 0; i < model->n_nodes; i++) {
		nno_node *node = &model->nodes[i];
		if (!node->layer->cls->running_statistics || strncmp(node->name, prefix, strlen(prefix)) != 0 ||
		    node->norm_frozen == (frozen != 0))
			continue;
		node->norm_frozen = frozen != 0;
		count++;
	}
	model->stamp += count > 0;
	if (changed != NULL)
		*changed = count;
	return NNOPT_OK;
}

nnopt_status nnopt_model_get_blocks(nnopt_model *model, nnopt_model_blocks *blocks)
{
	if (model == NULL || blocks == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "get_blocks: %s is NULL",
				model == NULL ? "model" : "blocks");
	if (!model->built)
		return nno_fail(NNOPT_ERROR_STATE, "get_blocks: the model is not built");
	nnopt_model_blocks full = {
		.struct_size = sizeof full,
		.parameters = model->parameters,
		.gradients = model->gradients,
		.parameter_elements = model->parameter_elements,
		.state = model->state,
		.state_elements = model->state_elements,
		.identity = model->identity,
	};
	NNO_TRY(nnopt_result_check(blocks, "model_blocks"));
	nnopt_result_give(blocks, &full, sizeof full);
	return NNOPT_OK;
}
