/* image_folder.c - DIR/CLASS/... with picture files. Opening lists names only; a sample is read and decoded when asked
 * for. */
#include "data/data.h"

#include "base/io.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_FILE ((size_t)1 << 28)
#define MAX_DEPTH 32

typedef struct sample {
	const char *path;
	size_t offset; /* of the path in its buffer, while that grows */
	int64_t label;
} sample;

typedef struct folder {
	nno_text names; /* all texts, one after the other */
	char **classes; /* into class_names */
	nno_text class_names;
	bool *here; /* which classes this directory has; NULL: all, the list is its own */
	sample *samples;
	uint64_t max_pixels;
} folder;

/* What a walk gathers. */
typedef struct walk {
	nnopt_context *context;
	bool follow;
	nno_text *text; /* paths or class names, each with its NUL */
	sample *samples;
	int64_t count, room, label;
	const char *path; /* of the directory being listed */
	int depth;
	nnopt_status status;
} walk;

static bool is_picture_name(const char *name)
{
	static const char *const endings[] = { ".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".dib" };
	const char *dot = strrchr(name, '.');
	for (size_t i = 0; dot != NULL && i < sizeof endings / sizeof *endings; i++)
		if (strcasecmp(dot, endings[i]) == 0)
			return true;
	return false;
}

static nnopt_status list(walk *w, const char *path, nno_entry_fn each)
{
	const char *outer = w->path;
	w->path = path;
	int result = w->context->io->list(path, w->follow, each, w, w->context->io->user);
	if (result < 0 && w->status == NNOPT_OK)
		w->status = nno_fail_errno(path, "cannot list", errno);
	w->path = outer;
	return w->status;
}

static int note_class(const char *name, nno_entry_kind kind, void *user)
{
	walk *w = user;
	if (kind == NNO_ENTRY_DIRECTORY && name[0] != '.') {
		nno_text_add_n(w->text, name, strlen(name) + 1);
		w->count++;
	}
	return 0;
}

static nnopt_status add_sample(walk *w, const char *name)
{
	if (w->count == w->room) {
		int64_t room = w->room > 0 ? w->room * 2 : 1024;
		sample *more = nno_grow(&w->context->alloc, w->samples, (size_t)room * sizeof *more);
		if (more == NULL)
			return nno_fail_memory("image folder", (size_t)room * sizeof *more);
		w->samples = more;
		w->room = room;
	}
	w->samples[w->count++] = (sample){ .offset = w->text->length, .label = w->label };
	nno_text_add(w->text, w->path);
	nno_text_add(w->text, "/");
	nno_text_add_n(w->text, name, strlen(name) + 1);
	return nno_text_check(w->text, "image folder");
}

static int note_sample(const char *name, nno_entry_kind kind, void *user)
{
	walk *w = user;
	if (name[0] == '.')
		return 0;
	if (kind == NNO_ENTRY_FILE && is_picture_name(name))
		w->status = add_sample(w, name);
	if (kind != NNO_ENTRY_DIRECTORY)
		return w->status != NNOPT_OK;
	if (w->depth == MAX_DEPTH) {
		w->status = nno_fail(NNOPT_ERROR_FORMAT, "%s: directories nested deeper than %d", w->path, MAX_DEPTH);
		return 1;
	}
	nno_text path;
	nno_text_start(&path, &w->context->alloc);
	nno_text_add(&path, w->path);
	nno_text_add(&path, "/");
	nno_text_add(&path, name);
	w->status = nno_text_check(&path, "image folder");
	w->depth++;
	if (w->status == NNOPT_OK)
		(void)list(w, path.data, note_sample);
	w->depth--;
	nno_text_free(&path);
	return w->status != NNOPT_OK;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int by_path(const void *a, const void *b)
{
	const sample *x = a, *y = b;
	return x->label != y->label ? (x->label > y->label) - (x->label < y->label) : strcmp(x->path, y->path);
}

/* The class list of `directory`, sorted. */
static nnopt_status read_classes(folder *f, nnopt_dataset *d, const char *directory, bool follow)
{
	walk w = { .context = d->context, .follow = follow, .text = &f->class_names };
	NNO_TRY(list(&w, directory, note_class));
	NNO_TRY(nno_text_check(&f->class_names, "image folder"));
	if (w.count == 0)
		return nno_fail(NNOPT_ERROR_NOT_FOUND, "%s: no class, one sub-directory a class wanted", directory);
	f->classes = nno_new_array(&d->context->alloc, (size_t)w.count, sizeof *f->classes);
	if (f->classes == NULL)
		return nno_fail_memory("image folder", (size_t)w.count * sizeof *f->classes);
	char *at = f->class_names.data;
	for (int64_t i = 0; i < w.count; i++, at += strlen(at) + 1)
		f->classes[i] = at;
	qsort(f->classes, (size_t)w.count, sizeof *f->classes, by_name);
	d->classes = w.count;
	return NNOPT_OK;
}

/* With classes_from: which of them are here. A class here that is not there would have no number. */
static nnopt_status find_classes(folder *f, nnopt_dataset *d, const char *directory, const char *from, bool follow)
{
	nno_text names;
	nno_text_start(&names, &d->context->alloc);
	walk w = { .context = d->context, .follow = follow, .text = &names };
	nnopt_status status = list(&w, directory, note_class);
	if (status == NNOPT_OK)
		status = nno_text_check(&names, "image folder");
	f->here = nno_new_array(&d->context->alloc, (size_t)d->classes, sizeof *f->here);
	if (status == NNOPT_OK && f->here == NULL)
		status = nno_fail_memory("image folder", (size_t)d->classes);
	const char *at = names.data;
	for (int64_t i = 0; status == NNOPT_OK && i < w.count; i++, at += strlen(at) + 1) {
		char **found = bsearch(&at, f->classes, (size_t)d->classes, sizeof *f->classes, by_name);
		if (found == NULL)
			status = nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: class \"%s\" is not one of %s", directory,
					  at, from);
		else
			f->here[found - f->classes] = true;
	}
	nno_text_free(&names);
	return status;
}

static nnopt_status read_samples(folder *f, nnopt_dataset *d, const char *directory, bool follow)
{
	walk w = { .context = d->context, .follow = follow, .text = &f->names };
	nnopt_status status = NNOPT_OK;
	for (w.label = 0; status == NNOPT_OK && w.label < d->classes; w.label++) {
		if (f->here != NULL && !f->here[w.label])
			continue;
		nno_text path;
		nno_text_start(&path, &d->context->alloc);
		nno_text_add(&path, directory);
		nno_text_add(&path, "/");
		nno_text_add(&path, f->classes[w.label]);
		status = nno_text_check(&path, "image folder");
		if (status == NNOPT_OK)
			status = list(&w, path.data, note_sample);
		nno_text_free(&path);
	}
	f->samples = w.samples;
	d->count = w.count;
	if (status == NNOPT_OK && w.count == 0)
		status = nno_fail(NNOPT_ERROR_NOT_FOUND, "%s: no PNG, JPEG or BMP file in %lld classes", directory,
				  (long long)d->classes);
	if (status != NNOPT_OK)
		return status;
	for (int64_t i = 0; i < w.count; i++)
		w.samples[i].path = f->names.data + w.samples[i].offset;
	qsort(f->samples, (size_t)d->count, sizeof *f->samples, by_path);
	return NNOPT_OK;
}

static nnopt_status read_sample(const nnopt_dataset *d, int64_t index, nno_room *room, nno_picture *picture,
				int64_t *label)
{
	const folder *f = d->state;
	const sample *s = &f->samples[index];
	char *bytes = NULL;
	size_t size;
	NNO_TRY(nno_file_read_all(d->context->io, &d->context->alloc, s->path, MAX_FILE, &bytes, &size));
	nnopt_status status = nno_image_decode(picture, room, (const uint8_t *)bytes, size, f->max_pixels, s->path);
	nno_delete(&d->context->alloc, bytes);
	*label = s->label;
	return status;
}

static int64_t label_of(const nnopt_dataset *d, int64_t index)
{
	return ((const folder *)d->state)->samples[index].label;
}

static const char *sample_name(const nnopt_dataset *d, int64_t index)
{
	return ((const folder *)d->state)->samples[index].path;
}

static const char *class_name(const nnopt_dataset *d, int64_t index)
{
	return ((const folder *)d->state)->classes[index];
}

static void destroy(nnopt_dataset *d)
{
	folder *f = d->state;
	nno_text_free(&f->names);
	nno_text_free(&f->class_names);
	nno_delete(&d->context->alloc, f->classes);
	nno_delete(&d->context->alloc, f->here);
	nno_delete(&d->context->alloc, f->samples);
}

static const nno_dataset_class folder_class = {
	.kind = "image folder",
	.read = read_sample,
	.label = label_of,
	.sample_name = sample_name,
	.class_name = class_name,
	.destroy = destroy,
};

static const nnopt_image_folder_options option_defaults = {
	.struct_size = sizeof(nnopt_image_folder_options),
	.channels = 3,
	.follow_links = 1,
	.max_pixels = (uint64_t)64 << 20,
};

nnopt_status nnopt_image_folder_options_init(nnopt_image_folder_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "image_folder_options");
}

