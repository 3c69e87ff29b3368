/* replace.c - replacing a file so that its path holds the old or the new complete one at every moment. */
#include "base/io.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LINK_BYTES 4096 /* of a link's text */
#define MAX_LINKS 40    /* one after another, as Linux has it */
#define MAX_ATTEMPTS 8

struct nno_replace {
	const nno_io *io;
	const nno_alloc *alloc;
	int fd, directory_fd; /* -1: not open */
	bool has_old;         /* then `mode` is that of the old file */
	mode_t mode;
	char *path; /* of the file, "<path>.tmp" and the directory: one allocation */
	char *temporary;
	char *directory;
};

/* What file systems answer to a call that they do not have. */
static bool is_lacking(int error) { return error == EOPNOTSUPP || error == EINVAL || error == ENOSYS; }

/* Follows `path` along links to the file that is to be replaced, or made where they lead to nothing. */
static nnopt_status find_target(nno_replace *r, nno_text *path)
{
	char link[LINK_BYTES];
	struct stat s;
	for (int links = 0; links <= MAX_LINKS; links++) {
		NNO_TRY(nno_text_check(path, "the path of a file to write"));
		if (r->io->lstat(path->data, &s, r->io->user) != 0)
			return errno == ENOENT ? NNOPT_OK : nno_fail_errno(path->data, "cannot write", errno);
		if (S_ISREG(s.st_mode)) {
			r->has_old = true;
			r->mode = s.st_mode & 0777;
			return NNOPT_OK;
		}
		if (!S_ISLNK(s.st_mode))
			return nno_fail(NNOPT_ERROR_IO, "%s: not a regular file", path->data);
		ssize_t n = r->io->readlink(path->data, link, sizeof link, r->io->user);
		if (n < 0 || n == (ssize_t)sizeof link)
			return nno_fail_errno(path->data, "cannot follow the link", n < 0 ? errno : ENAMETOOLONG);
		const char *slash = strrchr(path->data, '/');
		path->length = link[0] == '/' || slash == NULL ? 0 : (size_t)(slash + 1 - path->data);
		nno_text_add_n(path, link, (size_t)n);
	}
	return nno_fail_errno(path->data, "cannot follow the link", ELOOP);
}

static nnopt_status name_files(nno_replace *r, const char *path)
{
	size_t n = strlen(path);
	r->path = nno_new(r->alloc, 3 * (n + 16));
	if (r->path == NULL)
		return nno_fail_memory(path, 3 * (n + 16));
	r->temporary = r->path + n + 16;
	r->directory = r->temporary + n + 16;
	memcpy(r->path, path, n);
	memcpy(r->temporary, path, n);
	memcpy(r->temporary + n, ".tmp", 4);
	const char *slash = strrchr(path, '/');
	if (slash == NULL)
		r->directory[0] = '.';
	else
		memcpy(r->directory, path, slash == path ? 1 : (size_t)(slash - path));
	return NNOPT_OK;
}

/* Whether another writer has locked the file; what cannot be locked is nobody's. */
static bool is_held(const nno_replace *r, int fd) { return r->io->flock(fd, r->io->user) != 0 && errno == EWOULDBLOCK; }

/* Whether `fd` is what the temporary name leads to; errno says why not. Files are removed and renamed under their locks
 * alone, so for the writer who holds the lock the answer stays the same. */
static bool is_named(const nno_replace *r, int fd)
{
	struct stat file, name;
	if (r->io->fstat(fd, &file, r->io->user) != 0 || r->io->lstat(r->temporary, &name, r->io->user) != 0)
		return false;
	errno = ESTALE;
	return file.st_dev == name.st_dev && file.st_ino == name.st_ino;
}

/* What has the temporary name and cannot be opened for writing (a link, a FIFO) is taken for a dead writer's. */
static nnopt_status remove_dead(const nno_replace *r)
{
	const nno_io *io = r->io;
	int fd = io->open(r->temporary, O_WRONLY | O_NONBLOCK | O_NOFOLLOW, 0, io->user);
	if (fd < 0) {
		if (errno != ENOENT && errno != EINTR)
			io->unlink(r->temporary, io->user);
		return NNOPT_OK;
	}
	bool held = is_held(r, fd);
	if (!held && is_named(r, fd))
		io->unlink(r->temporary, io->user);
	io->close(fd, io->user);
	return held ? nno_fail(NNOPT_ERROR_IO, "%s: another writer is at work on it", r->temporary) : NNOPT_OK;
}

static nnopt_status open_temporary(nno_replace *r)
{
	const nno_io *io = r->io;
	int error = 0;
	for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
		int fd = io->open(r->temporary, O_WRONLY | O_CREAT | O_EXCL, r->has_old ? r->mode | S_IWUSR : 0666,
				  io->user);
		error = fd < 0 ? errno : EBUSY;
		if (fd >= 0 && !is_held(r, fd) && is_named(r, fd)) {
			r->fd = fd;
			return NNOPT_OK;
		}
		if (fd >= 0) /* before it was locked another writer took it for a dead one's */
			io->close(fd, io->user);
		else if (error == EEXIST)
			NNO_TRY(remove_dead(r));
		else if (error != EINTR)
			break;
	}
	return nno_fail_errno(r->temporary, "cannot create", error);
}

