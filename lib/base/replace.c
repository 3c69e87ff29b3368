/* replace.c - replacing a file so that its path holds the old or the new complete one at every moment. */
#include "base/io.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct nno_replace {
	const nno_io *io;
	const nno_alloc *alloc;
	int fd;
	bool keep_previous;
	char *path; /* of the file, "<path>.tmp" and "<path>.prev": one allocation */
	char *temporary;
	char *previous;
	char *directory;
};

static void free_replace(nno_replace *r)
{
	nno_delete(r->alloc, r->path);
	nno_delete(r->alloc, r);
}

static nnopt_status name_files(nno_replace *r, const char *path)
{
	size_t n = strlen(path);
	r->path = nno_new(r->alloc, 4 * (n + 16));
	if (r->path == NULL)
		return nno_fail_memory(path, 4 * (n + 16));
	r->temporary = r->path + n + 16;
	r->previous = r->temporary + n + 16;
	r->directory = r->previous + n + 16;
	memcpy(r->path, path, n);
	memcpy(r->temporary, path, n);
	memcpy(r->temporary + n, ".tmp", 4);
	memcpy(r->previous, path, n);
	memcpy(r->previous + n, ".prev", 5);
	const char *slash = strrchr(path, '/');
	if (slash == NULL)
		r->directory[0] = '.';
	else
		memcpy(r->directory, path, slash == path ? 1 : (size_t)(slash - path));
	return NNOPT_OK;
}

/* A temporary of this path that a dead writer left is in the way and is removed; two writers of one path at once are
 * the caller's error, and one of them fails cleanly. */
static nnopt_status open_temporary(nno_replace *r)
{
	struct stat old;
	mode_t mode = stat(r->path, &old) == 0 ? old.st_mode & 0777 : 0666;
	for (int attempt = 0; attempt < 8; attempt++) {
		r->fd = r->io->open(r->temporary, O_WRONLY | O_CREAT | O_EXCL, mode, r->io->user);
		if (r->fd >= 0)
			return NNOPT_OK;
		if (errno == EEXIST)
			r->io->unlink(r->temporary, r->io->user);
		else if (errno != EINTR)
			break;
	}
	return nno_fail_errno(r->temporary, "cannot create", errno);
}

nnopt_status nno_replace_begin(nno_replace **out, const nno_io *io, const nno_alloc *alloc, const char *path,
			       int64_t expected_size, bool keep_previous)
{
	nno_replace *r = nno_new(alloc, sizeof *r);
	if (r == NULL)
		return nno_fail_memory(path, sizeof *r);
	*r = (nno_replace){ .io = io, .alloc = alloc, .fd = -1, .keep_previous = keep_previous };
	nnopt_status status = name_files(r, path);
	if (status == NNOPT_OK)
		status = open_temporary(r);
	if (status != NNOPT_OK) {
		free_replace(r);
		return status;
	}
	int error;
	do
		error = expected_size > 0 ? io->allocate(r->fd, expected_size, io->user) : 0;
	while (error == EINTR);
	/* Some file systems cannot reserve; writing will tell then. */
	if (error != 0 && error != EOPNOTSUPP && error != EINVAL && error != ENOSYS) {
		status = nno_fail_errno(r->path, "cannot reserve its space", error);
		nno_replace_abort(r);
		return status;
	}
	*out = r;
	return NNOPT_OK;
}

nnopt_status nno_replace_write(nno_replace *r, const void *data, size_t n)
{
	size_t done;
	return nno_write_all(r->io, r->fd, r->path, data, n, &done);
}

static nnopt_status sync_directory(nno_replace *r)
{
	int fd = r->io->open(r->directory, O_RDONLY | O_DIRECTORY, 0, r->io->user);
	if (fd < 0)
		return nno_fail_errno(r->directory, "cannot open to make the new name durable", errno);
	int result = r->io->sync(fd, r->io->user);
	int error = errno;
	r->io->close(fd, r->io->user);
	/* Directories of some file systems cannot be synchronised. */
	if (result != 0 && error != EINVAL)
		return nno_fail_errno(r->directory, "cannot make the new name durable", error);
	return NNOPT_OK;
}

/* After a failed fsync nothing is known of the file: it is abandoned, never retried. */
nnopt_status nno_replace_commit(nno_replace *r)
{
	nnopt_status status = NNOPT_OK;
	if (r->io->sync(r->fd, r->io->user) != 0)
		status = nno_fail_errno(r->path, "cannot write to stable storage", errno);
	int fd = r->fd;
	r->fd = -1;
	if (r->io->close(fd, r->io->user) != 0 && status == NNOPT_OK && errno != EINTR)
		status = nno_fail_errno(r->path, "cannot close", errno);
	if (status != NNOPT_OK)
		goto out;
	if (r->keep_previous) {
		r->io->unlink(r->previous, r->io->user);
		if (r->io->link(r->path, r->previous, r->io->user) != 0 && errno != ENOENT) {
			status = nno_fail_errno(r->previous, "cannot keep the previous file", errno);
			goto out;
		}
	}
	if (r->io->rename(r->temporary, r->path, r->io->user) != 0) {
		status = nno_fail_errno(r->path, "cannot replace", errno);
		goto out;
	}
	status = sync_directory(r);
	free_replace(r);
	return status;
out:
	nno_replace_abort(r);
	return status;
}

void nno_replace_abort(nno_replace *r)
{
	if (r->fd >= 0)
		r->io->close(r->fd, r->io->user);
	r->io->unlink(r->temporary, r->io->user);
	free_replace(r);
}

nnopt_status nno_replace_with(const nno_io *io, const nno_alloc *alloc, const char *path, const void *data, size_t n)
{
	nno_replace *r = NULL;
	NNO_TRY(nno_replace_begin(&r, io, alloc, path, (int64_t)n, false));
	nnopt_status status = nno_replace_write(r, data, n);
	if (status == NNOPT_OK)
		return nno_replace_commit(r);
	nno_replace_abort(r);
	return status;
}
