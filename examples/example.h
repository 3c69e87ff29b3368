/* example.h - what the examples share: one way to end on an error. */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include "arguments.h"

#include <nnopt/nnopt.h>

/* A program may end on an error; a library may not, so every call says whether it worked and why not. */
#define CHECK(call)                                                                             \
	do {                                                                                    \
		if ((call) != NNOPT_OK) {                                                       \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, nnopt_last_error()); \
			exit(EXIT_FAILURE);                                                     \
		}                                                                               \
	} while (0)

/* DIR/PART with a folder for each class. Classes are numbered as in DIR/train: one that PART lacks shifts no label. */
static inline nnopt_status open_folder(nnopt_dataset **out, nnopt_context *ctx, const char *dir, const char *part)
{
	nnopt_image_folder_options o;
	char path[1024], train[1024];
	snprintf(path, sizeof path, "%s/%s", dir, part);
	snprintf(train, sizeof train, "%s/train", dir);
	CHECK(nnopt_image_folder_options_init(&o, sizeof o));
	o.classes_from = train;
	return nnopt_image_folder_open(out, ctx, path, &o);
}

#endif
