/* data.h - what a source of samples is, and what a transform is. */
#ifndef NNO_DATA_H
#define NNO_DATA_H

#include "base/rng.h"
#include "context/context.h"
#include "nnopt/data.h"

/* A u8 picture in (height, width, channel) order. */
typedef struct nno_picture {
	uint8_t *pixels;
	int64_t h, w;
	int c;
} nno_picture;

/* A source: all functions may run in many threads at once. */
typedef struct nno_dataset_class {
	const char *kind;
	/* Fills picture->pixels (room for max_h * max_w * channels of the dataset), h and w, and the label. */
	nnopt_status (*read)(const nnopt_dataset *dataset, int64_t index, nno_picture *picture, int64_t *label);
	/* Label without reading pixels; -1 when not known. NULL: never known. */
	int64_t (*label)(const nnopt_dataset *dataset, int64_t index);
	/* Name of a sample or a class; NULL where there is none. Each may be NULL. */
	const char *(*sample_name)(const nnopt_dataset *dataset, int64_t index);
	const char *(*class_name)(const nnopt_dataset *dataset, int64_t index);
	void (*destroy)(nnopt_dataset *dataset);
} nno_dataset_class;

struct nnopt_dataset {
	nno_ref ref;
	nnopt_context *context;
	const nno_dataset_class *cls;
	int64_t count, classes, channels, max_h, max_w;
	char (*numbers)[24]; /* class names where the source has none */
	void *state;         /* the source's own, state_size bytes, zeroed at creation */
};

nnopt_status nno_dataset_make(nnopt_dataset **out, nnopt_context *context, const nno_dataset_class *cls, size_t state_size);
nnopt_dataset *nno_dataset_take(nnopt_dataset *dataset);
/* To be called once count and classes are set: makes the names of numbered classes. */
nnopt_status nno_dataset_finish(nnopt_dataset *dataset);
nnopt_status nno_dataset_read(const nnopt_dataset *dataset, int64_t index, nno_picture *picture, int64_t *label);

/* A source whose pictures lie in memory, all of one size: count * h * w * c bytes and a label each, both taken over (and
 * freed on failure). `names`: NULL or one constant text a class. */
nnopt_status nno_packed_make(nnopt_dataset **out, nnopt_context *context, uint8_t *pixels, int32_t *labels, int64_t count,
                             int64_t h, int64_t w, int64_t c, int64_t classes, const char *const *names);

/* One entry of a transform list. */
typedef struct nno_transform nno_transform;
typedef struct nno_transform_class {
	const char *name;
	/* Size after it, from the size before; false when the picture is too small for it. */
	bool (*size)(const nno_transform *t, int64_t *h, int64_t *w);
	/* dst = t(src); dst->h and w are set, dst->pixels has room. The stream is the transform's own for this sample. */
	void (*apply)(const nno_transform *t, nno_picture *dst, const nno_picture *src, nno_rng *r);
} nno_transform_class;

struct nno_transform {
	const nno_transform_class *cls;
	double probability;
	int64_t h, w;     /* target size */
	int64_t pad;
	int32_t mode;     /* nnopt_pad_mode, or bilinear */
	int32_t reserved;
	double degrees;
};

#define NNO_MAX_TRANSFORMS 32

struct nnopt_transforms {
	nno_ref ref;
	nnopt_context *context;
	nno_transform list[NNO_MAX_TRANSFORMS];
	int count;
	bool normalised;
	int channels;        /* of the normalisation; 0: any */
	float mean[4], std[4];
};

/* Size after the whole list; FORMAT when a picture is too small for one of them. */
nnopt_status nno_transforms_size(const nnopt_transforms *t, int64_t *h, int64_t *w);
/* The largest size between two transforms, for scratch. */
void nno_transforms_room(const nnopt_transforms *t, int64_t h, int64_t w, int64_t *pixels);
/* Runs the list on `picture` with two scratch buffers; returns where the result lies. */
nno_picture nno_transforms_run(const nnopt_transforms *t, nno_picture picture, uint8_t *scratch[2], uint64_t seed, int64_t epoch, int64_t sample);

#endif
