/* quickstart.h - what the program that trains and the one that uses the network must agree on. */
#ifndef QUICKSTART_H
#define QUICKSTART_H

#include "example.h"

#define CLASSES 10
#define PICTURES 6

static const char *const class_names[CLASSES] = { "T-shirt", "Trouser", "Pullover", "Dress", "Coat",
						  "Sandal",  "Shirt",   "Sneaker",  "Bag",   "Ankle boot" };
static const float mean[1] = { 0.2860f }, deviation[1] = { 0.3530f }; /* of Fashion-MNIST's training pictures */

static nnopt_dataset *open_part(nnopt_context *ctx, const char *dir, const char *part)
{
	char images[1024], labels[1024];
	nnopt_dataset *data = NULL;
	snprintf(images, sizeof images, "%s/%s-images-idx3-ubyte.gz", dir, part);
	snprintf(labels, sizeof labels, "%s/%s-labels-idx1-ubyte.gz", dir, part);
	CHECK(nnopt_idx_open(&data, ctx, images, labels));
	return data;
}

static nnopt_loader *make_loader(nnopt_context *ctx, nnopt_dataset *data, int32_t training)
{
	nnopt_transforms *t = NULL;
	nnopt_loader *loader = NULL;
	nnopt_loader_options o;
	CHECK(nnopt_transforms_create(&t, ctx));
	if (training) {
		CHECK(nnopt_transforms_add_pad_crop(t, 2, NNOPT_PAD_ZERO, 0.5));
		CHECK(nnopt_transforms_add_horizontal_flip(t, 0.5));
	}
	CHECK(nnopt_transforms_add_normalise(t, mean, deviation, 1));
	CHECK(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 128;
	o.shuffle = o.drop_last = training;
	CHECK(nnopt_loader_create(&loader, data, t, &o));
	nnopt_transforms_destroy(t);
	return loader;
}

#endif
