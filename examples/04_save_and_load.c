/* 04_save_and_load.c - a network with a skip connection: its summary, its file, its JSON, and a second network from
 * each.
 *
 * usage: 04_save_and_load [FILE] */
#include "example.h"

#include <string.h>

static nnopt_status connect(nnopt_model *net, nnopt_status made, nnopt_layer **layer, int32_t a, int32_t b,
			    int32_t *node)
{
	const int32_t inputs[2] = { a, b };
	nnopt_status status = made;
	if (status == NNOPT_OK)
		status = nnopt_model_connect(net, *layer, inputs, b < 0 ? 1 : 2, node);
	nnopt_layer_destroy(*layer);
	*layer = NULL;
	return status;
}

/* conv - bn - relu - conv - bn, plus what went in, relu; then the mean of each channel and a linear layer. */
static nnopt_model *make_residual_network(nnopt_context *ctx)
{
	nnopt_model *net = NULL;
	nnopt_layer *l = NULL;
	int32_t stem, node;
	nnopt_conv2d_options same;
	CHECK(nnopt_conv2d_options_init(&same, sizeof same));
	same.padding_mode = NNOPT_PADDING_SAME;
	same.use_bias = 0;
	CHECK(nnopt_model_create(&net, ctx));
	CHECK(connect(net, nnopt_conv2d_create(&l, ctx, 16, 3, &same), &l, NNOPT_INPUT_NODE, -1, &stem));
	CHECK(connect(net, nnopt_conv2d_create(&l, ctx, 16, 3, &same), &l, stem, -1, &node));
	CHECK(connect(net, nnopt_batch_norm2d_create(&l, ctx, NULL), &l, node, -1, &node));
	CHECK(connect(net, nnopt_relu_create(&l, ctx), &l, node, -1, &node));
	CHECK(connect(net, nnopt_conv2d_create(&l, ctx, 16, 3, &same), &l, node, -1, &node));
	CHECK(connect(net, nnopt_batch_norm2d_create(&l, ctx, NULL), &l, node, -1, &node));
	CHECK(connect(net, nnopt_add_create(&l, ctx), &l, node, stem, &node));
	CHECK(connect(net, nnopt_relu_create(&l, ctx), &l, node, -1, &node));
	CHECK(nnopt_add_global_avg_pool2d(net)); /* the short way goes on from the node added last */
	CHECK(nnopt_add_flatten(net));
	CHECK(nnopt_add_linear(net, 10, NULL));
	CHECK(nnopt_model_build(net, 3, (const int64_t[]){ 3, 32, 32 }));
	return net;
}

/* The ten outputs for a picture of a grey ramp. */
static void run(nnopt_model *net, float out[10])
{
	nnopt_plan *plan = NULL;
	nnopt_tensor *input = NULL;
	const nnopt_tensor *logits = NULL;
	static float ramp[3 * 32 * 32];
	for (int i = 0; i < 3 * 32 * 32; i++)
		ramp[i] = (float)(i % 1024) / 1024.0f;
	CHECK(nnopt_plan_create(&plan, net, NULL)); /* batch 1, inference, the shape the model was built for */
	CHECK(nnopt_tensor_wrap(&input, nnopt_model_context(net), ramp, sizeof ramp, NNOPT_F32, 4,
				(const int64_t[]){ 1, 3, 32, 32 }, NNOPT_NCHW));
	CHECK(nnopt_plan_forward(plan, input, &logits));
	CHECK(nnopt_tensor_copy_out(logits, out, 10 * sizeof *out, NNOPT_F32, NNOPT_NCHW));

	size_t needed = 0;
	CHECK(nnopt_plan_summary(plan, NULL, 0, &needed));
	char *text = malloc(needed);
	if (text != NULL && nnopt_plan_summary(plan, text, needed, NULL) == NNOPT_OK)
		printf("%s\n", text);
	free(text);
	nnopt_tensor_destroy(input);
	nnopt_plan_destroy(plan);
}

int main(int argc, char **argv)
{
	const char *path = "model.safetensors";
	read_arguments(argc, argv, "[FILE]", (const argument[]){ { .text = &path }, { 0 } });
	nnopt_context *ctx = NULL;
	CHECK(nnopt_context_create(&ctx, NULL));
	nnopt_model *net = make_residual_network(ctx), *same = NULL, *fresh = NULL;
	float a[10], b[10];
	run(net, a);

	/* The file holds architecture and weights, is replaced as a whole or not at all, and checks itself when read.
	 */
	CHECK(nnopt_model_save(net, path));
	CHECK(nnopt_model_load(&same, ctx, path));
	run(same, b);
	printf("%s: %s\n", path,
	       memcmp(a, b, sizeof a) == 0 ? "the loaded model gives the same bits" : "THE OUTPUTS DIFFER");

	/* The architecture alone, as text; then only the weights from the file. */
	static char json[16384];
	CHECK(nnopt_model_to_json(net, json, sizeof json, NULL));
	printf("%s\n", json);
	CHECK(nnopt_model_from_json(&fresh, ctx, json, strlen(json)));
	CHECK(nnopt_model_load_weights(fresh, path, 1));

	/* Keep the features, train only the last layer. */
	int32_t changed = 0;
	CHECK(nnopt_model_set_trainable(fresh, "", 0, NULL));
	CHECK(nnopt_model_set_trainable(fresh, "linear1", 1, &changed));
	printf("%d parameter tensors are free to learn\n", (int)changed);

	nnopt_model_destroy(fresh);
	nnopt_model_destroy(same);
	nnopt_model_destroy(net);
	nnopt_context_destroy(ctx);
	return memcmp(a, b, sizeof a) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
