/* quickstart_classify.c - what another program does with a trained network: reload it, name pictures, measure it.
 *
 * usage: quickstart_classify [DIR [OUT]], as given to quickstart */
#include "quickstart.h"

#include <math.h>

/* The class of a picture file, and the network's probability of it. */
static int classify(nnopt_context *ctx, nnopt_plan *plan, const char *path, float *probability)
{
	nnopt_tensor *pixels = NULL, *input = NULL;
	const nnopt_tensor *output = NULL;
	float logits[CLASSES], sum = 0.0f;
	int best = 0;
	CHECK(nnopt_image_read(&pixels, ctx, path, 1));
	CHECK(nnopt_tensor_create(&input, ctx, NNOPT_F32, 4, (const int64_t[]){ 1, 1, 28, 28 }, NNOPT_NHWC));
	CHECK(nnopt_tensor_copy(input, pixels)); /* u8 to f32; refuses a picture of another size */
	float *x = nnopt_tensor_data(input);
	for (int64_t i = 0; i < nnopt_tensor_count(input); i++)
		x[i] = (x[i] / 255.0f - mean[0]) / deviation[0];
	CHECK(nnopt_plan_forward(plan, input, &output));
	CHECK(nnopt_tensor_copy_out(output, logits, sizeof logits, NNOPT_F32, NNOPT_NCHW));
	for (int c = 1; c < CLASSES; c++)
		best = logits[c] > logits[best] ? c : best;
	for (int c = 0; c < CLASSES; c++)
		sum += expf(logits[c] - logits[best]);
	*probability = 1.0f / sum;
	nnopt_tensor_destroy(input);
	nnopt_tensor_destroy(pixels);
	return best;
}

int main(int argc, char **argv)
{
	const char *dir = "/usr/share/datasets/fashion-mnist", *out = ".";
	read_arguments(argc, argv, "[DIR [OUT]]", (const argument[]){ { .text = &dir }, { .text = &out }, { 0 } });
	char path[1024];
	nnopt_context *ctx = NULL;
	nnopt_model *net = NULL;
	nnopt_plan *plan = NULL;
	nnopt_plan_options options;
	CHECK(nnopt_context_create(&ctx, NULL));
	snprintf(path, sizeof path, "%s/model.safetensors", out);
	CHECK(nnopt_model_load(&net, ctx, path));
	CHECK(nnopt_plan_options_init(&options, sizeof options)); /* batch 1, inference */
	options.constant = 1; /* nobody trains the network any more: its parameters are packed once */
	CHECK(nnopt_plan_create(&plan, net, &options));

	nnopt_dataset *test = open_part(ctx, dir, "t10k");
	for (int64_t i = 0; i < PICTURES; i++) {
		float probability;
		snprintf(path, sizeof path, "%s/picture%lld.png", out, (long long)i);
		int found = classify(ctx, plan, path, &probability);
		printf("%s: %s (%.1f%%), labelled %s\n", path, class_names[found], 100.0f * probability,
		       class_names[nnopt_dataset_label(test, i)]);
	}

	nnopt_loader *loader = make_loader(ctx, test, 0);
	nnopt_evaluation result = { .struct_size = sizeof result };
	CHECK(nnopt_evaluate(net, NULL, loader, NULL, NULL, &result));
	printf("test accuracy: %.2f%%\n", 100.0 * result.accuracy);

	nnopt_loader_destroy(loader);
	nnopt_dataset_destroy(test);
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(net);
	nnopt_context_destroy(ctx);
	return EXIT_SUCCESS;
}
