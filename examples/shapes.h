/* shapes.h - pictures for examples that are given none: ten kinds of shapes, of any size and place, in noise. */
#ifndef SHAPES_H
#define SHAPES_H

#include "example.h"

#define SHAPES 10
#define SHAPE_SIDE 24

/* Whether the point (x, y), seen from the middle of a shape that reaches from -1 to 1, belongs to it. */
static inline int in_shape(int shape, float x, float y)
{
	float ax = x < 0.0f ? -x : x, ay = y < 0.0f ? -y : y, rim = ax > ay ? ax : ay, r = x * x + y * y;
	switch (shape) {
	case 0:
		return r < 1.0f; /* disc */
	case 1:
		return r < 1.0f && r > 0.4f; /* ring */
	case 2:
		return rim < 0.9f; /* square */
	case 3:
		return rim < 0.9f && rim > 0.5f; /* frame */
	case 4:
		return rim < 1.0f && (ax < 0.3f || ay < 0.3f); /* upright cross */
	case 5:
		return rim < 1.0f && (ax - ay < 0.35f && ay - ax < 0.35f); /* slanting cross */
	case 6:
		return rim < 1.0f && (int)((y + 1.0f) * 2.5f) % 2 == 0; /* bars across */
	case 7:
		return rim < 1.0f && (int)((x + 1.0f) * 2.5f) % 2 == 0; /* bars upright */
	case 8:
		return ax + ay < 1.0f; /* diamond */
	default:
		return y > -0.8f && y < 0.8f && ax < (y + 0.8f) * 0.6f; /* triangle */
	}
}

static inline uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* `count` grey pictures; another seed makes others. */
static inline nnopt_dataset *make_shapes(nnopt_context *ctx, int64_t count, uint32_t seed)
{
	nnopt_tensor *images = NULL, *labels = NULL;
	nnopt_dataset *data = NULL;
	CHECK(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (const int64_t[]){ count, 1, SHAPE_SIDE, SHAPE_SIDE },
				  NNOPT_NCHW));
	CHECK(nnopt_tensor_create(&labels, ctx, NNOPT_I32, 1, &count, NNOPT_NCHW));
	uint8_t *pixel = nnopt_tensor_data(images);
	int32_t *label = nnopt_tensor_data(labels);
	for (int64_t i = 0; i < count; i++) {
		float r = 5.0f + (float)(next_random(&seed) % 400) / 100.0f;
		float cx = r + (float)(next_random(&seed) % 100) / 100.0f * (SHAPE_SIDE - 2.0f * r);
		float cy = r + (float)(next_random(&seed) % 100) / 100.0f * (SHAPE_SIDE - 2.0f * r);
		int light = 50 + (int)(next_random(&seed) % 60);
		label[i] = (int32_t)(i % SHAPES);
		for (int k = 0; k < SHAPE_SIDE * SHAPE_SIDE; k++) {
			float x = ((float)(k % SHAPE_SIDE) - cx) / r, y = ((float)(k / SHAPE_SIDE) - cy) / r;
			int noise = (int)(next_random(&seed) % 120);
			*pixel++ = (uint8_t)(noise + (in_shape(label[i], x, y) ? light : 0));
		}
	}
	CHECK(nnopt_dataset_from_tensors(&data, ctx, images, labels)); /* copies */
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
	return data;
}

/* One part of CIFAR-10 where a directory is given, else `count` shapes; in batches of 64. */
static inline nnopt_loader *open_pictures(nnopt_context *ctx, const char *cifar10, nnopt_split split, int64_t count,
					  int32_t shuffle)
{
	nnopt_dataset *data = NULL;
	nnopt_loader_options o;
	nnopt_loader *loader = NULL;
	if (cifar10 != NULL)
		CHECK(nnopt_cifar10_open(&data, ctx, cifar10, split));
	else
		data = make_shapes(ctx, count, split == NNOPT_SPLIT_TRAIN ? 1 : 2);
	CHECK(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 64;
	o.shuffle = shuffle;
	CHECK(nnopt_loader_create(&loader, data, NULL, &o));
	nnopt_dataset_destroy(data);
	return loader;
}

/* Three convolutions that tell the shapes apart. */
static inline nnopt_model *make_shapes_network(nnopt_context *ctx)
{
	nnopt_model *net = NULL;
	CHECK(nnopt_model_create(&net, ctx));
	for (int64_t width = 16; width <= 64; width *= 2) {
		CHECK(nnopt_add_conv2d(net, width, 3, NULL));
		CHECK(nnopt_add_batch_norm2d(net, NULL));
		CHECK(nnopt_add_relu(net));
		CHECK(width < 64 ? nnopt_add_max_pool2d(net, 2, NULL) : nnopt_add_global_max_pool2d(net));
	}
	CHECK(nnopt_add_flatten(net));
	CHECK(nnopt_add_linear(net, SHAPES, NULL));
	return net;
}

#endif
