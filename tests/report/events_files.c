/* events_files.c - event files on disks that fail, in directories that are used again, and written by nnopt_fit:
 * killed, resumed, with a full disk. */
#include "report/decode.h"

#include "base/io.h"
#include "budget.h"
#include "context/context.h"

#include <errno.h>
#include <math.h>

#define ROOT TEST_TMP "/events_files"
#define DIRECTORY ROOT "/run"
#define CHECKPOINT TEST_TMP "/events_files.ckpt"

static budget memory;
static nnopt_context *ctx;
static nno_io io;
static int64_t space;        /* bytes that the disk still takes of event files; -1: any number */
static int shortest;         /* of every so many writes one takes half of what it is given; 0: none */
static const char *refusing; /* which call fails */
static int warnings, writes;

static int refuses(const char *call)
{
	if (refusing == NULL || strcmp(refusing, call) != 0)
		return 0;
	errno = EIO;
	return 1;
}

static int events_fd = -1; /* the last event file; the disk is only full for it */

static int io_open(const char *path, int flags, mode_t mode, void *user)
{
	int fd = refuses("open") ? -1 : nno_io_posix.open(path, flags, mode, user);
	bool is_events = strstr(path, "tfevents") != NULL;
	events_fd = is_events ? fd : events_fd == fd ? -1 : events_fd;
	return fd;
}
static int io_mkdir(const char *path, mode_t mode, void *user)
{
	return refuses("mkdir") ? -1 : nno_io_posix.mkdir(path, mode, user);
}
static int io_list(const char *path, bool follow, nno_entry_fn each, void *each_user, void *user)
{
	return refuses("list") ? -1 : nno_io_posix.list(path, follow, each, each_user, user);
}

static ssize_t io_write(int fd, const void *from, size_t n, void *user)
{
	if (fd != events_fd)
		return nno_io_posix.write(fd, from, n, user);
	size_t taken = shortest > 0 && ++writes % shortest == 0 && n > 1 ? n / 2 : n;
	if (space >= 0 && (int64_t)taken > space)
		taken = (size_t)space;
	if (taken == 0) {
		errno = ENOSPC;
		return -1;
	}
	ssize_t written = nno_io_posix.write(fd, from, taken, user);
	if (space >= 0 && written > 0)
		space -= written;
	return written;
}

static void count_warnings(nnopt_log_level level, const char *text, void *user)
{
	(void)user;
	warnings += level == NNOPT_LOG_WARNING && strstr(text, "No space left") != NULL;
}

static int setup(void **state)
{
	(void)state;
	nnopt_context_options o;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.threads = 1;
	o.alloc = budget_alloc;
	o.free = budget_free;
	o.alloc_user = &memory;
	o.log = count_warnings;
	assert_ok(nnopt_context_create(&ctx, &o));
	io = nno_io_posix;
	io.open = io_open;
	io.mkdir = io_mkdir;
	io.list = io_list;
	io.write = io_write;
	ctx->io = &io;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	nnopt_context_destroy(ctx);
	budget_came_back(&memory);
	(void)rmdir(ROOT);
	return 0;
}

static nnopt_events *open_events(int64_t buffer, double seconds)
{
	nnopt_events *e = NULL;
	nnopt_events_options o;
	assert_ok(nnopt_events_options_init(&o, sizeof o));
	o.buffer_bytes = buffer;
	o.flush_seconds = seconds;
	o.every_steps = 1;
	assert_ok(nnopt_events_create(&e, ctx, DIRECTORY, &o));
	return e;
}

/* Steps of the scalar `tag` in all files, in their order, as TensorBoard takes them: a START voids what has its step or
 * a later one, but for the first of a run. */
static int read_scalars(const char *tag, int64_t *steps, float *values, int room)
{
	char *paths[32];
	int files = list_files(DIRECTORY, paths, 32), count = 0, starts = 0;
	for (int i = 0; i < files; i++) {
		size_t n, at = 0;
		uint8_t *file = read_bytes(paths[i], &n);
		for (message m; (m = next_record(file, n, &at)).data != NULL;) {
			message value = field(field(m, 5, 0), 1, 0), number = field(value, 2, 0);
			int64_t step = integer(field(m, 2, 0));
			assert_true(real(field(m, 1, 0)) > 1.7e9);
			if (field(m, 7, 0).data != NULL && starts++ > 0) {
				int kept = 0;
				for (int k = 0; k < count; k++)
					if (steps[k] < step) {
						steps[kept] = steps[k];
						values[kept++] = values[k];
					}
				count = kept;
			}
			if (!is_text(field(value, 1, 0), tag))
				continue;
			assert_true(count < room && number.n == 4);
			steps[count] = step;
			memcpy(&values[count++], number.data, 4);
		}
		if (n > 0)
			free(file);
		free(paths[i]);
	}
	return count;
}

