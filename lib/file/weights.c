/* weights.c - named tensors of a file: which format it is, looking tensors up, reading one. */
#include "file/weights.h"

#include "base/size.h"
#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

void nno_row_major(const int64_t *shape, int rank, int64_t *stride)
{
	int64_t step = 1;
	for (int i = rank - 1; i >= 0; i--) {
		stride[i] = step;
		if (!nno_i64_mul(step, shape[i], &step))
			step = 0; /* one of the extents before is 0: nothing is there to step over */
	}
}

/* --- opening --- */

/* Keeps the tensors below `root`, without it in their names. */
static nnopt_status keep_below(nnopt_weights *f, const char *root)
{
	size_t n = strlen(root);
	int32_t kept = 0;
	for (int32_t i = 0; i < f->count; i++) {
		nno_named item = f->items[i];
		f->items[i].name = NULL;
		if (strncmp(item.name, root, n) != 0 || item.name[n] != '.') {
			nno_delete(&f->context->alloc, item.name);
			continue;
		}
		memmove(item.name, item.name + n + 1, strlen(item.name + n + 1) + 1);
		f->items[kept++] = item;
	}
	f->count = kept;
	return kept > 0 ? NNOPT_OK : nno_fail(NNOPT_ERROR_NOT_FOUND, "%s: no tensor below '%.100s'", f->path, root);
}

typedef struct named_index {
	const char *name;
	int32_t index;
} named_index;

static int by_name(const void *a, const void *b)
{
	return strcmp(((const named_index *)a)->name, ((const named_index *)b)->name);
}

static nnopt_status sort_names(nnopt_weights *f)
{
	const nno_alloc *a = &f->context->alloc;
	named_index *keys = nno_new_array(a, (size_t)f->count, sizeof *keys);
	f->by_name = nno_new_array(a, (size_t)f->count, sizeof *f->by_name);
	nnopt_status status = NNOPT_OK;
	if (keys == NULL || f->by_name == NULL)
		status = nno_fail_memory(f->path, (size_t)f->count * sizeof *keys);
	for (int32_t i = 0; status == NNOPT_OK && i < f->count; i++)
		keys[i] = (named_index){ f->items[i].name, i };
	if (status == NNOPT_OK)
		qsort(keys, (size_t)f->count, sizeof *keys, by_name);
	for (int32_t i = 0; status == NNOPT_OK && i < f->count; i++) {
		f->by_name[i] = keys[i].index;
		if (i > 0 && strcmp(keys[i - 1].name, keys[i].name) == 0)
			status =
			    nno_fail(NNOPT_ERROR_FORMAT, "%s: two tensors are called '%.100s'", f->path, keys[i].name);
	}
	nno_delete(a, keys);
	return status;
}

/* A safetensors header begins with '{' behind its length, where a zip has the number of its compression and PyTorch's
 * magic number its ninth byte. */
static nnopt_status read_directory(nnopt_weights *f, const char *root)
{
	uint8_t head[15] = { 0 };
	size_t n = (size_t)nno_i64_min(sizeof head, f->file.size);
	const char *found_root = NULL;
	NNO_TRY(nno_file_read(&f->file, head, n, 0));
	if (n >= 9 && head[8] == '{')
		NNO_TRY(nno_safetensors_read(f));
	else if (n >= 4 && memcmp(head, "PK\3\4", 4) == 0)
		NNO_TRY(nno_torch_zip_read(f, &found_root));
	else if (nno_is_torch_legacy(head, n))
		NNO_TRY(nno_torch_legacy_read(f, &found_root));
	else
		return nno_fail(NNOPT_ERROR_FORMAT,
				"%s: offset 0: neither a safetensors file nor one of PyTorch's torch.save()", f->path);
	if (root == NULL)
		root = found_root;
	if (root != NULL && root[0] != '\0')
		NNO_TRY(keep_below(f, root));
	return sort_names(f);
}

nnopt_status nnopt_weights_options_init(nnopt_weights_options *options, size_t size)
{
	static const nnopt_weights_options defaults = { 0 };
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "weights_options");
}

