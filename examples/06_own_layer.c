/* 06_own_layer.c - a layer the library does not have: y = w[c] x + b[c], a learned scale and shift of each channel,
 * forward and backward, in a network that learns.
 *
 * usage: 06_own_layer */
#include "example.h"

static nnopt_status parameter_shape(int32_t index, int32_t input_count, const int64_t *const *in_shapes,
				    const int32_t *in_ranks, int64_t *shape, int32_t *rank, void *user)
{
	(void)index, (void)input_count, (void)in_ranks, (void)user;
	shape[0] = in_shapes[0][0]; /* C of (C, H, W) */
	*rank = 1;
	return NNOPT_OK;
}

static nnopt_status forward(const nnopt_own_call *call, void *user)
{
	(void)user;
	const float *x = nnopt_tensor_const_data(call->inputs[0]);
	const float *w = nnopt_tensor_const_data(call->parameters[0]),
		    *b = nnopt_tensor_const_data(call->parameters[1]);
	float *y = nnopt_tensor_data(call->output);
	int64_t channels = nnopt_tensor_count(call->parameters[0]);
	for (int64_t i = 0; i < nnopt_tensor_count(call->output); i++) /* memory is NHWC: channels vary fastest */
		y[i] = w[i % channels] * x[i] + b[i % channels];
	return NNOPT_OK;
}

static nnopt_status backward(const nnopt_own_call *call, void *user)
{
	(void)user;
	const float *x = nnopt_tensor_const_data(call->inputs[0]), *dy = nnopt_tensor_const_data(call->output_gradient);
	const float *w = nnopt_tensor_const_data(call->parameters[0]);
	int64_t channels = nnopt_tensor_count(call->parameters[0]), n = nnopt_tensor_count(call->output);
	if (call->input_gradients[0] != NULL) {
		float *dx = nnopt_tensor_data(call->input_gradients[0]);
		for (int64_t i = 0; i < n; i++)
			dx[i] = w[i % channels] * dy[i];
	}
	for (int p = 0; p < 2; p++) {
		if (call->parameter_gradients[p] == NULL) /* frozen */
			continue;
		float *d = nnopt_tensor_data(call->parameter_gradients[p]);
		for (int64_t c = 0; c < channels; c++) {
			double sum = call->accumulate_parameters ? d[c] : 0.0;
			for (int64_t i = c; i < n; i += channels)
				sum += p == 0 ? dy[i] * x[i] : dy[i];
			d[c] = (float)sum;
		}
	}
	return NNOPT_OK;
}

static nnopt_layer *make_layer(nnopt_context *ctx)
{
	nnopt_own_layer_options o;
	nnopt_layer *layer = NULL;
	CHECK(nnopt_own_layer_options_init(&o, sizeof o));
	o.kind = "scale_shift";
	o.parameter_count = 2;
	o.parameter_shape = parameter_shape;
	o.parameter_names[0] = "weight";
	o.parameter_names[1] = "bias";
	o.parameter_inits[0] = o.parameter_inits[1] = NNOPT_INIT_CONSTANT;
	o.parameter_values[0] = 1.0f;
	o.forward = forward;
	o.backward = backward;
	CHECK(nnopt_own_layer_create(&layer, ctx, &o));
	return layer;
}

int main(int argc, char **argv)
{
	read_arguments(argc, argv, "", (const argument[]){ { 0 } });
	nnopt_context *ctx = NULL;
	nnopt_model *net = NULL;
	CHECK(nnopt_context_create(&ctx, NULL));
	CHECK(nnopt_model_create(&net, ctx));
	CHECK(nnopt_add_conv2d(net, 4, 3, NULL));
	nnopt_layer *layer = make_layer(ctx);
	CHECK(nnopt_model_add(net, layer));
	CHECK(nnopt_add_relu(net));
	CHECK(nnopt_add_flatten(net));
	CHECK(nnopt_add_linear(net, 1, NULL));
	nnopt_layer_destroy(layer);

	/* Fit a constant by plain gradient steps, batch 1. */
	CHECK(nnopt_model_build(net, 3, (const int64_t[]){ 2, 6, 6 }));
	nnopt_plan *plan = NULL;
	nnopt_plan_options p;
	CHECK(nnopt_plan_options_init(&p, sizeof p));
	p.mode = NNOPT_TRAINING;
	CHECK(nnopt_plan_create(&plan, net, &p));
	nnopt_tensor *x = NULL, *wanted = NULL;
	nnopt_loss *mse = NULL;
	nnopt_optimizer *sgd = NULL;
	CHECK(nnopt_tensor_create(&x, ctx, NNOPT_F32, 4, (const int64_t[]){ 1, 2, 6, 6 }, NNOPT_NHWC));
	CHECK(nnopt_tensor_create(&wanted, ctx, NNOPT_F32, 2, (const int64_t[]){ 1, 1 }, NNOPT_NCHW));
	CHECK(nnopt_tensor_fill(x, 0.5));
	CHECK(nnopt_tensor_fill(wanted, 3.0));
	CHECK(nnopt_mse_create(&mse, ctx, NNOPT_REDUCTION_MEAN));
	CHECK(nnopt_sgd_create(&sgd, ctx, NULL)); /* learning rate 0.01 */
	nnopt_loss_result r = { .struct_size = sizeof r };
	for (int step = 0; step < 500; step++) {
		const nnopt_tensor *y = NULL;
		CHECK(nnopt_plan_forward(plan, x, &y));
		CHECK(nnopt_loss_compute(mse, y, wanted, 1.0f, nnopt_plan_output_gradient(plan), &r));
		CHECK(nnopt_plan_backward(plan, 0));
		CHECK(nnopt_optimizer_step(sgd, net, 1.0f, NULL));
	}
	printf("loss after 500 steps: %.6f\n", r.value);

	nnopt_optimizer_destroy(sgd);
	nnopt_loss_destroy(mse);
	nnopt_tensor_destroy(wanted);
	nnopt_tensor_destroy(x);
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(net);
	nnopt_context_destroy(ctx);
	return r.value < 1e-3 ? EXIT_SUCCESS : EXIT_FAILURE;
}
