/* lifetime.c - objects destroyed in any order, several threads, forks, and training steps that allocate nothing. */
#include "check.h"

#include "budget.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OBJECTS = 9, COUNT = 48 };

typedef struct world {
	nnopt_context *ctx;
	nnopt_dataset *data;
	nnopt_transforms *transforms;
	nnopt_loader *loader;
	nnopt_model *net;
	nnopt_plan *plan;
	nnopt_loss *loss;
	nnopt_optimizer *adam;
	nnopt_tensor *view; /* of a tensor destroyed before */
} world;

static void make_data(world *w)
{
	nnopt_tensor *images = NULL, *labels = NULL;
	assert_ok(nnopt_tensor_create(&images, w->ctx, NNOPT_U8, 4, (int64_t[]){ COUNT, 2, 9, 9 }, NNOPT_NHWC));
	assert_ok(nnopt_tensor_create(&labels, w->ctx, NNOPT_I32, 1, (int64_t[]){ COUNT }, NNOPT_NCHW));
	for (int i = 0; i < COUNT * 162; i++)
		((uint8_t *)nnopt_tensor_data(images))[i] = (uint8_t)(i * 29);
	for (int i = 0; i < COUNT; i++)
		((int32_t *)nnopt_tensor_data(labels))[i] = i % 3;
	assert_ok(nnopt_dataset_from_tensors(&w->data, w->ctx, images, labels));
	assert_ok(nnopt_tensor_view(&w->view, images, 3, 5));
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
}

static world make(budget *memory, int32_t threads, int32_t workers)
{
	world w = { 0 };
	nnopt_context_options o;
	nnopt_loader_options l;
	nnopt_plan_options p;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.threads = threads;
	o.alloc = memory != NULL ? budget_alloc : NULL;
	o.free = memory != NULL ? budget_free : NULL;
	o.alloc_user = memory;
	assert_ok(nnopt_context_create(&w.ctx, &o));
	make_data(&w);
	assert_ok(nnopt_transforms_create(&w.transforms, w.ctx));
	assert_ok(nnopt_transforms_add_rotation(w.transforms, 10, 1, 1.0));
	assert_ok(nnopt_transforms_add_resize(w.transforms, 8, 8));
	assert_ok(nnopt_loader_options_init(&l, sizeof l));
	l.batch = 8;
	l.shuffle = 1;
	l.workers = workers;
	assert_ok(nnopt_loader_create(&w.loader, w.data, w.transforms, &l));
	assert_ok(nnopt_model_create(&w.net, w.ctx));
	assert_ok(nnopt_add_conv2d(w.net, 8, 3, NULL));
	assert_ok(nnopt_add_batch_norm2d(w.net, NULL));
	assert_ok(nnopt_add_relu(w.net));
	assert_ok(nnopt_add_max_pool2d(w.net, 2, NULL));
	assert_ok(nnopt_add_dropout(w.net, 0.2f));
	assert_ok(nnopt_add_flatten(w.net));
	assert_ok(nnopt_add_linear(w.net, 3, NULL));
	assert_ok(nnopt_plan_options_init(&p, sizeof p));
	p.batch = 8;
	p.rank = 3;
	p.shape[0] = 2;
	p.shape[1] = p.shape[2] = 8;
	p.mode = NNOPT_TRAINING;
	assert_ok(nnopt_plan_create(&w.plan, w.net, &p));
	assert_ok(nnopt_cross_entropy_create(&w.loss, w.ctx, NULL));
	assert_ok(nnopt_adam_create(&w.adam, w.ctx, NULL));
	return w;
}

static void train_epoch(world *w, int64_t epoch, long *calls, budget *memory)
{
	assert_ok(nnopt_loader_start(w->loader, epoch, 0));
	for (int step = 0;; step++) {
		const nnopt_batch *b = NULL;
		const nnopt_tensor *y = NULL;
		nnopt_loss_result r = { .struct_size = sizeof r };
		assert_ok(nnopt_loader_next(w->loader, &b));
		if (b == NULL)
			return;
		assert_ok(nnopt_plan_forward(w->plan, b->images, &y));
		assert_ok(nnopt_loss_compute(w->loss, y, b->labels, 1.0f, nnopt_plan_output_gradient(w->plan), &r));
		assert_ok(nnopt_plan_backward(w->plan, 0));
		assert_ok(nnopt_optimizer_step(w->adam, w->net, 1.0f, NULL));
		if (memory != NULL && calls != NULL && *calls == 0 && step == 2)
			*calls = atomic_load(&memory->calls);
	}
}

static void destroy_one(world *w, int which)
{
	switch (which) {
	case 0:
		nnopt_context_destroy(w->ctx);
		break;
	case 1:
		nnopt_dataset_destroy(w->data);
		break;
	case 2:
		nnopt_transforms_destroy(w->transforms);
		break;
	case 3:
		nnopt_loader_destroy(w->loader);
		break;
	case 4:
		nnopt_model_destroy(w->net);
		break;
	case 5:
		nnopt_plan_destroy(w->plan);
		break;
	case 6:
		nnopt_loss_destroy(w->loss);
		break;
	case 7:
		nnopt_optimizer_destroy(w->adam);
		break;
	default:
		nnopt_tensor_destroy(w->view);
		break;
	}
}

