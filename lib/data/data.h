/* data.h - what a picture is, and what a source of samples is. */
#ifndef NNO_DATA_H
#define NNO_DATA_H

#include "base/rng.h"
#include "context/context.h"
#include "nnopt/data.h"

#include <string.h>

/* A u8 picture in (height, width, channel) order. */
typedef struct nno_picture {
	uint8_t *pixels;
	int64_t h, w;
	int c;
} nno_picture;

/* One pixel; a length known to the compiler is copied in place, without a call. */
static inline void nno_copy_pixel(uint8_t *to, const uint8_t *from, int channels)
{
	if (channels == 3)
		memcpy(to, from, 3);
	else
		memcpy(to, from, (size_t)channels);
}

/* Pillow's convert("L"): ITU-R 601-2 luma in 16 bits. */
static inline uint8_t nno_luma(const uint8_t *p)
{
	return (uint8_t)((p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000) >> 16);
}

/* Memory that grows to the largest thing it had to hold; all zero but `alloc` at first. What it held is lost when it
 * grows. */
typedef struct nno_room {
	const nno_alloc *alloc;
	uint8_t *bytes;
	size_t size;
} nno_room;

nnopt_status nno_room_fit(nno_room *room, size_t bytes, const char *what);
void nno_room_free(nno_room *room);

/* A source: all functions may run in many threads at once. */
typedef struct nno_dataset_class {
	const char *kind;
	/* Finds pixels, h and w of a picture of picture->c channels, and the label. The pixels lie in the room or in
	 * the source itself and are not to be written. */
	nnopt_status (*read)(const nnopt_dataset *dataset, int64_t index, nno_room *room, nno_picture *picture,
			     int64_t *label);
	/* Label without reading pixels; -1 when not known. NULL: never known. */
	int64_t (*label)(const nnopt_dataset *dataset, int64_t index);
	/* Name of a sample or a class; NULL where there is none. Each may be NULL. */
	const char *(*sample_name)(const nnopt_dataset *dataset, int64_t index);
	const char *(*class_name)(const nnopt_dataset *dataset, int64_t index);
	/* Whether a sample is worth a cache; NULL: as dataset->decodes says of all. */
	bool (*decodes)(const nnopt_dataset *dataset, int64_t index);
	void (*destroy)(nnopt_dataset *dataset);
} nno_dataset_class;

struct nnopt_dataset {
	nno_ref ref;
	nnopt_context *context;
	const nno_dataset_class *cls;
	int64_t count, classes, channels;
	bool decodes;        /* some are dear to read and the same each time: worth a cache */
	char (*numbers)[24]; /* class names where the source has none */
	void *state;         /* the source's own, state_size bytes, zeroed at creation */
};

nnopt_status nno_dataset_make(nnopt_dataset **out, nnopt_context *context, const nno_dataset_class *cls,
			      size_t state_size);
/* The same, with the context, classes, channels and cost of reading of `base`, whose samples it shows in another way.
 */
nnopt_status nno_dataset_view(nnopt_dataset **out, const nnopt_dataset *base, const nno_dataset_class *cls,
			      size_t state_size);
nnopt_dataset *nno_dataset_take(nnopt_dataset *dataset);
/* To be called once count and classes are set: makes the names of numbered classes. */
nnopt_status nno_dataset_finish(nnopt_dataset *dataset);
nnopt_status nno_dataset_read(const nnopt_dataset *dataset, int64_t index, nno_room *room, nno_picture *picture,
			      int64_t *label);

bool nno_dataset_decodes(const nnopt_dataset *dataset, int64_t index);

/* A source whose pictures lie in memory, all of one size: count * h * w * c bytes and a label each, both taken over
 * (and freed on failure). `names`: NULL or one constant text a class. */
nnopt_status nno_packed_make(nnopt_dataset **out, nnopt_context *context, uint8_t *pixels, int32_t *labels,
			     int64_t count, int64_t h, int64_t w, int64_t c, int64_t classes, const char *const *names);

/* Picture files. The format is known by the content. picture->c is the number of channels wanted (1, 3 or 4): grey as
 * Pillow's convert("L"), alpha dropped or 255. The pixels lie in the room. `name` is the file's, for errors. */
nnopt_status nno_image_decode(nno_picture *picture, nno_room *room, const uint8_t *bytes, size_t size,
			      uint64_t max_pixels, const char *name);
/* One format each, in the channels it has, of which at most `channels` fit; they set picture->c. */
nnopt_status nno_jpeg_decode(nno_picture *picture, nno_room *room, const uint8_t *bytes, size_t size,
			     uint64_t max_pixels, const char *name);
nnopt_status nno_png_decode(nno_picture *picture, nno_room *room, const uint8_t *bytes, size_t size,
			    uint64_t max_pixels, const char *name);
nnopt_status nno_stb_decode(nno_picture *picture, nno_room *room, const uint8_t *bytes, size_t size,
			    uint64_t max_pixels, const char *name);
/* Room for a picture of that size in up to four channels; refuses one of more than max_pixels. */
nnopt_status nno_picture_fit(nno_picture *picture, nno_room *room, int64_t h, int64_t w, uint64_t max_pixels,
			     const char *name);

#endif
