/* posix_io.c - the I/O table over the system calls, and reading files through it. */
#include "base/io.h"

#include "base/size.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Standard streams may be closed in the host: a file must never become one. */
static int io_open(const char *path, int flags, mode_t mode, void *user)
{
	(void)user;
	int fd = open(path, flags | O_CLOEXEC, mode);
	if (fd < 0 || fd > 2)
		return fd;
	int high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	int saved = errno;
	close(fd);
	errno = saved;
	return high;
}

static ssize_t io_pread(int fd, void *dst, size_t n, int64_t offset, void *user)
{
	(void)user;
	return pread(fd, dst, n, offset);
}
static ssize_t io_write(int fd, const void *src, size_t n, void *user)
{
	(void)user;
	return write(fd, src, n);
}
static int io_allocate(int fd, int64_t size, void *user)
{
	(void)user;
	return posix_fallocate(fd, 0, size);
}
static int io_sync(int fd, void *user)
{
	(void)user;
	return fsync(fd);
}
static int io_close(int fd, void *user)
{
	(void)user;
	return close(fd);
}
static int io_rename(const char *from, const char *to, void *user)
{
	(void)user;
	return rename(from, to);
}
static int io_unlink(const char *path, void *user)
{
	(void)user;
	return unlink(path);
}
static int io_mkdir(const char *path, mode_t mode, void *user)
{
	(void)user;
	return mkdir(path, mode);
}

static int io_fstat(int fd, struct stat *out, void *user)
{
	(void)user;
	return fstat(fd, out);
}
static int io_lstat(const char *path, struct stat *out, void *user)
{
	(void)user;
	return lstat(path, out);
}
static ssize_t io_readlink(const char *path, char *dst, size_t n, void *user)
{
	(void)user;
	return readlink(path, dst, n);
}
static int io_fchmod(int fd, mode_t mode, void *user)
{
	(void)user;
	return fchmod(fd, mode);
}
static int io_flock(int fd, void *user)
{
	(void)user;
	return flock(fd, LOCK_EX | LOCK_NB);
}

static nno_entry_kind kind_of(DIR *dir, const struct dirent *entry, bool follow_links)
{
	if (entry->d_type == DT_REG)
		return NNO_ENTRY_FILE;
	if (entry->d_type == DT_DIR)
		return NNO_ENTRY_DIRECTORY;
	if (entry->d_type != DT_UNKNOWN && (entry->d_type != DT_LNK || !follow_links))
		return NNO_ENTRY_OTHER;
	/* What cannot be looked at (a link to nothing) counts as a file: who opens it gets the error, in place of
	 * silence. */
	struct stat s;
	if (fstatat(dirfd(dir), entry->d_name, &s, follow_links ? 0 : AT_SYMLINK_NOFOLLOW) != 0)
		return NNO_ENTRY_FILE;
	return S_ISREG(s.st_mode) ? NNO_ENTRY_FILE : S_ISDIR(s.st_mode) ? NNO_ENTRY_DIRECTORY : NNO_ENTRY_OTHER;
}

