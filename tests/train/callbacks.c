/* callbacks.c - several callbacks in the place of one, and what they are told of updates. */
#include "check.h"

static nnopt_context *ctx;
static char called[64];

static int setup(void **state)
{
	(void)state;
	return nnopt_context_create(&ctx, NULL) == NNOPT_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	nnopt_context_destroy(ctx);
	return 0;
}

static nnopt_status say(const nnopt_progress *progress, void *user)
{
	(void)progress;
	strcat(called, user);
	return NNOPT_OK;
}

static nnopt_status refuse(const nnopt_progress *progress, void *user)
{
	return say(progress, user) == NNOPT_OK ? nnopt_fail(NNOPT_ERROR_IO, "the disk is gone") : NNOPT_OK;
}

static void they_are_called_in_order(void **state)
{
	(void)state;
	nnopt_callbacks *c = NULL;
	nnopt_progress p = { .struct_size = sizeof p };
	assert_ok(nnopt_callbacks_create(&c, ctx));
	assert_ok(nnopt_callbacks_on_batch(&p, c));
	assert_ok(nnopt_callbacks_add(c, say, NULL, "a"));
	assert_ok(nnopt_callbacks_add(c, NULL, say, "b"));
	for (int i = 0; i < 5; i++)
		assert_ok(nnopt_callbacks_add(c, say, say, "c"));
	assert_ok(nnopt_callbacks_on_batch(&p, c));
	assert_string_equal(called, "accccc");
	assert_ok(nnopt_callbacks_on_epoch(&p, c));
	assert_string_equal(called, "acccccbccccc");
	assert_ok(nnopt_callbacks_add(c, refuse, NULL, "!"));
	assert_ok(nnopt_callbacks_add(c, say, say, "d"));
	called[0] = '\0';
	assert_fails(NNOPT_ERROR_IO, "the disk is gone", nnopt_callbacks_on_batch(&p, c));
	assert_string_equal(called, "accccc!");
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "one of them wanted", nnopt_callbacks_add(c, NULL, NULL, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "callbacks is NULL", nnopt_callbacks_add(NULL, say, say, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "progress", nnopt_callbacks_on_epoch(NULL, c));
	nnopt_callbacks_destroy(c);
	nnopt_callbacks_destroy(NULL);
}

static nnopt_status note_update(const nnopt_progress *p, void *user)
{
	return say(p, user != NULL ? user : p->updated ? "1" : "0");
}

/* 10 batches a run of 2 epochs, 3 to an update, and the rest of an epoch is one too. */
static void updates_are_told(void **state)
{
	(void)state;
	nnopt_tensor *images = NULL, *labels = NULL;
	nnopt_dataset *data = NULL;
	nnopt_loader *loader = NULL;
	nnopt_loader_options l;
	nnopt_model *net = NULL;
	nnopt_loss *loss = NULL;
	nnopt_optimizer *sgd = NULL;
	nnopt_callbacks *c = NULL;
	nnopt_fit_options o;
	assert_ok(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (int64_t[]){ 10, 1, 4, 4 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&labels, ctx, NNOPT_I64, 1, (int64_t[]){ 10 }, NNOPT_NCHW));
	((int64_t *)nnopt_tensor_data(labels))[3] = 1;
	assert_ok(nnopt_dataset_from_tensors(&data, ctx, images, labels));
	assert_ok(nnopt_loader_options_init(&l, sizeof l));
	l.batch = 2;
	assert_ok(nnopt_loader_create(&loader, data, NULL, &l));
	assert_ok(nnopt_model_create(&net, ctx));
	assert_ok(nnopt_add_flatten(net));
	assert_ok(nnopt_add_linear(net, 2, NULL));
	assert_ok(nnopt_cross_entropy_create(&loss, ctx, NULL));
	assert_ok(nnopt_sgd_create(&sgd, ctx, NULL));
	assert_ok(nnopt_callbacks_create(&c, ctx));
	assert_ok(nnopt_callbacks_add(c, note_update, NULL, NULL));
	assert_ok(nnopt_callbacks_add(c, NULL, note_update, "|"));
	assert_ok(nnopt_fit_options_init(&o, sizeof o));
	o.epochs = 2;
	o.accumulate = 3;
	o.on_batch = nnopt_callbacks_on_batch;
	o.on_epoch = nnopt_callbacks_on_epoch;
	o.progress_user = c;
	called[0] = '\0';
	assert_ok(nnopt_fit(net, loader, loss, sgd, &o, NULL));
	assert_string_equal(called, "00101|00101|");
	nnopt_callbacks_destroy(c);
	nnopt_optimizer_destroy(sgd);
	nnopt_loss_destroy(loss);
	nnopt_model_destroy(net);
	nnopt_loader_destroy(loader);
	nnopt_dataset_destroy(data);
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_are_called_in_order),
		cmocka_unit_test(updates_are_told),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