static void destroy_all(world *w)
{
	for (int i = 0; i < OBJECTS; i++)
		destroy_one(w, i);
}

static void any_order(void **state)
{
	(void)state;
	static budget memory;
	uint32_t r = 1;
	for (int round = 0; round < 400; round++) {
		world w = make(&memory, 2, round % 3);
		if (round % 4 == 0)
			train_epoch(&w, 0, NULL, NULL);
		int order[OBJECTS];
		for (int i = 0; i < OBJECTS; i++)
			order[i] = i;
		for (int i = OBJECTS - 1; i > 0; i--) {
			r = r * 1664525u + 1013904223u;
			int k = (int)((r >> 8) % (uint32_t)(i + 1)), t = order[i];
			order[i] = order[k];
			order[k] = t;
		}
		for (int i = 0; i < OBJECTS; i++)
			destroy_one(&w, order[i]);
		assert_int_equal(atomic_load(&memory.blocks), 0);
		assert_int_equal(atomic_load(&memory.live), 0);
	}
}

static void steps_allocate_nothing(void **state)
{
	(void)state;
	for (int32_t workers = 0; workers <= 2; workers++) {
		static budget memory;
		long calls = 0;
		world w = make(&memory, 3, workers);
		for (int epoch = 0; epoch < 4; epoch++)
			train_epoch(&w, epoch, epoch == 1 ? &calls : NULL, &memory);
		assert_true(calls > 0);
		assert_int_equal(atomic_load(&memory.calls), calls);
		destroy_all(&w);
	}
}

static void copy_weights(world *w, float *to, size_t room)
{
	nnopt_model_blocks b = { .struct_size = sizeof b };
	assert_ok(nnopt_model_get_blocks(w->net, &b));
	assert_true((size_t)b.parameter_elements <= room);
	memcpy(to, b.parameters, (size_t)b.parameter_elements * sizeof *to);
}

static void *train_alone(void *user)
{
	world w = make(NULL, 2, 1);
	for (int epoch = 0; epoch < 3; epoch++)
		train_epoch(&w, epoch, NULL, NULL);
	copy_weights(&w, user, 512);
	destroy_all(&w);
	return NULL;
}

static void contexts_do_not_meet(void **state)
{
	(void)state;
	static float alone[512], together[4][512];
	pthread_t threads[4];
	train_alone(alone);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, train_alone, together[i]), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_memory_equal(alone, together[i], sizeof alone);
	}
}

typedef struct reader {
	nnopt_model *net;
	float out[3];
} reader;

static void *infer(void *user)
{
	reader *r = user;
	nnopt_plan *plan = NULL;
	nnopt_tensor *x = NULL;
	const nnopt_tensor *y = NULL;
	assert_ok(nnopt_plan_create(&plan, r->net, NULL));
	assert_ok(
	    nnopt_tensor_create(&x, nnopt_model_context(r->net), NNOPT_F32, 4, (int64_t[]){ 1, 2, 8, 8 }, NNOPT_NHWC));
	assert_ok(nnopt_tensor_fill(x, 0.25));
	for (int i = 0; i < 200; i++)
		assert_ok(nnopt_plan_forward(plan, x, &y));
	assert_ok(nnopt_tensor_copy_out(y, r->out, sizeof r->out, NNOPT_F32, NNOPT_NCHW));
	nnopt_tensor_destroy(x);
	nnopt_plan_destroy(plan);
	return NULL;
}

static void one_model_many_readers(void **state)
{
	(void)state;
	world w = make(NULL, 2, 0);
	reader readers[5];
	pthread_t threads[5];
	for (int i = 0; i < 5; i++)
		readers[i] = (reader){ .net = w.net };
	infer(&readers[0]);
	for (int i = 1; i < 5; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, infer, &readers[i]), 0);
	for (int i = 1; i < 5; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_memory_equal(readers[0].out, readers[i].out, sizeof readers[i].out);
	}
	destroy_all(&w);
}

/* A child may train with new objects, and with those of its parent, whose threads it does not have. */
static void forks(void **state)
{
	(void)state;
#if defined(__SANITIZE_THREAD__)
	skip(); /* the sanitizer starts no threads after a fork */
#endif
	world w = make(NULL, 3, 0);
	train_epoch(&w, 0, NULL, NULL);
	for (int fresh = 0; fresh < 2; fresh++) {
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			world mine = fresh ? make(NULL, 3, 1) : w;
			train_epoch(&mine, 1, NULL, NULL);
			_exit(0);
		}
		int status = 1;
		(void)alarm(60); /* a child that waits for a thread it does not have would wait for ever */
		assert_int_equal(waitpid(child, &status, 0), child);
		(void)alarm(0);
		assert_int_equal(status, 0);
	}
	train_epoch(&w, 1, NULL, NULL);
	destroy_all(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order),
		cmocka_unit_test(steps_allocate_nothing),
		cmocka_unit_test(contexts_do_not_meet),
		cmocka_unit_test(one_model_many_readers),
		cmocka_unit_test(forks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
