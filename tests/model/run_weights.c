/* run_weights.c - a network from JSON or by its name, weights from a file, pictures from a .npy: prints how far its
 * logits are from another .npy's. What tests/golden/check_pretrained.py runs against PyTorch.
 *
 * usage: test_model_run_weights MODEL.json|NAME WEIGHTS INPUT.npy LOGITS.npy TOLERANCE */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nnopt/nnopt.h>

#define CHECK(call)                                                  \
	do {                                                         \
		if ((call) != NNOPT_OK) {                            \
			fprintf(stderr, "%s\n", nnopt_last_error()); \
			exit(EXIT_FAILURE);                          \
		}                                                    \
	} while (0)

static char *read_text(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	char *text = malloc(1 << 22);
	if (f == NULL || text == NULL) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	*n = fread(text, 1, 1 << 22, f);
	fclose(f);
	return text;
}

int main(int argc, char **argv)
{
	if (argc != 6) {
		fprintf(stderr, "usage: %s MODEL.json|NAME WEIGHTS INPUT.npy LOGITS.npy TOLERANCE\n", argv[0]);
		return 77;
	}
	nnopt_context *ctx = NULL;
	nnopt_model *net = NULL;
	nnopt_tensor *x = NULL, *wanted = NULL;
	size_t n;
	CHECK(nnopt_context_create(&ctx, NULL));
	CHECK(nnopt_tensor_load_npy(&x, ctx, argv[3]));
	CHECK(nnopt_tensor_load_npy(&wanted, ctx, argv[4]));
	if (strchr(argv[1], '.') != NULL) {
		char *json = read_text(argv[1], &n);
		CHECK(nnopt_model_from_json(&net, ctx, json, n));
		free(json);
	} else {
		const int64_t shape[3] = { nnopt_tensor_extent(x, 1), nnopt_tensor_extent(x, 2),
					   nnopt_tensor_extent(x, 3) };
		CHECK(nnopt_zoo_create(&net, ctx, argv[1], nnopt_tensor_extent(wanted, 1), NULL));
		CHECK(nnopt_model_build(net, 3, shape));
	}
	CHECK(nnopt_model_load_weights(net, argv[2], 1));
	nnopt_plan_options o;
	nnopt_plan *plan = NULL;
	const nnopt_tensor *y = NULL;
	CHECK(nnopt_plan_options_init(&o, sizeof o));
	o.batch = nnopt_tensor_extent(x, 0);
	CHECK(nnopt_plan_create(&plan, net, &o));
	CHECK(nnopt_plan_forward(plan, x, &y));
	int64_t count = nnopt_tensor_count(wanted);
	float *got = malloc((size_t)count * sizeof *got);
	const float *w = nnopt_tensor_const_data(wanted);
	if (got == NULL)
		return EXIT_FAILURE;
	CHECK(nnopt_tensor_copy_out(y, got, (size_t)count * sizeof *got, NNOPT_F32, NNOPT_NCHW));
	double worst = 0, largest = 0;
	for (int64_t i = 0; i < count; i++) {
		worst = fmax(worst, fabs((double)got[i] - w[i]));
		largest = fmax(largest, fabs((double)w[i]));
	}
	printf("%lld logits up to %.4g, largest difference %.3g\n", (long long)count, largest, worst);
	free(got);
	nnopt_plan_destroy(plan);
	nnopt_tensor_destroy(x);
	nnopt_tensor_destroy(wanted);
	nnopt_model_destroy(net);
	nnopt_context_destroy(ctx);
	return worst <= strtod(argv[5], NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
