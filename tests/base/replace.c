/* replace.c - what a path holds while files are saved to it: by two writers at once, over links, over what is no file,
 * in folders that cannot be read, where the file system lacks a call. */
#include "check.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIR TEST_TMP "/base_replace"
#define PATH DIR "/file"
#define TEMPORARY PATH ".tmp"

static nno_io io; /* the system's, but for what a test refuses */
static int allocations;
static int (*real_open)(const char *, int, mode_t, void *);

static int setup(void **state)
{
	(void)state;
	io = nno_io_posix;
	(void)mkdir(DIR, 0700);
	return 0;
}

static int teardown(void **state)
{
	static const char *const all[] = { PATH, TEMPORARY, DIR "/link", DIR "/other", DIR "/deep/file", DIR "/deep" };
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		(void)remove(all[i]);
	return rmdir(DIR);
}

static nno_replace *begin(const char *path)
{
	nno_replace *r = NULL;
	assert_ok(nno_replace_begin(&r, &io, &nno_alloc_default, path, 4));
	return r;
}

static nnopt_status save(const char *path, const char *text)
{
	return nno_replace_with(&io, &nno_alloc_default, path, text, strlen(text));
}

/* The file is `text`, and no temporary one lies about. */
static void assert_holds(const char *path, const char *text)
{
	char got[64] = "";
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		fail_msg("%s is not there", path);
	got[fread(got, 1, sizeof got - 1, f)] = '\0';
	assert_int_equal(fclose(f), 0);
	assert_string_equal(got, text);
	assert_int_equal(access(TEMPORARY, F_OK), -1);
}

static mode_t mode_of(const char *path)
{
	struct stat s;
	assert_int_equal(lstat(path, &s), 0);
	return s.st_mode;
}

static void a_second_writer_is_refused(void **state)
{
	(void)state;
	assert_ok(save(PATH, "old"));
	nno_replace *first = begin(PATH), *second = NULL;
	assert_ok(nno_replace_write(first, "fir", 3));
	assert_fails(NNOPT_ERROR_IO, TEMPORARY ": another writer",
		     nno_replace_begin(&second, &io, &nno_alloc_default, PATH, 4));
	assert_ok(nno_replace_write(first, "st", 2));
	assert_ok(nno_replace_commit(first));
	assert_holds(PATH, "first");
	assert_ok(save(PATH, "second"));
	assert_holds(PATH, "second");
}

static int cannot_lock(int fd, void *user)
{
	(void)fd, (void)user;
	errno = ENOLCK;
	return -1;
}

/* Where files cannot be locked the second writer takes the name, and the first one fails and leaves all as it is. */
static void without_locks_the_last_writer_wins(void **state)
{
	(void)state;
	assert_ok(save(PATH, "old"));
	io.flock = cannot_lock;
	nno_replace *first = begin(PATH);
	assert_ok(nno_replace_write(first, "first", 5));
	nno_replace *second = begin(PATH);
	assert_ok(nno_replace_write(second, "sec", 3));
	assert_fails(NNOPT_ERROR_IO, TEMPORARY ": cannot find", nno_replace_commit(first));
	assert_int_equal(access(TEMPORARY, F_OK), 0);
	assert_ok(nno_replace_write(second, "ond", 3));
	assert_ok(nno_replace_commit(second));
	assert_holds(PATH, "second");
	first = begin(PATH);
	second = begin(PATH);
	nno_replace_abort(first);
	assert_ok(nno_replace_write(second, "third", 5));
	assert_ok(nno_replace_commit(second));
	assert_holds(PATH, "third");
}