/* Writes of half, a disk that fills up in the middle of a record, and has room again: nothing is lost or torn. */
static void full_for_a_while(void **state)
{
	(void)state;
	enum { N = 200 };
	static int64_t steps[N];
	static float values[N];
	for (int64_t room = 1; room < 200; room += 13) {
		nnopt_events *e = open_events(4096, 0.0);
		shortest = 3;
		int failed = 0;
		for (int64_t i = 0; i < N; i++) {
			space = i == 50 ? room : i == 80 ? -1 : space;
			nnopt_status status = nnopt_events_scalar(e, "loss", (double)i, i);
			failed += status != NNOPT_OK;
			if (status != NNOPT_OK)
				assert_fails(NNOPT_ERROR_IO, "run/events.out.tfevents.", status);
		}
		assert_in_range(failed, 20, 30);
		assert_int_equal(nnopt_events_dropped(e), 0);
		nnopt_events_destroy(e);
		assert_int_equal(read_scalars("loss", steps, values, N), N);
		for (int i = 0; i < N; i++)
			assert_true(steps[i] == i && values[i] == (float)i);
		remove_directory(DIRECTORY);
	}
	shortest = 0;
}

/* What no longer fits into the buffer is dropped and counted, memory is bounded, and the file goes on when it can. */
static void full_for_long(void **state)
{
	(void)state;
	enum { N = 5000 };
	static int64_t steps[N];
	static float values[N];
	nnopt_events *e = open_events(2048, 1e9);
	assert_ok(nnopt_events_scalar(e, "loss", 0.0, 0));
	assert_ok(nnopt_events_flush(e));
	size_t live = atomic_load(&memory.live);
	space = 10;
	for (int64_t i = 1; i < N - 1; i++)
		(void)nnopt_events_scalar(e, "loss", (double)i, i);
	assert_int_equal(atomic_load(&memory.live), live);
	int64_t dropped = nnopt_events_dropped(e);
	assert_in_range(dropped, N - 2 - 2048 / 40, N - 2 - 2048 / 60);
	assert_fails(NNOPT_ERROR_IO, "No space left", nnopt_events_flush(e));
	space = -1;
	assert_ok(nnopt_events_scalar(e, "loss", 7.0, N));
	assert_int_equal(nnopt_events_dropped(e), dropped);
	nnopt_events_destroy(e);
	int count = read_scalars("loss", steps, values, N);
	assert_int_equal(count, N - dropped);
	for (int i = 0; i < count; i++)
		assert_int_equal(steps[i], i < count - 1 ? i : N);
	remove_directory(DIRECTORY);
}

/* A picture larger than the buffer gives its memory back. */
static void large_records(void **state)
{
	(void)state;
	nnopt_events *e = open_events(1024, 1e9);
	nnopt_tensor *t = NULL;
	size_t live = atomic_load(&memory.live);
	assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_U8, 3, (int64_t[]){ 3, 100, 100 }, NNOPT_NCHW));
	for (int i = 0; i < 30000; i++)
		((uint8_t *)nnopt_tensor_data(t))[i] = (uint8_t)(i * i >> 3);
	assert_ok(nnopt_events_image(e, "picture", t, 0, 1));
	nnopt_tensor_destroy(t);
	assert_int_equal(atomic_load(&memory.live), live);
	long calls = atomic_load(&memory.calls);
	for (int i = 0; i < 100; i++)
		assert_ok(nnopt_events_scalar(e, "loss", 1.0, i));
	assert_int_equal(atomic_load(&memory.calls), calls);
	nnopt_events_destroy(e);
	remove_directory(DIRECTORY);
}

