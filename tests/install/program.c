/* program.c - a program outside the tree: it sees installed headers only. Trains one step, so that the library's own
 * dependencies are really loaded. */
#include <math.h>
#include <stdio.h>

#include <nnopt/nnopt.h>

#define CHECK(call)                                                             \
	do {                                                                    \
		if ((call) != NNOPT_OK) {                                       \
			fprintf(stderr, "%s: %s\n", #call, nnopt_last_error()); \
			return 1;                                               \
		}                                                               \
	} while (0)

int main(void)
{
	const int64_t shape[4] = { 2, 1, 6, 6 }, classes[1] = { 2 };
	const int32_t labels[2] = { 0, 2 };
	float pixels[72];
	nnopt_context *context = NULL;
	nnopt_model *model = NULL;
	nnopt_plan *plan = NULL;
	nnopt_loss *loss = NULL;
	nnopt_optimizer *optimizer = NULL;
	nnopt_tensor *images = NULL, *targets = NULL;
	const nnopt_tensor *output = NULL;
	nnopt_plan_options options;
	nnopt_loss_result result = { .struct_size = sizeof result };

	if (nnopt_version() != NNOPT_VERSION)
		return 2;
	for (int i = 0; i < 72; i++)
		pixels[i] = (float)(i % 7) - 3.0f;
	CHECK(nnopt_context_create(&context, NULL));
	CHECK(nnopt_model_create(&model, context));
	CHECK(nnopt_add_conv2d(model, 4, 3, NULL));
	CHECK(nnopt_add_relu(model));
	CHECK(nnopt_add_flatten(model));
	CHECK(nnopt_add_linear(model, 3, NULL));
	CHECK(nnopt_model_build(model, 3, shape + 1));
	CHECK(nnopt_plan_options_init(&options, sizeof options));
	options.batch = 2;
	options.mode = NNOPT_TRAINING;
	CHECK(nnopt_plan_create(&plan, model, &options));
	CHECK(nnopt_cross_entropy_create(&loss, context, NULL));
	CHECK(nnopt_sgd_create(&optimizer, context, NULL));
	CHECK(nnopt_tensor_wrap(&images, context, pixels, sizeof pixels, NNOPT_F32, 4, shape, NNOPT_NCHW));
	CHECK(nnopt_tensor_create(&targets, context, NNOPT_I32, 1, classes, NNOPT_NCHW));
	CHECK(nnopt_tensor_copy_in(targets, labels, sizeof labels, NNOPT_I32, NNOPT_NCHW));
	CHECK(nnopt_plan_forward(plan, images, &output));
	CHECK(nnopt_loss_compute(loss, output, targets, 1.0f, nnopt_plan_output_gradient(plan), &result));
	CHECK(nnopt_plan_backward(plan, 0));
	CHECK(nnopt_optimizer_step(optimizer, model, 1.0f, NULL));
	nnopt_tensor_destroy(targets);
	nnopt_tensor_destroy(images);
	nnopt_optimizer_destroy(optimizer);
	nnopt_loss_destroy(loss);
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(model);
	nnopt_context_destroy(context);
	printf("%s loss %.9g\n", nnopt_version_string(), result.value);
	return result.finite && fabs(result.value) < 100.0 ? 0 : 3;
}
