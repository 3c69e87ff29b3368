/* callbacks.c - several callbacks in the place of one. */
#include "train/train.h"

#include <string.h>

typedef struct callback {
	nnopt_progress_fn on_batch, on_epoch;
	void *user;
} callback;

struct nnopt_callbacks {
	nnopt_context *context;
	callback *list;
	int64_t count, room;
};

nnopt_status nnopt_callbacks_create(nnopt_callbacks **out, nnopt_context *context)
{
	if (out == NULL || context == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "callbacks_create: out or context is NULL");
	nnopt_callbacks *c = nnopt_context_alloc(context, sizeof *c);
	if (c == NULL)
		return nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "callbacks_create: out of memory");
	c->context = nnopt_context_retain(context);
	*out = c;
	return NNOPT_OK;
}

void nnopt_callbacks_destroy(nnopt_callbacks *c)
{
	if (c == NULL)
		return;
	nnopt_context *context = c->context;
	nnopt_context_free(context, c->list);
	nnopt_context_free(context, c);
	nnopt_context_destroy(context);
}

nnopt_status nnopt_callbacks_add(nnopt_callbacks *c, nnopt_progress_fn on_batch, nnopt_progress_fn on_epoch, void *user)
{
	if (c == NULL || (on_batch == NULL && on_epoch == NULL))
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				  c == NULL ? "callbacks_add: callbacks is NULL"
					    : "callbacks_add: on_batch and on_epoch are NULL, one of them wanted");
	if (c->count == c->room) {
		int64_t room = 2 * c->room + 4;
		callback *list = nnopt_context_alloc(c->context, (size_t)room * sizeof *list);
		if (list == NULL)
			return nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "callbacks_add: out of memory");
		if (c->count > 0)
			memcpy(list, c->list, (size_t)c->count * sizeof *list);
		nnopt_context_free(c->context, c->list);
		c->list = list;
		c->room = room;
	}
	c->list[c->count++] = (callback){ on_batch, on_epoch, user };
	return NNOPT_OK;
}

static nnopt_status call_each(const nnopt_callbacks *c, const nnopt_progress *progress, int of_epoch)
{
	if (progress == NULL || c == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "callbacks_on_%s: progress or callbacks is NULL",
				of_epoch ? "epoch" : "batch");
	nnopt_status status = NNOPT_OK;
	for (int64_t i = 0; i < c->count && status == NNOPT_OK; i++) {
		nnopt_progress_fn fn = of_epoch ? c->list[i].on_epoch : c->list[i].on_batch;
		if (fn != NULL)
			status = fn(progress, c->list[i].user);
	}
	return status;
}

nnopt_status nnopt_callbacks_on_batch(const nnopt_progress *progress, void *callbacks)
{
	return call_each(callbacks, progress, 0);
}

nnopt_status nnopt_callbacks_on_epoch(const nnopt_progress *progress, void *callbacks)
{
	return call_each(callbacks, progress, 1);
}