nnopt_status nnopt_weights_open(nnopt_weights **out, nnopt_context *context, const char *path,
				const nnopt_weights_options *options)
{
	if (out == NULL || context == NULL || path == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "weights_open: %s is NULL",
				out == NULL       ? "out"
				: context == NULL ? "context"
						  : "path");
	nnopt_weights_options o = { 0 };
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "weights_options"));
	nnopt_weights *f = nno_new(&context->alloc, sizeof *f);
	if (f == NULL)
		return nno_fail_memory("weights_open", sizeof *f);
	f->context = nno_context_take(context);
	nnopt_status status;
	f->path = nno_new_text(&context->alloc, path, strlen(path));
	if (f->path == NULL) {
		status = nno_fail_memory("weights_open", strlen(path));
		goto out;
	}
	NNO_TRY_OUT(nno_file_open(&f->file, context->io, f->path));
	f->is_open = true;
	NNO_TRY_OUT(read_directory(f, o.root));
	*out = f;
	return NNOPT_OK;
out:
	nnopt_weights_destroy(f);
	return status;
}

void nnopt_weights_destroy(nnopt_weights *file)
{
	if (file == NULL)
		return;
	nnopt_context *context = file->context;
	const nno_alloc *a = &context->alloc;
	for (int32_t i = 0; i < file->count; i++)
		nno_delete(a, file->items[i].name);
	for (int32_t i = 0; i < file->n_keys; i++) {
		nno_delete(a, file->keys[i]);
		nno_delete(a, file->values[i]);
	}
	if (file->is_open)
		nno_file_close(&file->file);
	nno_delete(a, file->items);
	nno_delete(a, file->by_name);
	nno_delete(a, file->blocks);
	nno_delete(a, file->keys);
	nno_delete(a, file->values);
	nno_delete(a, file->path);
	nno_delete(a, file);
	nno_context_drop(context);
}

/* --- looking up --- */

int32_t nnopt_weights_count(const nnopt_weights *file) { return file == NULL ? 0 : file->count; }

static nnopt_status check_index(const char *what, const nnopt_weights *file, int32_t index, const void *out)
{
	if (file == NULL || out == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s is NULL", what,
				file == NULL ? "file" : "the result");
	if (index < 0 || index >= file->count)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: index %d, 0 to %d wanted", what, index,
				file->count - 1);
	return NNOPT_OK;
}

nnopt_status nnopt_weights_info(const nnopt_weights *file, int32_t index, nnopt_weight_info *info)
{
	NNO_TRY(check_index("weights_info", file, index, info));
	const nno_named *it = &file->items[index];
	nnopt_weight_info full = {
		.struct_size = sizeof full, .name = it->name, .dtype = it->dtype->name, .rank = it->rank
	};
	memcpy(full.shape, it->shape, sizeof full.shape);
	NNO_TRY(nnopt_result_check(info, "weight_info"));
	nnopt_result_give(info, &full, sizeof full);
	return NNOPT_OK;
}