nnopt_status nnopt_image_folder_open(nnopt_dataset **out, nnopt_context *context, const char *directory,
				     const nnopt_image_folder_options *options)
{
	if (out == NULL || context == NULL || directory == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "image_folder_open: an argument is NULL");
	nnopt_image_folder_options o = option_defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "image_folder_options"));
	if (o.channels != 1 && o.channels != 3 && o.channels != 4)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "image_folder_options: channels %d, 1, 3 or 4 wanted",
				o.channels);
	nnopt_dataset *d = NULL;
	NNO_TRY(nno_dataset_make(&d, context, &folder_class, sizeof(folder)));
	folder *f = d->state;
	nno_text_start(&f->names, &context->alloc);
	nno_text_start(&f->class_names, &context->alloc);
	f->max_pixels = o.max_pixels;
	d->channels = o.channels;
	d->decodes = true;
	bool follow = o.follow_links != 0;
	nnopt_status status = read_classes(f, d, o.classes_from != NULL ? o.classes_from : directory, follow);
	if (status == NNOPT_OK && o.classes_from != NULL)
		status = find_classes(f, d, directory, o.classes_from, follow);
	if (status == NNOPT_OK)
		status = read_samples(f, d, directory, follow);
	if (status == NNOPT_OK)
		status = nno_dataset_finish(d);
	if (status == NNOPT_OK)
		*out = d;
	else
		nnopt_dataset_destroy(d);
	return status;
}