static void directories_that_fail(void **state)
{
	(void)state;
	static const char *const calls[] = { "mkdir", "list", "open" };
	static const char *const words[] = { "cannot make the directory", "cannot list", "cannot create" };
	nnopt_events *e = NULL;
	char *paths[4];
	for (int i = 0; i < 3; i++) {
		refusing = calls[i];
		assert_fails(NNOPT_ERROR_IO, words[i], nnopt_events_create(&e, ctx, DIRECTORY, NULL));
		assert_null(e);
	}
	refusing = NULL;
	space = 5;
	assert_fails(NNOPT_ERROR_IO, "No space left", nnopt_events_create(&e, ctx, DIRECTORY, NULL));
	space = -1;
	assert_int_equal(list_files(DIRECTORY, paths, 4), 0);
	remove_directory(DIRECTORY);
}

/* Files are read in the order in which they were begun, many in one second and behind one from the future too. */
static void files_follow_each_other(void **state)
{
	(void)state;
	int64_t steps[24];
	float values[24];
	for (int64_t i = 0; i < 24; i++) {
		nnopt_events *e = open_events(1024, 1e9);
		assert_int_equal(nnopt_events_resumed(e), i > 0);
		assert_ok(nnopt_events_scalar(e, "loss", (double)i, i));
		nnopt_events_destroy(e);
		if (i == 11) {
			char *paths[12];
			assert_int_equal(list_files(DIRECTORY, paths, 12), 12);
			assert_int_equal(rename(paths[11], DIRECTORY "/events.out.tfevents.4000000000.host.7.0"), 0);
			for (int k = 0; k < 12; k++)
				free(paths[k]);
		}
	}
	assert_int_equal(read_scalars("loss", steps, values, 24), 24);
	for (int i = 0; i < 24; i++)
		assert_int_equal(steps[i], i);
	remove_directory(DIRECTORY);
}

/* Records of a value called `tag` in all files. */
static int count_values(const char *tag)
{
	char *paths[32];
	int files = list_files(DIRECTORY, paths, 32), count = 0;
	for (int i = 0; i < files; i++) {
		size_t n, at = 0;
		uint8_t *file = read_bytes(paths[i], &n);
		for (message m; (m = next_record(file, n, &at)).data != NULL;)
			count += is_text(field(field(field(m, 5, 0), 1, 0), 1, 0), tag);
		if (n > 0)
			free(file);
		free(paths[i]);
	}
	return count;
}

/* The disk is full when a session begins: its records wait, and it has begun; those that were dropped are tried again.
 */
static void full_when_a_session_begins(void **state)
{
	(void)state;
	static const char *const tags[] = { "_hparams_/experiment", "_hparams_/session_start_info",
					    "_hparams_/session_end_info" };
	for (int dropped = 0; dropped < 2; dropped++) {
		nnopt_events *e = open_events(1024, 0.0);
		assert_ok(nnopt_events_add_number(e, "lr", 0.1));
		assert_ok(nnopt_events_add_metric(e, "train/loss"));
		space = 0;
		for (int64_t i = 0; dropped && nnopt_events_dropped(e) == 0; i++)
			assert_fails(NNOPT_ERROR_IO, "No space left", nnopt_events_scalar(e, "loss", 1.0, i));
		assert_fails(NNOPT_ERROR_IO, "No space left", nnopt_events_begin_session(e, NULL));
		assert_int_equal(nnopt_events_dropped(e), 2 * dropped);
		if (dropped) {
			assert_fails(NNOPT_ERROR_STATE, "no session",
				     nnopt_events_end_session(e, NNOPT_SESSION_SUCCESS));
			space = -1;
			assert_ok(nnopt_events_begin_session(e, NULL));
		}
		space = -1;
		assert_fails(NNOPT_ERROR_STATE, "has begun", nnopt_events_begin_session(e, NULL));
		assert_ok(nnopt_events_end_session(e, NNOPT_SESSION_SUCCESS));
		nnopt_events_destroy(e);
		for (size_t t = 0; t < sizeof tags / sizeof *tags; t++)
			assert_int_equal(count_values(tags[t]), 1);
		remove_directory(DIRECTORY);
	}
}

