/* io.c - every system call of saving and loading fails in turn: an error that names the file, the old file as it was,
 * no temporary file left, and the objects usable. */
#include "check.h"

#include "base/io.h"
#include "context/context.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define PATH TEST_TMP "/io.file"

static long calls, fail_at;
static int error_given;

static int fails(void)
{
	if (++calls != fail_at)
		return 0;
	errno = error_given;
	return 1;
}

static int io_open(const char *path, int flags, mode_t mode, void *user)
{
	return fails() ? -1 : nno_io_posix.open(path, flags, mode, user);
}
static ssize_t io_pread(int fd, void *to, size_t n, int64_t at, void *user)
{
	return fails() ? -1 : nno_io_posix.pread(fd, to, n, at, user);
}
static int io_fstat(int fd, struct stat *out, void *user) { return fails() ? -1 : nno_io_posix.fstat(fd, out, user); }
static int io_lstat(const char *path, struct stat *out, void *user)
{
	return fails() ? -1 : nno_io_posix.lstat(path, out, user);
}
static int io_fchmod(int fd, mode_t mode, void *user) { return fails() ? -1 : nno_io_posix.fchmod(fd, mode, user); }
static int io_flock(int fd, void *user) { return fails() ? -1 : nno_io_posix.flock(fd, user); }
static int io_allocate(int fd, int64_t size, void *user)
{
	return fails() ? error_given : nno_io_posix.allocate(fd, size, user);
}
static int io_sync(int fd, void *user) { return fails() ? -1 : nno_io_posix.sync(fd, user); }
static int io_rename(const char *from, const char *to, void *user)
{
	return fails() ? -1 : nno_io_posix.rename(from, to, user);
}

/* Half of what was asked for is written, now and then. */
static ssize_t io_write(int fd, const void *from, size_t n, void *user)
{
	return fails() ? -1 : nno_io_posix.write(fd, from, n > 1 && calls % 3 == 0 ? n / 2 : n, user);
}

static int io_close(int fd, void *user)
{
	int failing = fails(), result = nno_io_posix.close(fd, user);
	if (failing)
		errno = error_given;
	return failing ? -1 : result;
}

static nno_io io;
static nnopt_context *ctx;
static nnopt_model *net;

static int setup(void **state)
{
	(void)state;
	assert_ok(nnopt_context_create(&ctx, NULL));
	io = nno_io_posix;
	io.open = io_open;
	io.pread = io_pread;
	io.fstat = io_fstat;
	io.lstat = io_lstat;
	io.fchmod = io_fchmod;
	io.flock = io_flock;
	io.allocate = io_allocate;
	io.sync = io_sync;
	io.rename = io_rename;
	io.write = io_write;
	io.close = io_close;
	ctx->io = &io;
	assert_ok(nnopt_model_create(&net, ctx));
	assert_ok(nnopt_add_conv2d(net, 4, 3, NULL));
	assert_ok(nnopt_model_build(net, 3, (int64_t[]){ 3, 8, 8 }));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	nnopt_model_destroy(net);
	nnopt_context_destroy(ctx);
	(void)unlink(PATH);
	return 0;
}

static nnopt_status save_model(void) { return nnopt_model_save(net, PATH); }

static nnopt_status save_array(void)
{
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_F32, 1, (int64_t[]){ 100 }, NNOPT_NCHW));
	nnopt_status s = nnopt_tensor_save_npy(t, PATH);
	nnopt_tensor_destroy(t);
	return s;
}

static nnopt_status save_picture(void)
{
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_U8, 4, (int64_t[]){ 1, 3, 9, 9 }, NNOPT_NCHW));
	nnopt_status s = nnopt_image_write_png(t, PATH);
	nnopt_tensor_destroy(t);
	return s;
}

static nnopt_status save_report(void)
{
	nnopt_report *r = NULL;
	assert_ok(nnopt_report_create(&r, ctx, NULL));
	assert_ok(nnopt_report_add_text(r, NULL, "text"));
	nnopt_status s = nnopt_report_write(r, PATH);
	nnopt_report_destroy(r);
	return s;
}

static nnopt_status load_model(void)
{
	nnopt_model *m = NULL;
	nnopt_status s = nnopt_model_load(&m, ctx, PATH);
	assert_int_equal(s == NNOPT_OK, m != NULL);
	nnopt_model_destroy(m);
	return s;
}

static size_t read_file(char *to, size_t room)
{
	FILE *f = fopen(PATH, "rb");
	size_t n = f != NULL ? fread(to, 1, room, f) : 0;
	if (f != NULL)
		fclose(f);
	return n;
}

static void run(nnopt_status (*scenario)(void), const char *name, int writes)
{
	static char before[65536], whole[65536], after[65536];
	static const int errors[] = { EIO, ENOSPC, EACCES };
	fail_at = 0;
	assert_ok(save_model());
	size_t n = read_file(before, sizeof before);
	calls = 0;
	assert_ok(scenario());
	size_t n_whole = read_file(whole, sizeof whole);
	assert_ok(save_model());
	for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
		assert_ok(save_model());
		for (long at = 1;; at++) {
			error_given = errors[e];
			calls = 0;
			fail_at = at;
			nnopt_status s = scenario();
			long made = calls;
			fail_at = 0;
			if (access(PATH ".tmp", F_OK) == 0)
				fail_msg("%s: call %ld failed: a temporary file is left", name, at);
			if (made < at) {
				assert_ok(s);
				print_message("%s: each of %ld calls failed in turn\n", name, at - 1);
				break;
			}
			/* What was only read or is synchronised may close badly, what cannot be locked or told from a
			 * dead writer's is made again: all is written. */
			size_t m = read_file(after, sizeof after);
			if (s == NNOPT_OK) {
				if (writes && (m != n_whole || memcmp(whole, after, m) != 0))
					fail_msg("%s: call %ld failed: the new file is not whole", name, at);
			} else if (s != NNOPT_ERROR_IO || strstr(nnopt_last_error(), TEST_TMP) == NULL)
				fail_msg("%s: call %ld failed: %s (\"%s\")", name, at, nnopt_status_name(s),
					 nnopt_last_error());
			/* Past the renaming the new file is there, and only its durability is in doubt. */
			if (s != NNOPT_OK && writes && strstr(nnopt_last_error(), "durable") == NULL &&
			    (m != n || memcmp(before, after, n) != 0))
				fail_msg("%s: call %ld failed: the old file is not as it was", name, at);
			assert_ok(save_model());
		}
	}
}

static void every_call_fails_in_turn(void **state)
{
	(void)state;
	run(save_model, "saving a model", 1);
	run(save_array, "saving an array", 1);
	run(save_picture, "saving a picture", 1);
	run(save_report, "saving a report", 1);
	run(load_model, "loading a model", 0);
}

/* Interrupted calls are made again. */
static void interrupted_calls_go_on(void **state)
{
	(void)state;
	error_given = EINTR;
	for (long at = 1; at < 40; at++) {
		calls = 0;
		fail_at = at;
		nnopt_status s = save_model();
		if (s == NNOPT_OK)
			s = load_model();
		fail_at = 0;
		if (s != NNOPT_OK && strstr(nnopt_last_error(), "nterrupted") == NULL)
			fail_msg("call %ld interrupted: %s", at, nnopt_last_error());
		assert_ok(save_model());
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_call_fails_in_turn),
					    cmocka_unit_test(interrupted_calls_go_on) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
