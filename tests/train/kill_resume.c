/* kill_resume.c - training processes killed at 20 points and gone on with by another: the model file is the same, byte
 * for byte, as that of a run never interrupted, whatever the number of threads on either side, and what the killed one
 * had half written is gone. */
#include "check.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COUNT 160
#define STEPS (10 * 3)
#define CHECKPOINT TEST_TMP "/kill.ckpt"
#define DONE TEST_TMP "/kill.safetensors"
#define WHOLE TEST_TMP "/kill.whole"

static int64_t die_at; /* the update after which a child kills itself; -1: never */

static nnopt_status die(const nnopt_progress *p, void *user)
{
	(void)user;
	if (p->step == die_at)
		(void)kill(getpid(), SIGKILL);
	return NNOPT_OK;
}

#define CHILD_OK(call)                                               \
	do {                                                         \
		if ((call) != NNOPT_OK) {                            \
			fprintf(stderr, "%s\n", nnopt_last_error()); \
			_exit(1);                                    \
		}                                                    \
	} while (0)

static nnopt_loader *make_loader(nnopt_context *ctx, int32_t workers)
{
	nnopt_tensor *images = NULL, *labels = NULL;
	nnopt_dataset *data = NULL;
	nnopt_transforms *t = NULL;
	nnopt_loader *loader = NULL;
	nnopt_loader_options o;
	CHILD_OK(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (int64_t[]){ COUNT, 3, 10, 10 }, NNOPT_NHWC));
	CHILD_OK(nnopt_tensor_create(&labels, ctx, NNOPT_I32, 1, (int64_t[]){ COUNT }, NNOPT_NCHW));
	uint8_t *p = nnopt_tensor_data(images);
	for (int i = 0; i < COUNT * 300; i++)
		p[i] = (uint8_t)(i * 31 + i / 300 * (i % 7));
	for (int i = 0; i < COUNT; i++)
		((int32_t *)nnopt_tensor_data(labels))[i] = i % 4;
	CHILD_OK(nnopt_dataset_from_tensors(&data, ctx, images, labels));
	CHILD_OK(nnopt_transforms_create(&t, ctx));
	CHILD_OK(nnopt_transforms_add_pad_crop(t, 2, NNOPT_PAD_REFLECT, 0.8));
	CHILD_OK(nnopt_transforms_add_horizontal_flip(t, 0.5));
	CHILD_OK(nnopt_transforms_add_rotation(t, 15, 1, 0.7));
	CHILD_OK(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 16;
	o.shuffle = 1;
	o.workers = workers;
	o.mixup_alpha = o.cutmix_alpha = 0.4;
	o.mix_probability = 0.7;
	CHILD_OK(nnopt_loader_create(&loader, data, t, &o));
	nnopt_transforms_destroy(t);
	nnopt_dataset_destroy(data);
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
	return loader;
}

static void train(int32_t threads)
{
	nnopt_context_options c;
	nnopt_context *ctx = NULL;
	CHILD_OK(nnopt_context_options_init(&c, sizeof c));
	c.seed = 99;
	c.threads = threads;
	CHILD_OK(nnopt_context_create(&ctx, &c));
	nnopt_loader *loader = make_loader(ctx, threads - 1);
	nnopt_model *net = NULL;
	CHILD_OK(nnopt_model_create(&net, ctx));
	CHILD_OK(nnopt_add_conv2d(net, 16, 3, NULL));
	CHILD_OK(nnopt_add_batch_norm2d(net, NULL));
	CHILD_OK(nnopt_add_relu(net));
	CHILD_OK(nnopt_add_max_pool2d(net, 2, NULL));
	CHILD_OK(nnopt_add_dropout(net, 0.3f));
	CHILD_OK(nnopt_add_flatten(net));
	CHILD_OK(nnopt_add_linear(net, 4, NULL));
	nnopt_loss *loss = NULL;
	nnopt_optimizer *adam = NULL;
	nnopt_schedule *cosine = NULL;
	nnopt_average *ema = NULL;
	CHILD_OK(nnopt_cross_entropy_create(&loss, ctx, NULL));
	CHILD_OK(nnopt_adam_create(&adam, ctx, NULL));
	CHILD_OK(nnopt_schedule_cosine_create(&cosine, ctx, STEPS, 0.0));
	CHILD_OK(nnopt_ema_create(&ema, ctx, NULL));
	nnopt_fit_options o;
	CHILD_OK(nnopt_fit_options_init(&o, sizeof o));
	o.epochs = 3;
	o.schedule = cosine;
	o.average = ema;
	o.checkpoint_path = CHECKPOINT;
	o.checkpoint_steps = 2;
	o.resume = 1;
	o.on_batch = die;
	CHILD_OK(nnopt_fit(net, loader, loss, adam, &o, NULL));
	CHILD_OK(nnopt_model_save(net, DONE));
	_exit(0);
}

/* Runs a child to its end, or kills it after some microseconds. Returns how it ended. */
static int run_child(int32_t threads, int64_t step, long kill_after)
{
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		die_at = step;
		train(threads);
	}
	if (kill_after > 0) {
		struct timespec t = { .tv_nsec = kill_after * 1000 };
		(void)nanosleep(&t, NULL);
		(void)kill(child, SIGKILL);
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void assert_same_files(const char *a, const char *b)
{
	static char x[1 << 17], y[1 << 17];
	FILE *f = fopen(a, "rb"), *g = fopen(b, "rb");
	assert_true(f != NULL && g != NULL);
	size_t n = fread(x, 1, sizeof x, f), m = fread(y, 1, sizeof y, g);
	assert_true(fclose(f) == 0 && fclose(g) == 0);
	assert_true(n > 1000 && n < sizeof x);
	assert_int_equal(n, m);
	assert_memory_equal(x, y, n);
}

static void forget(void)
{
	(void)unlink(CHECKPOINT);
	(void)unlink(DONE);
}

static void the_same_bytes(void **state)
{
	(void)state;
	forget();
	assert_int_equal(run_child(1, -1, 0), 0);
	assert_int_equal(rename(DONE, WHOLE), 0);
	for (int32_t threads = 2; threads <= 4; threads++) {
		forget();
		assert_int_equal(run_child(threads, -1, 0), 0);
		assert_same_files(WHOLE, DONE);
	}
	uint32_t r = 12345;
	int killed = 0;
	for (int point = 0; point < 20; point++) {
		r = r * 1664525u + 1013904223u;
		forget();
		/* Half die after a given update, half at any moment: while decoding, computing or writing. */
		int status = point < 10 ? run_child(1 + point % 4, 1 + (int64_t)(r >> 8) % (STEPS - 1), 0)
					: run_child(1 + point % 4, -1, 1 + (long)(r >> 8) % 40000);
		killed += WIFSIGNALED(status);
		assert_int_equal(run_child(1 + (point + 1) % 4, -1, 0), 0);
		assert_same_files(WHOLE, DONE);
		assert_true(access(CHECKPOINT ".tmp", F_OK) != 0 && access(DONE ".tmp", F_OK) != 0);
	}
	assert_true(killed >= 10);
	print_message("%d of 20 runs were killed before their end\n", killed);
	forget();
	(void)unlink(WHOLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_same_bytes) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