/* The disk is full at the first call of a run that goes on, and at the end of an epoch: nothing that fits is lost. */
static void full_when_a_run_goes_on(void **state)
{
	(void)state;
	nnopt_progress p = { .struct_size = sizeof p, .updated = 1 };
	nnopt_model *net = NULL;
	nnopt_events *e = open_events(65536, 0.0);
	nnopt_events_options o;
	int64_t steps[16];
	float values[16];
	for (p.step = 1; p.step <= 6; p.step++) {
		p.batch_loss = (double)p.step;
		assert_ok(nnopt_events_on_batch(&p, e));
	}
	nnopt_events_destroy(e);
	assert_ok(nnopt_model_create(&net, ctx));
	assert_ok(nnopt_add_linear(net, 3, NULL));
	assert_ok(nnopt_model_build(net, 1, (int64_t[]){ 4 }));
	assert_ok(nnopt_events_options_init(&o, sizeof o));
	o.flush_seconds = 0.0;
	o.every_steps = o.histograms = 1;
	assert_ok(nnopt_events_create(&e, ctx, DIRECTORY, &o));
	for (p.step = 4; p.step <= 5; p.step++) { /* 4 is the first that is not in the checkpoint */
		p.batch_loss = 10.0 * (double)p.step;
		space = p.step == 4 ? 0 : -1;
		assert_ok(nnopt_events_on_batch(&p, e));
	}
	space = 0;
	p.model = net;
	assert_ok(nnopt_events_on_epoch(&p, e));
	space = -1;
	assert_int_equal(nnopt_events_dropped(e), 0);
	nnopt_events_destroy(e);
	nnopt_model_destroy(net);
	assert_int_equal(read_scalars("step/loss", steps, values, 16), 5);
	for (int i = 0; i < 5; i++)
		assert_true(steps[i] == i + 1 && values[i] == (float)(i < 3 ? i + 1 : 10 * (i + 1)));
	assert_int_equal(read_scalars("train/loss", steps, values, 16), 1);
	assert_int_equal(count_values("parameters/linear1.weight"), 1);
	assert_int_equal(count_values("parameters/linear1.bias"), 1);
	remove_directory(DIRECTORY);
}

/* --- by nnopt_fit --- */

typedef struct bench {
	nnopt_dataset *data;
	nnopt_loader *loader;
	nnopt_model *net;
	nnopt_loss *loss;
	nnopt_optimizer *adam;
	nnopt_callbacks *callbacks;
} bench;

static int64_t dies_at; /* step after which a run dies; 0: never */

static nnopt_status die(const nnopt_progress *p, void *user)
{
	(void)user;
	return p->updated && p->step == dies_at ? nnopt_fail(NNOPT_ERROR_CANCELLED, "killed") : NNOPT_OK;
}

/* Its own model and optimizer, the same each time; 6 updates an epoch, 3 epochs, a checkpoint every 4 updates. */
static nnopt_status train(nnopt_events *e, int64_t accumulate, int32_t resume)
{
	bench b = { NULL };
	nnopt_fit_options o;
	nnopt_loader_options l;
	nnopt_tensor *images = NULL, *labels = NULL;
	int64_t n = 24 * accumulate;
	assert_ok(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (int64_t[]){ n, 1, 4, 4 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&labels, ctx, NNOPT_I64, 1, &n, NNOPT_NCHW));
	for (int64_t i = 0; i < n; i++)
		((int64_t *)nnopt_tensor_data(labels))[i] = i % 3;
	for (int64_t i = 0; i < n * 16; i++)
		((uint8_t *)nnopt_tensor_data(images))[i] = (uint8_t)(i * i * 37 >> 4);
	assert_ok(nnopt_dataset_from_tensors(&b.data, ctx, images, labels));
	assert_ok(nnopt_loader_options_init(&l, sizeof l));
	l.batch = 4;
	l.workers = 0;
	l.shuffle = 1;
	assert_ok(nnopt_loader_create(&b.loader, b.data, NULL, &l));
	assert_ok(nnopt_model_create(&b.net, ctx));
	assert_ok(nnopt_add_flatten(b.net));
	assert_ok(nnopt_add_linear(b.net, 3, NULL));
	assert_ok(nnopt_cross_entropy_create(&b.loss, ctx, NULL));
	assert_ok(nnopt_adam_create(&b.adam, ctx, NULL));
	assert_ok(nnopt_callbacks_create(&b.callbacks, ctx));
	assert_ok(nnopt_callbacks_add(b.callbacks, nnopt_events_on_batch, nnopt_events_on_epoch, e));
	assert_ok(nnopt_callbacks_add(b.callbacks, die, NULL, NULL));
	assert_ok(nnopt_fit_options_init(&o, sizeof o));
	o.epochs = 3;
	o.accumulate = accumulate;
	o.validation = b.loader;
	o.checkpoint_path = CHECKPOINT;
	o.checkpoint_steps = 4;
	o.resume = resume;
	o.on_batch = nnopt_callbacks_on_batch;
	o.on_epoch = nnopt_callbacks_on_epoch;
	o.progress_user = b.callbacks;
	nnopt_status status = nnopt_fit(b.net, b.loader, b.loss, b.adam, &o, NULL);
	nnopt_callbacks_destroy(b.callbacks);
	nnopt_optimizer_destroy(b.adam);
	nnopt_loss_destroy(b.loss);
	nnopt_model_destroy(b.net);
	nnopt_loader_destroy(b.loader);
	nnopt_dataset_destroy(b.data);
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
	return status;
}

