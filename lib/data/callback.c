/* callback.c - samples that a function of the caller's delivers. */
#include "data/data.h"

typedef struct delivered {
	nnopt_callback_dataset_options o;
} delivered;

static nnopt_status read_sample(const nnopt_dataset *d, int64_t index, nno_room *room, nno_picture *picture,
				int64_t *label)
{
	const delivered *s = d->state;
	int64_t max_h = s->o.max_height, max_w = s->o.max_width;
	NNO_TRY(nno_room_fit(room, (size_t)(max_h * max_w * d->channels), "callback dataset"));
	picture->pixels = room->bytes;
	nnopt_sample sample = {
		.struct_size = sizeof sample, .pixels = picture->pixels, .height = max_h, .width = max_w
	};
	unsigned before = nno_failures();
	nnopt_status status = nno_fail_caller(before, s->o.get(index, &sample, s->o.user));
	if (status == NNOPT_ERROR_OUT_OF_MEMORY) /* makes no bad sample */
		return nno_fail_in(status, "callback dataset: sample %lld", (long long)index);
	if (status != NNOPT_OK)
		return nno_fail_in(NNOPT_ERROR_CALLBACK, "callback dataset: sample %lld", (long long)index);
	if (sample.height < 1 || sample.height > max_h || sample.width < 1 || sample.width > max_w)
		return nno_fail(NNOPT_ERROR_CALLBACK,
				"callback dataset: sample %lld is %lldx%lld, 1x1 to %lldx%lld wanted", (long long)index,
				(long long)sample.height, (long long)sample.width, (long long)max_h, (long long)max_w);
	picture->h = sample.height;
	picture->w = sample.width;
	*label = sample.label;
	return NNOPT_OK;
}

static void destroy(nnopt_dataset *d)
{
	const delivered *s = d->state; /* all zero until creation has succeeded */
	if (s->o.destroy != NULL)
		s->o.destroy(s->o.user);
}

static const nno_dataset_class callback_class = { .kind = "callback dataset", .read = read_sample, .destroy = destroy };

static const nnopt_callback_dataset_options option_defaults = { .struct_size = sizeof(nnopt_callback_dataset_options),
								.channels = 3 };

nnopt_status nnopt_callback_dataset_options_init(nnopt_callback_dataset_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "callback_dataset_options");
}

static nnopt_status check_options(const nnopt_callback_dataset_options *o)
{
	if (o->get == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "callback_dataset_options: get is NULL");
	if (o->count < 0 || o->classes < 1 || o->classes > INT32_MAX)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"callback_dataset_options: count %lld of %lld classes, >= 0 of >= 1 wanted",
				(long long)o->count, (long long)o->classes);
	if (o->channels < 1 || o->channels > 4 || o->max_height < 1 || o->max_width < 1 || o->max_height > 1 << 16 ||
	    o->max_width > 1 << 16)
		return nno_fail(
		    NNOPT_ERROR_INVALID_ARGUMENT,
		    "callback_dataset_options: %lld channels of %lldx%lld, 1 to 4 of 1x1 to 65536x65536 wanted",
		    (long long)o->channels, (long long)o->max_height, (long long)o->max_width);
	return NNOPT_OK;
}

nnopt_status nnopt_dataset_from_callbacks(nnopt_dataset **out, nnopt_context *context,
					  const nnopt_callback_dataset_options *options)
{
	if (out == NULL || context == NULL || options == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "dataset_from_callbacks: an argument is NULL");
	nnopt_callback_dataset_options o = option_defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "callback_dataset_options"));
	NNO_TRY(check_options(&o));
	nnopt_dataset *d = NULL;
	NNO_TRY(nno_dataset_make(&d, context, &callback_class, sizeof(delivered)));
	d->count = o.count;
	d->classes = o.classes;
	d->channels = o.channels;
	nnopt_status status = nno_dataset_finish(d);
	if (status != NNOPT_OK) {
		nnopt_dataset_destroy(d);
		return status;
	}
	((delivered *)d->state)->o = o;
	*out = d;
	return NNOPT_OK;
}
