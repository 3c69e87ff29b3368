/* teacher.c - nnopt_fit with a teacher: a loop by hand, resumed or not, is the same; and what does not go together. */
#include "blocks.h"

#include <stdio.h>
#include <unistd.h>

#define COUNT 60
#define PATH TEST_TMP "/teacher.ckpt"

typedef struct world {
	nnopt_context *ctx;
	nnopt_dataset *data;
	nnopt_loader *loader;
	nnopt_model *teacher;
	nnopt_loss *loss;
} world;

static nnopt_model *network(nnopt_context *ctx, int64_t channels, int64_t classes, uint64_t seed)
{
	nnopt_model *net = NULL;
	assert_ok(nnopt_model_create(&net, ctx));
	assert_ok(nnopt_add_conv2d(net, channels, 3, NULL));
	assert_ok(nnopt_add_batch_norm2d(net, NULL));
	assert_ok(nnopt_add_relu(net));
	assert_ok(nnopt_add_flatten(net));
	assert_ok(nnopt_add_linear(net, classes, NULL));
	assert_ok(nnopt_model_build(net, 3, (int64_t[]){ 1, 6, 6 }));
	assert_ok(nnopt_model_initialise(net, seed));
	return net;
}

static world make(int32_t threads)
{
	world w = { 0 };
	nnopt_context_options c;
	nnopt_loader_options l;
	nnopt_tensor *images = NULL, *labels = NULL;
	assert_ok(nnopt_context_options_init(&c, sizeof c));
	c.threads = threads;
	assert_ok(nnopt_context_create(&w.ctx, &c));
	assert_ok(nnopt_tensor_create(&images, w.ctx, NNOPT_U8, 4, (int64_t[]){ COUNT, 1, 6, 6 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&labels, w.ctx, NNOPT_I32, 1, (int64_t[]){ COUNT }, NNOPT_NCHW));
	for (int i = 0; i < COUNT * 36; i++)
		((uint8_t *)nnopt_tensor_data(images))[i] = (uint8_t)(i * 37 + i / 36 % 3 * 60);
	for (int i = 0; i < COUNT; i++)
		((int32_t *)nnopt_tensor_data(labels))[i] = i % 3;
	assert_ok(nnopt_dataset_from_tensors(&w.data, w.ctx, images, labels));
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
	assert_ok(nnopt_loader_options_init(&l, sizeof l));
	l.batch = 16; /* the last of an epoch has 12 */
	l.shuffle = 1;
	assert_ok(nnopt_loader_create(&w.loader, w.data, NULL, &l));
	w.teacher = network(w.ctx, 9, 3, 77);
	assert_ok(nnopt_distillation_create(&w.loss, w.ctx, NULL));
	return w;
}

static void destroy(world *w)
{
	nnopt_loss_destroy(w->loss);
	nnopt_model_destroy(w->teacher);
	nnopt_loader_destroy(w->loader);
	nnopt_dataset_destroy(w->data);
	nnopt_context_destroy(w->ctx);
}

static nnopt_plan *plan(nnopt_model *net, nnopt_mode mode)
{
	nnopt_plan_options o;
	nnopt_plan *p = NULL;
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.batch = 16;
	o.mode = mode;
	o.constant = mode == NNOPT_INFERENCE; /* as nnopt_fit does with a teacher */
	assert_ok(nnopt_plan_create(&p, net, &o));
	return p;
}

static void by_hand(world *w, nnopt_model *net, int64_t epochs)
{
	nnopt_plan *student = plan(net, NNOPT_TRAINING), *teacher = plan(w->teacher, NNOPT_INFERENCE);
	nnopt_optimizer *adam = NULL;
	assert_ok(nnopt_adam_create(&adam, w->ctx, NULL));
	for (int64_t epoch = 0; epoch < epochs; epoch++) {
		const nnopt_batch *batch = NULL;
		assert_ok(nnopt_loader_start(w->loader, epoch, 0));
		for (;;) {
			const nnopt_tensor *logits = NULL, *wanted = NULL;
			nnopt_loss_result r = { .struct_size = sizeof r };
			assert_ok(nnopt_loader_next(w->loader, &batch));
			if (batch == NULL)
				break;
			assert_ok(nnopt_plan_forward(student, batch->images, &logits));
			assert_ok(nnopt_plan_forward(teacher, batch->images, &wanted));
			assert_ok(nnopt_loss_set_teacher(w->loss, wanted));
			assert_ok(nnopt_loss_compute(w->loss, logits, batch->labels, 1.0f,
						     nnopt_plan_output_gradient(student), &r));
			assert_ok(nnopt_plan_backward(student, 0));
			assert_ok(nnopt_optimizer_step(adam, net, 1.0f, NULL));
		}
	}
	nnopt_optimizer_destroy(adam);
	nnopt_plan_destroy(student);
	nnopt_plan_destroy(teacher);
}

static nnopt_status fit(world *w, nnopt_model *net, nnopt_loss *loss, nnopt_model *teacher, nnopt_fit_options *more)
{
	nnopt_optimizer *adam = NULL;
	more->teacher = teacher;
	assert_ok(nnopt_adam_create(&adam, w->ctx, NULL));
	nnopt_status status = nnopt_fit(net, w->loader, loss, adam, more, NULL);
	nnopt_optimizer_destroy(adam);
	return status;
}

static void is_a_loop(void **state)
{
	(void)state;
	for (int32_t threads = 1; threads <= 3; threads += 2) {
		world w = make(threads);
		nnopt_model *hand = network(w.ctx, 4, 3, 5), *fitted = network(w.ctx, 4, 3, 5);
		nnopt_fit_options o;
		assert_ok(nnopt_fit_options_init(&o, sizeof o));
		o.epochs = 3;
		o.validation = w.loader; /* the value of the labels' part alone */
		by_hand(&w, hand, 3);
		assert_ok(fit(&w, fitted, w.loss, w.teacher, &o));
		assert_same_weights(hand, fitted);
		nnopt_model_destroy(hand);
		nnopt_model_destroy(fitted);
		destroy(&w);
	}
}

/* Stops the run in the second epoch. */
static nnopt_status stop_there(const nnopt_progress *progress, void *user)
{
	if (progress->epoch == 1 && progress->batch == 2)
		nnopt_cancel_request(user);
	return NNOPT_OK;
}

static void a_resumed_run_is_the_same(void **state)
{
	(void)state;
	world w = make(1);
	nnopt_model *whole = network(w.ctx, 4, 3, 5), *resumed = network(w.ctx, 4, 3, 5);
	nnopt_fit_options o;
	(void)unlink(PATH);
	assert_ok(nnopt_fit_options_init(&o, sizeof o));
	o.epochs = 3;
	assert_ok(fit(&w, whole, w.loss, w.teacher, &o));
	o.checkpoint_path = PATH;
	o.resume = 1;
	assert_ok(nnopt_cancel_create(&o.cancel, w.ctx));
	o.on_batch = stop_there;
	o.progress_user = o.cancel;
	assert_fails(NNOPT_ERROR_CANCELLED, "epoch 1, batch 2", fit(&w, resumed, w.loss, w.teacher, &o));
	nnopt_cancel_destroy(o.cancel);
	o.cancel = NULL;
	o.on_batch = NULL;
	assert_ok(fit(&w, resumed, w.loss, w.teacher, &o));
	assert_same_weights(whole, resumed);
	(void)unlink(PATH);
	nnopt_model_destroy(whole);
	nnopt_model_destroy(resumed);
	destroy(&w);
}

static void what_does_not_go_together(void **state)
{
	(void)state;
	world w = make(1);
	nnopt_model *net = network(w.ctx, 4, 3, 5), *other = network(w.ctx, 4, 5, 6);
	nnopt_loss *plain = NULL;
	nnopt_fit_options o;
	assert_ok(nnopt_fit_options_init(&o, sizeof o));
	assert_ok(nnopt_cross_entropy_create(&plain, w.ctx, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "a teacher with a cross_entropy loss, none wanted",
		     fit(&w, net, plain, w.teacher, &o));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "no teacher with a distillation loss, another model wanted",
		     fit(&w, net, w.loss, NULL, &o));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "its own teacher", fit(&w, net, w.loss, net, &o));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "teacher's logits f32 (16, 5), f32 (16, 3)",
		     fit(&w, net, w.loss, other, &o));
	o.epochs = 1;
	assert_ok(fit(&w, net, plain, NULL, &o));
	nnopt_loss_destroy(plain);
	nnopt_model_destroy(net);
	nnopt_model_destroy(other);
	destroy(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_a_loop),
		cmocka_unit_test(a_resumed_run_is_the_same),
		cmocka_unit_test(what_does_not_go_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
