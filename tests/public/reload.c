/* reload.c - the library loaded, used and unloaded many times: reload LIBRARY. Nothing of it may stay behind. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nnopt/nnopt.h>

#define FUNCTION(name) __typeof__(name) *name##_ = (__typeof__(name) *)(uintptr_t)dlsym(library, #name)

static int use(const char *path)
{
	static const char text[] =
	    "{\"format\": \"nnopt-model\", \"version\": 1, \"input\": [3, 40, 40], \"layers\": [{\"kind\": \"conv2d\", "
	    "\"name\": "
	    "\"c\", \"inputs\": [\"input\"], \"out_channels\": 32, \"kernel_h\": 3, \"kernel_w\": 3}]}";
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		return fprintf(stderr, "%s\n", dlerror()), 0;
	FUNCTION(nnopt_context_create);
	FUNCTION(nnopt_context_destroy);
	FUNCTION(nnopt_model_from_json);
	FUNCTION(nnopt_model_destroy);
	FUNCTION(nnopt_plan_create);
	FUNCTION(nnopt_plan_destroy);
	FUNCTION(nnopt_plan_forward);
	FUNCTION(nnopt_tensor_create);
	FUNCTION(nnopt_tensor_destroy);
	nnopt_context *ctx = NULL;
	nnopt_model *net = NULL;
	nnopt_plan *plan = NULL;
	nnopt_tensor *x = NULL;
	const nnopt_tensor *y = NULL;
	int ok = nnopt_context_create_(&ctx, NULL) == NNOPT_OK &&
		 nnopt_model_from_json_(&net, ctx, text, strlen(text)) == NNOPT_OK &&
		 nnopt_plan_create_(&plan, net, NULL) == NNOPT_OK &&
		 nnopt_tensor_create_(&x, ctx, NNOPT_F32, 4, (int64_t[]){ 1, 3, 40, 40 }, NNOPT_NHWC) == NNOPT_OK &&
		 nnopt_plan_forward_(plan, x, &y) == NNOPT_OK;
	nnopt_tensor_destroy_(x);
	nnopt_plan_destroy_(plan);
	nnopt_model_destroy_(net);
	nnopt_context_destroy_(ctx);
	return dlclose(library) == 0 && ok;
}

int main(int argc, char **argv)
{
	for (int i = 0; i < 50; i++)
		if (argc != 2 || !use(argv[1]))
			return EXIT_FAILURE;
	return EXIT_SUCCESS;
}