/* Killed at any step and resumed, a run's curves are those of one that was never interrupted, with no step twice. */
static void killed_and_resumed(void **state)
{
	(void)state;
	static const char *const tags[] = { "step/loss",  "step/gradient_norm", "step/learning_rate",
					    "train/loss", "validation/loss",    "validation/accuracy" };
	enum { TAGS = 6, STEPS = 18 };
	for (int64_t accumulate = 1; accumulate <= 2; accumulate++) {
		float whole[TAGS][32], got[32];
		int64_t steps[TAGS][32], seen[32];
		nnopt_events *e = open_events(65536, 1e9);
		dies_at = 0;
		assert_ok(train(e, accumulate, 0));
		nnopt_events_destroy(e);
		for (int t = 0; t < TAGS; t++) {
			assert_int_equal(read_scalars(tags[t], steps[t], whole[t], 32), t < 3 ? STEPS : 3);
			for (int i = 0; i < (t < 3 ? STEPS : 3); i++)
				assert_int_equal(steps[t][i], t < 3 ? i + 1 : 6 * (i + 1));
		}
		for (int64_t at = 1; at < STEPS; at++) {
			remove_directory(DIRECTORY);
			(void)remove(CHECKPOINT);
			for (int part = 0; part < 2; part++) {
				dies_at = part == 0 ? at : 0;
				e = open_events(65536, 1e9);
				nnopt_status status = train(e, accumulate, 1);
				assert_int_equal(status, part == 0 ? NNOPT_ERROR_CALLBACK : NNOPT_OK);
				nnopt_events_destroy(e);
			}
			for (int t = 0; t < TAGS; t++) {
				int n = t < 3 ? STEPS : 3, count = read_scalars(tags[t], seen, got, 32);
				/* Killed after a checkpoint at the last step of an epoch (12), the epoch is told
				 * again, and that step is not. */
				bool lost = t < 3 && at > 12 && at <= 16;
				assert_int_equal(count, n - lost);
				for (int i = 0, k = 0; i < n; i++) {
					if (lost && steps[t][i] == 12)
						continue;
					assert_true(seen[k] == steps[t][i] && got[k] == whole[t][i]);
					k++;
				}
			}
		}
		remove_directory(DIRECTORY);
		(void)remove(CHECKPOINT);
	}
}

/* A full disk does not end a training, unless it was asked to. */
static void training_on_a_full_disk(void **state)
{
	(void)state;
	for (int32_t stop = 0; stop < 2; stop++) {
		nnopt_events *e = NULL;
		nnopt_events_options o;
		assert_ok(nnopt_events_options_init(&o, sizeof o));
		o.buffer_bytes = 1024;
		o.every_steps = 1;
		o.stop_on_error = stop;
		assert_ok(nnopt_events_create(&e, ctx, DIRECTORY, &o));
		warnings = 0;
		(void)remove(CHECKPOINT);
		dies_at = 0;
		space = 3000;
		(void)nnopt_fail(NNOPT_ERROR_STATE, "");
		nnopt_status status = train(e, 1, 0);
		space = -1;
		if (stop)
			assert_fails(NNOPT_ERROR_CALLBACK, "No space left", status);
		else
			assert_ok(status);
		assert_int_equal(warnings, !stop);
		nnopt_events_destroy(e);
		remove_directory(DIRECTORY);
		(void)remove(CHECKPOINT);
	}
}

int main(void)
{
	space = -1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_for_a_while),        cmocka_unit_test(full_for_long),
		cmocka_unit_test(large_records),           cmocka_unit_test(directories_that_fail),
		cmocka_unit_test(files_follow_each_other), cmocka_unit_test(killed_and_resumed),
		cmocka_unit_test(training_on_a_full_disk), cmocka_unit_test(full_when_a_session_begins),
		cmocka_unit_test(full_when_a_run_goes_on),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