/* Some file systems cannot reserve, and one in memory gives up at every signal: writing will tell then. */
static nnopt_status reserve(nno_replace *r, int64_t size)
{
	int error = size > 0 ? EINTR : 0;
	for (int attempt = 0; attempt < MAX_ATTEMPTS && error == EINTR; attempt++)
		error = r->io->allocate(r->fd, size, r->io->user);
	if (error != 0 && error != EINTR && !is_lacking(error))
		return nno_fail_errno(r->path, "cannot reserve its space", error);
	return NNOPT_OK;
}

/* Before anything is replaced, so that what fails here fails in time. A directory may allow writing and no reading. */
static nnopt_status open_directory(nno_replace *r)
{
	do
		r->directory_fd = r->io->open(r->directory, O_RDONLY | O_DIRECTORY, 0, r->io->user);
	while (r->directory_fd < 0 && errno == EINTR);
	if (r->directory_fd < 0 && errno != EACCES && errno != EPERM)
		return nno_fail_errno(r->directory, "cannot open", errno);
	return NNOPT_OK;
}

nnopt_status nno_replace_begin(nno_replace **out, const nno_io *io, const nno_alloc *alloc, const char *path,
			       int64_t expected_size)
{
	nno_replace *r = nno_new(alloc, sizeof *r);
	if (r == NULL)
		return nno_fail_memory(path, sizeof *r);
	*r = (nno_replace){ .io = io, .alloc = alloc, .fd = -1, .directory_fd = -1 };
	nnopt_status status = NNOPT_OK;
	nno_text target;
	nno_text_start(&target, alloc);
	nno_text_add(&target, path);
	NNO_TRY_OUT(find_target(r, &target));
	NNO_TRY_OUT(name_files(r, target.data));
	NNO_TRY_OUT(open_temporary(r));
	NNO_TRY_OUT(reserve(r, expected_size));
	NNO_TRY_OUT(open_directory(r));
	*out = r;
	r = NULL;
out:
	nno_text_free(&target);
	if (r != NULL)
		nno_replace_abort(r);
	return status;
}

nnopt_status nno_replace_write(nno_replace *r, const void *data, size_t n)
{
	size_t done;
	return nno_write_all(r->io, r->fd, r->path, data, n, &done);
}

/* Directories of some file systems cannot be synchronised. */
static nnopt_status sync_directory(nno_replace *r)
{
	int result = 0;
	do
		result = r->directory_fd < 0 ? 0 : r->io->sync(r->directory_fd, r->io->user);
	while (result != 0 && errno == EINTR);
	if (result != 0 && !is_lacking(errno))
		return nno_fail_errno(r->directory, "cannot make the new name durable", errno);
	return NNOPT_OK;
}

/* After a failed fsync nothing is known of the file: it is abandoned, never retried. After one that went well closing
 * has nothing left to lose, so the file stays open, and with it locked, until it is renamed. */
nnopt_status nno_replace_commit(nno_replace *r)
{
	const nno_io *io = r->io;
	nnopt_status status = NNOPT_OK;
	if (r->has_old && io->fchmod(r->fd, r->mode, io->user) != 0 && !is_lacking(errno))
		status = nno_fail_errno(r->path, "cannot give it its mode", errno);
	else if (io->sync(r->fd, io->user) != 0)
		status = nno_fail_errno(r->path, "cannot write to stable storage", errno);
	else if (!is_named(r, r->fd))
		status = nno_fail_errno(r->temporary, "cannot find the file that was written", errno);
	if (status != NNOPT_OK)
		goto out;
	if (io->rename(r->temporary, r->path, io->user) != 0)
		status = nno_fail_errno(r->path, "cannot replace", errno);
	else
		status = sync_directory(r);
out:
	nno_replace_abort(r);
	return status;
}

/* After the renaming too: the temporary name is then no longer this file's. */
void nno_replace_abort(nno_replace *r)
{
	if (r->fd >= 0 && is_named(r, r->fd))
		r->io->unlink(r->temporary, r->io->user);
	if (r->fd >= 0)
		r->io->close(r->fd, r->io->user);
	if (r->directory_fd >= 0)
		r->io->close(r->directory_fd, r->io->user);
	nno_delete(r->alloc, r->path);
	nno_delete(r->alloc, r);
}

nnopt_status nno_replace_with(const nno_io *io, const nno_alloc *alloc, const char *path, const void *data, size_t n)
{
	nno_replace *r = NULL;
	NNO_TRY(nno_replace_begin(&r, io, alloc, path, (int64_t)n));
	nnopt_status status = nno_replace_write(r, data, n);
	if (status == NNOPT_OK)
		return nno_replace_commit(r);
	nno_replace_abort(r);
	return status;
}
