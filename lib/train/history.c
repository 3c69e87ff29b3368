/* history.c - what every epoch of a run came to. */
#include "train/train.h"

#include <string.h>

nnopt_status nno_history_create(nnopt_history **out, nnopt_context *context)
{
	nnopt_history *h = nnopt_context_alloc(context, sizeof *h);
	if (h == NULL)
		return nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "fit: out of memory for the history");
	h->context = nnopt_context_retain(context);
	h->best_epoch = -1;
	*out = h;
	return NNOPT_OK;
}

nnopt_status nno_history_reserve(nnopt_history *h, int64_t count)
{
	if (count <= h->room)
		return NNOPT_OK;
	if (count > INT64_C(1) << 32)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "fit: %lld epochs, at most 2^32 wanted",
				(long long)count);
	nnopt_epoch_record *records = nnopt_context_alloc(h->context, (size_t)count * sizeof *records);
	if (records == NULL)
		return nno_fail(NNOPT_ERROR_OUT_OF_MEMORY, "fit: out of memory for the history of %lld epochs",
				(long long)count);
	if (h->count > 0)
		memcpy(records, h->records, (size_t)h->count * sizeof *records);
	nnopt_context_free(h->context, h->records);
	h->records = records;
	h->room = count;
	return NNOPT_OK;
}

void nnopt_history_destroy(nnopt_history *h)
{
	if (h == NULL)
		return;
	nnopt_context *context = h->context;
	nnopt_context_free(context, h->records);
	nnopt_context_free(context, h);
	nnopt_context_destroy(context);
}

int64_t nnopt_history_epochs(const nnopt_history *h) { return h == NULL ? 0 : h->count; }

nnopt_status nnopt_history_epoch(const nnopt_history *h, int64_t epoch, nnopt_epoch_record *record)
{
	if (h == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "history_epoch: history is NULL");
	if (epoch < 0 || epoch >= h->count)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "history_epoch: epoch %lld, 0 to %lld wanted",
				(long long)epoch, (long long)h->count - 1);
	nnopt_status status = nnopt_result_check(record, "history_epoch");
	if (status == NNOPT_OK)
		nnopt_result_give(record, &h->records[epoch], sizeof *record);
	return status;
}

int64_t nnopt_history_best_epoch(const nnopt_history *h) { return h == NULL ? -1 : h->best_epoch; }

int32_t nnopt_history_stopped_early(const nnopt_history *h) { return h == NULL ? 0 : h->stopped_early; }