static void what_the_dead_left_is_removed(void **state)
{
	(void)state;
	FILE *f = fopen(TEMPORARY, "wb");
	assert_true(f != NULL && fputs("more than what is written", f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_ok(save(PATH, "new"));
	assert_holds(PATH, "new");
	assert_int_equal(symlink("file", TEMPORARY), 0);
	assert_ok(save(PATH, "newer"));
	assert_holds(PATH, "newer");
	assert_int_equal(mkfifo(TEMPORARY, 0600), 0);
	assert_ok(save(PATH, "newest"));
	assert_holds(PATH, "newest");
	assert_int_equal(mkdir(TEMPORARY, 0700), 0);
	assert_fails(NNOPT_ERROR_IO, TEMPORARY ": cannot create", save(PATH, "none"));
	assert_int_equal(rmdir(TEMPORARY), 0);
	assert_holds(PATH, "newest");
}

static void only_files_are_replaced(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(PATH, 0600), 0);
	assert_fails(NNOPT_ERROR_IO, PATH ": not a regular file", save(PATH, "new"));
	assert_true(S_ISFIFO(mode_of(PATH)));
	assert_int_equal(unlink(PATH), 0);
	assert_int_equal(mkdir(PATH, 0700), 0);
	assert_fails(NNOPT_ERROR_IO, PATH ": not a regular file", save(PATH, "new"));
	assert_int_equal(rmdir(PATH), 0);
	assert_int_equal(mkfifo(DIR "/other", 0600), 0);
	assert_int_equal(symlink("other", PATH), 0);
	assert_fails(NNOPT_ERROR_IO, DIR "/other: not a regular file", save(PATH, "new"));
	assert_int_equal(access(TEMPORARY, F_OK), -1);
}

/* Of one link after another, relative to where each lies; also to a file that is not there yet. */
static void links_stay(void **state)
{
	(void)state;
	assert_int_equal(mkdir(DIR "/deep", 0700), 0);
	assert_int_equal(symlink("deep/file", DIR "/link"), 0);
	assert_int_equal(symlink(DIR "/link", DIR "/other"), 0);
	for (int round = 0; round < 2; round++) {
		assert_ok(save(DIR "/other", round == 0 ? "made" : "replaced"));
		assert_true(S_ISLNK(mode_of(DIR "/other")) && S_ISLNK(mode_of(DIR "/link")));
		assert_true(S_ISREG(mode_of(DIR "/deep/file")));
		assert_holds(DIR "/other", round == 0 ? "made" : "replaced");
	}
	assert_int_equal(symlink("file", PATH), 0);
	assert_fails(NNOPT_ERROR_IO, PATH, save(PATH, "new"));
}

static void the_mode_is_the_old_one(void **state)
{
	static const mode_t modes[] = { 0666, 0660, 0640, 0600, 0444 };
	(void)state;
	mode_t mask = umask(027);
	assert_ok(save(PATH, "new"));
	assert_int_equal(mode_of(PATH) & 07777, 0640);
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		assert_int_equal(chmod(PATH, modes[i]), 0);
		assert_ok(save(PATH, "again"));
		assert_int_equal(mode_of(PATH) & 07777, modes[i]);
	}
	(void)umask(mask);
	assert_holds(PATH, "again");
}

static int interrupted(int fd, int64_t size, void *user)
{
	(void)fd, (void)size, (void)user;
	if (++allocations > 1000)
		fail_msg("asked for its space again and again");
	return EINTR;
}

/* As on a file system in memory under a timer faster than it reserves. */
static void interruptions_come_to_an_end(void **state)
{
	(void)state;
	io.allocate = interrupted;
	assert_ok(save(PATH, "new"));
	assert_holds(PATH, "new");
}

static int refused;

static int open_no_directory(const char *path, int flags, mode_t mode, void *user)
{
	if ((flags & O_DIRECTORY) == 0)
		return real_open(path, flags, mode, user);
	errno = refused;
	refused = refused == EINTR ? EACCES : refused;
	return -1;
}

static void directories_that_cannot_be_read(void **state)
{
	static const int fine[] = { EACCES, EPERM, EINTR };
	(void)state;
	assert_ok(save(PATH, "old"));
	real_open = io.open;
	io.open = open_no_directory;
	for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
		refused = fine[i];
		assert_ok(save(PATH, "new"));
		assert_holds(PATH, "new");
	}
	refused = EMFILE;
	assert_fails(NNOPT_ERROR_IO, DIR ": cannot open", save(PATH, "newer"));
	assert_holds(PATH, "new");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_second_writer_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(without_locks_the_last_writer_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_dead_left_is_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(only_files_are_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(links_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(the_mode_is_the_old_one, setup, teardown),
		cmocka_unit_test_setup_teardown(interruptions_come_to_an_end, setup, teardown),
		cmocka_unit_test_setup_teardown(directories_that_cannot_be_read, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
