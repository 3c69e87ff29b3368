/* sequential.c - the short way: create, add, let go. */
#include "model/model.h"

static nnopt_status add_created(nnopt_model *model, nnopt_status created, nnopt_layer *layer)
{
	if (created != NNOPT_OK)
		return created;
	nnopt_status status = nnopt_model_add(model, layer);
	nnopt_layer_destroy(layer);
	return status;
}

nnopt_status nnopt_add_conv2d(nnopt_model *model, int64_t out_channels, int64_t kernel,
			      const nnopt_conv2d_options *options)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_conv2d_create(&layer, nnopt_model_context(model), out_channels, kernel, options);
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_linear(nnopt_model *model, int64_t out_features, const nnopt_linear_options *options)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_linear_create(&layer, nnopt_model_context(model), out_features, options);
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_batch_norm2d(nnopt_model *model, const nnopt_batch_norm_options *options)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_batch_norm2d_create(&layer, nnopt_model_context(model), options);
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_batch_norm1d(nnopt_model *model, const nnopt_batch_norm_options *options)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_batch_norm1d_create(&layer, nnopt_model_context(model), options);
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_layer_norm(nnopt_model *model, const nnopt_layer_norm_options *options)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_layer_norm_create(&layer, nnopt_model_context(model), options);
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_group_norm(nnopt_model *model, int64_t groups, const nnopt_group_norm_options *options)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_group_norm_create(&layer, nnopt_model_context(model), groups, options);
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_dropout2d(nnopt_model *model, float p)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_dropout2d_create(&layer, nnopt_model_context(model), p);
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_drop_block(nnopt_model *model, int64_t block_size, float p)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_drop_block_create(&layer, nnopt_model_context(model), block_size, p);
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_stochastic_depth(nnopt_model *model, float p)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_stochastic_depth_create(&layer, nnopt_model_context(model), p);
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_dropout(nnopt_model *model, float p)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_dropout_create(&layer, nnopt_model_context(model), p);
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_max_pool2d(nnopt_model *model, int64_t kernel, const nnopt_pool2d_options *options)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_max_pool2d_create(&layer, nnopt_model_context(model), kernel, options);
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_avg_pool2d(nnopt_model *model, int64_t kernel, const nnopt_pool2d_options *options)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_avg_pool2d_create(&layer, nnopt_model_context(model), kernel, options);
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_global_avg_pool2d(nnopt_model *model)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_global_avg_pool2d_create(&layer, nnopt_model_context(model));
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_global_max_pool2d(nnopt_model *model)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_global_max_pool2d_create(&layer, nnopt_model_context(model));
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_adaptive_avg_pool2d(nnopt_model *model, int64_t out_h, int64_t out_w)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_adaptive_avg_pool2d_create(&layer, nnopt_model_context(model), out_h, out_w);
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_adaptive_max_pool2d(nnopt_model *model, int64_t out_h, int64_t out_w)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_adaptive_max_pool2d_create(&layer, nnopt_model_context(model), out_h, out_w);
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_relu(nnopt_model *model)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_relu_create(&layer, nnopt_model_context(model));
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_leaky_relu(nnopt_model *model, float slope)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_leaky_relu_create(&layer, nnopt_model_context(model), slope);
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_relu6(nnopt_model *model)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_relu6_create(&layer, nnopt_model_context(model));
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_gelu(nnopt_model *model, int32_t tanh_form)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_gelu_create(&layer, nnopt_model_context(model), tanh_form);
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_silu(nnopt_model *model)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_silu_create(&layer, nnopt_model_context(model));
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_sigmoid(nnopt_model *model)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_sigmoid_create(&layer, nnopt_model_context(model));
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_tanh(nnopt_model *model)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_tanh_create(&layer, nnopt_model_context(model));
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_hard_sigmoid(nnopt_model *model)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_hard_sigmoid_create(&layer, nnopt_model_context(model));
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_hard_swish(nnopt_model *model)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_hard_swish_create(&layer, nnopt_model_context(model));
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_scale(nnopt_model *model, float factor)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_scale_create(&layer, nnopt_model_context(model), factor);
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_lstm(nnopt_model *model, int64_t hidden_size, const nnopt_recurrent_options *options)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_lstm_create(&layer, nnopt_model_context(model), hidden_size, options);
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_gru(nnopt_model *model, int64_t hidden_size, const nnopt_recurrent_options *options)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_gru_create(&layer, nnopt_model_context(model), hidden_size, options);
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_softmax(nnopt_model *model)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_softmax_create(&layer, nnopt_model_context(model));
	return add_created(model, created, layer);
}

nnopt_status nnopt_add_flatten(nnopt_model *model)
{
	nnopt_layer *layer = NULL;
	nnopt_status created = nnopt_flatten_create(&layer, nnopt_model_context(model));
	return add_created(model, created, layer);
}
