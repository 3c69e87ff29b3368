/* io.h - the table through which all file I/O goes, so that any call can be made to fail in a test. Also the two ways
 * in which the library uses files: reading one whole or in parts, and replacing one atomically. */
#ifndef NNO_BASE_IO_H
#define NNO_BASE_IO_H

#include "base/alloc.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* An entry of a directory. */
typedef enum nno_entry_kind { NNO_ENTRY_FILE, NNO_ENTRY_DIRECTORY, NNO_ENTRY_OTHER } nno_entry_kind;
typedef int (*nno_entry_fn)(const char *name, nno_entry_kind kind, void *user);

/* Functions return what the system call of that name returns and set errno; EINTR reaches the caller. */
typedef struct nno_io {
	int (*open)(const char *path, int flags, mode_t mode, void *user);
	ssize_t (*pread)(int fd, void *dst, size_t n, int64_t offset, void *user);
	ssize_t (*write)(int fd, const void *src, size_t n, void *user);
	int (*fstat)(int fd, struct stat *out, void *user);
	int (*lstat)(const char *path, struct stat *out, void *user);
	ssize_t (*readlink)(const char *path, char *dst, size_t n, void *user);
	int (*fchmod)(int fd, mode_t mode, void *user);
	int (*flock)(int fd, void *user);                  /* LOCK_EX | LOCK_NB */
	int (*allocate)(int fd, int64_t size, void *user); /* posix_fallocate: returns the error number */
	int (*sync)(int fd, void *user);
	int (*close)(int fd, void *user);
	int (*rename)(const char *from, const char *to, void *user);
	int (*unlink)(const char *path, void *user);
	int (*mkdir)(const char *path, mode_t mode, void *user);
	/* Calls `each` for every entry but "." and ".." until it returns other than 0, which is then returned; -1 on
	 * failure. */
	int (*list)(const char *path, bool follow_links, nno_entry_fn each, void *each_user, void *user);
	void *user;
} nno_io;

extern const nno_io nno_io_posix;

/* The failure of a system call on `path`: NOT_FOUND for ENOENT and ENOTDIR, else IO. */
nnopt_status nno_fail_errno(const char *path, const char *action, int error);

/* Makes a directory that is not there, and its parents. Something else of that name is seen when it is used. */
nnopt_status nno_make_directory(const nno_io *io, const nno_alloc *alloc, const char *path);

/* An open file for reading. Descriptors are close-on-exec and >= 3. Only regular files open. */
typedef struct nno_file {
	const nno_io *io;
	int fd;
	int64_t size;
	const char *path; /* borrowed: the caller keeps it alive */
} nno_file;

/* Errors: NOT_FOUND (ENOENT, ENOTDIR), IO; the text names the path. */
nnopt_status nno_file_open(nno_file *file, const nno_io *io, const char *path);
/* Exactly `n` bytes at `offset`; past the end is FORMAT, naming path and offset. Thread-safe. */
nnopt_status nno_file_read(const nno_file *file, void *dst, size_t n, int64_t offset);
void nno_file_close(nno_file *file);
/* The whole file, at most `limit` bytes (more is FORMAT), with a NUL after it. Free with nno_delete. */
nnopt_status nno_file_read_all(const nno_io *io, const nno_alloc *alloc, const char *path, size_t limit, char **data,
			       size_t *size);

/* All `n` bytes to a file open for writing; `done` gets how many were written, also on failure. */
nnopt_status nno_write_all(const nno_io *io, int fd, const char *path, const void *data, size_t n, size_t *done);

/* Replaces `path` atomically and durably: begin, write any number of times, then commit or abort exactly once.
 * "<path>.tmp" (O_EXCL, locked until it is renamed), fallocate, write, mode of the old file (0666 & ~umask where there
 * is none), fsync, rename, fsync of the directory.
 * A symbolic link stays: the file it leads to is replaced, or made, and <path> stands for that one's. What is there and
 * no regular file is an IO error, and stays.
 * Of two writers of one path at once the second fails in begin (IO). A temporary that nobody has locked, or that cannot
 * be opened, is a dead writer's and is removed. Where files cannot be locked the second takes the name over, and the
 * first fails in commit, unless that happens in the very moment of its renaming.
 * On any failure the old file is untouched and the temporary one is removed, but for one: where the fsync of the
 * directory fails ("cannot make the new name durable", IO) the new file is in place, complete and on stable storage,
 * and a crash of the system may bring the old one back. A directory that may not be read is not synchronised, and that
 * is no failure. */
typedef struct nno_replace nno_replace;
nnopt_status nno_replace_begin(nno_replace **out, const nno_io *io, const nno_alloc *alloc, const char *path,
			       int64_t expected_size);
nnopt_status nno_replace_write(nno_replace *r, const void *data, size_t n);
nnopt_status nno_replace_commit(nno_replace *r);
void nno_replace_abort(nno_replace *r);
/* All of it at once: `path` is replaced by `n` bytes. */
nnopt_status nno_replace_with(const nno_io *io, const nno_alloc *alloc, const char *path, const void *data, size_t n);

#endif