nnopt_status nnopt_weights_find(const nnopt_weights *file, const char *name, int32_t *index)
{
	if (file == NULL || name == NULL || index == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "weights_find: %s is NULL",
				file == NULL   ? "file"
				: name == NULL ? "name"
					       : "index");
	for (int32_t low = 0, high = file->count; low < high;) {
		int32_t middle = low + (high - low) / 2;
		int order = strcmp(name, file->items[file->by_name[middle]].name);
		if (order == 0) {
			*index = file->by_name[middle];
			return NNOPT_OK;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return nno_fail(NNOPT_ERROR_NOT_FOUND, "%s: no tensor called '%.100s'", file->path, name);
}

const char *nnopt_weights_metadata(const nnopt_weights *file, const char *key)
{
	for (int32_t i = 0; file != NULL && key != NULL && i < file->n_keys; i++)
		if (strcmp(file->keys[i], key) == 0)
			return file->values[i];
	return NULL;
}

/* --- reading --- */

static void swap_elements(uint8_t *b, int64_t n, int size)
{
	for (int64_t i = 0; i < n; i++, b += size)
		for (int k = 0; k < size / 2; k++) {
			uint8_t t = b[k];
			b[k] = b[size - 1 - k];
			b[size - 1 - k] = t;
		}
}

/* The file's elements that are not the tensor's as they lie: doubles, truth values, and those of a view. */
static void gather(const nno_named *it, uint8_t *dst, const uint8_t *src, int64_t count)
{
	int64_t index[NNOPT_MAX_RANK] = { 0 }, at = 0;
	int size = it->dtype->size;
	for (int64_t i = 0; i < count; i++) {
		const uint8_t *element = src + at * size;
		if (it->dtype->reading == NNO_READ_DOUBLES) {
			double wide;
			memcpy(&wide, element, sizeof wide);
			((float *)dst)[i] = (float)wide;
		} else if (it->dtype->reading == NNO_READ_BOOLS) {
			dst[i] = *element != 0;
		} else {
			memcpy(dst + i * size, element, (size_t)size);
		}
		for (int k = it->rank - 1; k >= 0; k--) {
			at += it->stride[k];
			if (++index[k] < it->shape[k])
				break;
			at -= it->stride[k] * it->shape[k];
			index[k] = 0;
		}
	}
}

/* Elements of the block from the first of the view to its last. */
static int64_t span_of(const nno_named *it)
{
	int64_t last = 0;
	for (int i = 0; i < it->rank; i++) {
		if (it->shape[i] == 0)
			return 0;
		last += (it->shape[i] - 1) * it->stride[i];
	}
	return last + 1;
}

static bool lies_as_is(const nno_named *it)
{
	int64_t plain[NNOPT_MAX_RANK];
	nno_row_major(it->shape, it->rank, plain);
	bool same = it->dtype->reading == NNO_READ_PLAIN;
	for (int i = 0; i < it->rank; i++)
		same = same && (it->shape[i] == 1 || it->stride[i] == plain[i]);
	return same;
}

static nnopt_status read_elements(nnopt_weights *f, const nno_named *it, nnopt_tensor *tensor)
{
	int size = it->dtype->size;
	int64_t span = span_of(it);
	size_t bytes = (size_t)span * (size_t)size;
	uint8_t *data = nnopt_tensor_data(tensor), *other = NULL;
	if (span == 0)
		return NNOPT_OK;
	if (!lies_as_is(it)) {
		other = nno_new_raw(&f->context->alloc, bytes);
		if (other == NULL)
			return nno_fail_memory(f->path, bytes);
		data = other;
	}
	nnopt_status status = nno_block_read(f, &f->blocks[it->block], data, it->offset * size, bytes);
	if (status == NNOPT_OK && f->swapped)
		swap_elements(data, span, size);
	if (status == NNOPT_OK && other != NULL)
		gather(it, nnopt_tensor_data(tensor), other, tensor->count);
	nno_delete(&f->context->alloc, other);
	return status == NNOPT_OK ? status : nno_fail_in(status, "'%.100s'", it->name);
}

nnopt_status nnopt_weights_read(nnopt_weights *file, int32_t index, nnopt_tensor **out)
{
	NNO_TRY(check_index("weights_read", file, index, out));
	const nno_named *it = &file->items[index];
	if (it->dtype->reading == NNO_READ_NOT)
		return nno_fail(NNOPT_ERROR_UNSUPPORTED, "%s: '%.100s' has dtype %s, which the library has not",
				file->path, it->name, it->dtype->name);
	nnopt_tensor *tensor = NULL;
	NNO_TRY(nnopt_tensor_create(&tensor, file->context, (nnopt_dtype)it->dtype->dtype, it->rank, it->shape,
				    NNOPT_NCHW));
	nnopt_status status = read_elements(file, it, tensor);
	if (status == NNOPT_OK)
		*out = tensor;
	else
		nnopt_tensor_destroy(tensor);
	return status;
}
