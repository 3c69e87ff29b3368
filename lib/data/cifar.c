/* cifar.c - the binary versions of CIFAR-10 and CIFAR-100: records of one or two label bytes and 3072 pixels in planes.
 */
#include "data/data.h"

#include "base/io.h"
#include "base/size.h"

#include <stdio.h>
#include <string.h>

#define PLANE 1024
#define PIXELS (3 * PLANE)

static const char *const names10[] = { "airplane", "automobile", "bird",  "cat",  "deer",
				       "dog",      "frog",       "horse", "ship", "truck" };

typedef struct reading {
	nnopt_context *context;
	int64_t header, label_at, classes; /* label bytes of a record, which one counts */
	int64_t count;
	uint8_t *pixels;
	int32_t *labels;
} reading;

static nnopt_status read_file(reading *r, const char *path)
{
	char *data = NULL;
	size_t size = 0;
	const nno_alloc *a = &r->context->alloc;
	NNO_TRY(nno_file_read_all(r->context->io, a, path, (size_t)1 << 30, &data, &size));
	int64_t record = r->header + PIXELS, n = (int64_t)size / record;
	nnopt_status status = NNOPT_OK;
	if (n == 0 || (int64_t)size % record != 0) {
		status = nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %lld: %zu bytes, a multiple of %lld wanted", path,
				  (long long)(n * record), size, (long long)record);
		goto out;
	}
	uint8_t *pixels = nno_grow(a, r->pixels, (size_t)(r->count + n) * PIXELS);
	if (pixels != NULL)
		r->pixels = pixels;
	int32_t *labels = nno_grow(a, r->labels, (size_t)(r->count + n) * sizeof *labels);
	if (labels != NULL)
		r->labels = labels;
	if (pixels == NULL || labels == NULL) {
		status = nno_fail_memory(path, (size_t)(r->count + n) * PIXELS);
		goto out;
	}
	for (int64_t i = 0; i < n; i++) {
		const unsigned char *from = (const unsigned char *)data + i * record;
		if (from[r->label_at] >= r->classes) {
			status = nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %lld: label %d, 0 to %lld wanted", path,
					  (long long)(i * record + r->label_at), from[r->label_at],
					  (long long)r->classes - 1);
			goto out;
		}
		labels[r->count + i] = from[r->label_at];
		uint8_t *to = pixels + (r->count + i) * PIXELS;
		for (int p = 0; p < PLANE; p++)
			for (int c = 0; c < 3; c++)
				to[p * 3 + c] = from[r->header + c * PLANE + p];
	}
	r->count += n;
out:
	nno_delete(a, data);
	return status;
}

static nnopt_status read_files(reading *r, const char *directory, const char *const *files, int n)
{
	for (int i = 0; i < n; i++) {
		char path[4200];
		if (snprintf(path, sizeof path, "%s/%s", directory, files[i]) >= (int)sizeof path)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"cifar: the directory's path is longer than 4096 bytes");
		NNO_TRY(read_file(r, path));
	}
	return NNOPT_OK;
}

static nnopt_status open_files(nnopt_dataset **out, reading *r, const char *directory, const char *const *files, int n,
			       const char *const *names)
{
	nnopt_status status = read_files(r, directory, files, n);
	if (status == NNOPT_OK)
		return nno_packed_make(out, r->context, r->pixels, r->labels, r->count, 32, 32, 3, r->classes, names);
	nno_delete(&r->context->alloc, r->pixels);
	nno_delete(&r->context->alloc, r->labels);
	return status;
}

static nnopt_status check(const char *what, nnopt_dataset **out, nnopt_context *context, const char *directory,
			  nnopt_split split)
{
	if (out == NULL || context == NULL || directory == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: an argument is NULL", what);
	if (split != NNOPT_SPLIT_TRAIN && split != NNOPT_SPLIT_TEST)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: split %d, 0 or 1 wanted", what, (int)split);
	return NNOPT_OK;
}

nnopt_status nnopt_cifar10_open(nnopt_dataset **out, nnopt_context *context, const char *directory, nnopt_split split)
{
	static const char *const train[] = { "data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
					     "data_batch_4.bin", "data_batch_5.bin" };
	static const char *const test[] = { "test_batch.bin" };
	NNO_TRY(check("cifar10_open", out, context, directory, split));
	reading r = { .context = context, .header = 1, .classes = 10 };
	if (split == NNOPT_SPLIT_TRAIN)
		return open_files(out, &r, directory, train, 5, names10);
	return open_files(out, &r, directory, test, 1, names10);
}

nnopt_status nnopt_cifar100_open(nnopt_dataset **out, nnopt_context *context, const char *directory, nnopt_split split,
				 int32_t coarse)
{
	static const char *const train[] = { "train.bin" }, *const test[] = { "test.bin" };
	NNO_TRY(check("cifar100_open", out, context, directory, split));
	reading r = { .context = context, .header = 2, .label_at = coarse ? 0 : 1, .classes = coarse ? 20 : 100 };
	return open_files(out, &r, directory, split == NNOPT_SPLIT_TRAIN ? train : test, 1, NULL);
}