static int io_list(const char *path, bool follow_links, nno_entry_fn each, void *each_user, void *user)
{
	(void)user;
	DIR *dir = opendir(path);
	if (dir == NULL)
		return -1;
	int result = 0;
	struct dirent *entry;
	while (result == 0 && (errno = 0, entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			result = each(entry->d_name, kind_of(dir, entry, follow_links), each_user);
	int saved = errno;
	if (result == 0 && saved != 0)
		result = -1;
	closedir(dir);
	errno = saved;
	return result;
}

const nno_io nno_io_posix = {
	.open = io_open,
	.pread = io_pread,
	.write = io_write,
	.fstat = io_fstat,
	.lstat = io_lstat,
	.readlink = io_readlink,
	.fchmod = io_fchmod,
	.flock = io_flock,
	.allocate = io_allocate,
	.sync = io_sync,
	.close = io_close,
	.rename = io_rename,
	.unlink = io_unlink,
	.mkdir = io_mkdir,
	.list = io_list,
};

nnopt_status nno_fail_errno(const char *path, const char *action, int error)
{
	nnopt_status status = error == ENOENT || error == ENOTDIR ? NNOPT_ERROR_NOT_FOUND : NNOPT_ERROR_IO;
	char text[128] = "";
#ifdef __GLIBC__ /* the text is the result, and may lie elsewhere */
	const char *reason = strerror_r(error, text, sizeof text);
#else
	const char *reason = strerror_r(error, text, sizeof text) == 0 ? text : "unknown error";
#endif
	return nno_fail(status, "%s: %s: %s", path, action, reason);
}

/* `path` is cut and mended on the way. */
static int make_directory(const nno_io *io, char *path, size_t n)
{
	if (io->mkdir(path, 0777, io->user) == 0 || errno == EEXIST)
		return 0;
	if (errno != ENOENT)
		return -1;
	while (n > 0 && path[n - 1] == '/')
		n--;
	while (n > 0 && path[n - 1] != '/')
		n--;
	errno = ENOENT;
	if (n < 2)
		return -1;
	path[n - 1] = '\0';
	int made = make_directory(io, path, n - 1);
	path[n - 1] = '/';
	return made == 0 && (io->mkdir(path, 0777, io->user) == 0 || errno == EEXIST) ? 0 : -1;
}

nnopt_status nno_make_directory(const nno_io *io, const nno_alloc *alloc, const char *path)
{
	size_t n = strlen(path);
	char *copy = nno_new_text(alloc, path, n);
	if (copy == NULL)
		return nno_fail_memory(path, n + 1);
	int made = make_directory(io, copy, n), error = errno;
	nno_delete(alloc, copy);
	return made == 0 ? NNOPT_OK : nno_fail_errno(path, "cannot make the directory", error);
}

nnopt_status nno_write_all(const nno_io *io, int fd, const char *path, const void *data, size_t n, size_t *done)
{
	*done = 0;
	while (*done < n) {
		ssize_t written = io->write(fd, (const char *)data + *done, n - *done, io->user);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return nno_fail_errno(path, "cannot write", written < 0 ? errno : ENOSPC);
		*done += (size_t)written;
	}
	return NNOPT_OK;
}

nnopt_status nno_file_open(nno_file *file, const nno_io *io, const char *path)
{
	int fd;
	do
		fd = io->open(path, O_RDONLY | O_NONBLOCK, 0, io->user);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return nno_fail_errno(path, "cannot open", errno);
	struct stat s = { 0 };
	nnopt_status status = NNOPT_OK;
	if (io->fstat(fd, &s, io->user) != 0)
		status = nno_fail_errno(path, "cannot read its size", errno);
	else if (!S_ISREG(s.st_mode))
		status = nno_fail(NNOPT_ERROR_IO, "%s: not a regular file", path);
	if (status != NNOPT_OK) {
		io->close(fd, io->user);
		return status;
	}
	*file = (nno_file){ .io = io, .fd = fd, .size = s.st_size, .path = path };
	return NNOPT_OK;
}

nnopt_status nno_file_read(const nno_file *file, void *dst, size_t n, int64_t offset)
{
	size_t done = 0;
	while (done < n) {
		ssize_t got =
		    file->io->pread(file->fd, (char *)dst + done, n - done, offset + (int64_t)done, file->io->user);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return nno_fail_errno(file->path, "cannot read", errno);
		if (got == 0)
			return nno_fail(NNOPT_ERROR_FORMAT,
					"%s: offset %lld: the file ends here, %zu more bytes wanted", file->path,
					(long long)(offset + (int64_t)done), n - done);
		done += (size_t)got;
	}
	return NNOPT_OK;
}

void nno_file_close(nno_file *file) { file->io->close(file->fd, file->io->user); }

nnopt_status nno_file_read_all(const nno_io *io, const nno_alloc *alloc, const char *path, size_t limit, char **data,
			       size_t *size)
{
	nno_file file;
	NNO_TRY(nno_file_open(&file, io, path));
	nnopt_status status = NNOPT_OK;
	char *bytes = NULL;
	if (file.size < 0 || (uint64_t)file.size > limit) {
		status = nno_fail(NNOPT_ERROR_FORMAT, "%s: offset 0: %lld bytes, at most %zu wanted", path,
				  (long long)file.size, limit);
		goto out;
	}
	bytes = nno_new_raw(alloc, (size_t)file.size + 1);
	if (bytes == NULL) {
		status = nno_fail_memory(path, (size_t)file.size + 1);
		goto out;
	}
	NNO_TRY_OUT(nno_file_read(&file, bytes, (size_t)file.size, 0));
	bytes[file.size] = '\0';
	*data = bytes;
	*size = (size_t)file.size;
	bytes = NULL;
out:
	nno_delete(alloc, bytes);
	nno_file_close(&file);
	return status;
}
