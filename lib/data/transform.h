/* transform.h - what a transform is. One file a kind or family: its options, what it does to a picture, the class
 * constant, the public constructor. To add one: that file, a line in kinds.inc, CMakeLists.txt, the public header,
 * lib/nnopt.map, and its cases in tests/data/. */
#ifndef NNO_DATA_TRANSFORM_H
#define NNO_DATA_TRANSFORM_H

#include "data/data.h"

/* Where a transform's random numbers come from. */
typedef struct nno_draw {
	nno_rng rng;  /* its own, of this sample in this epoch */
	nno_rng ever; /* its own, of this sample in every epoch */
	int64_t epoch;
} nno_draw;

/* Uniform in [low, high); `low` where they are the same. */
double nno_draw_between(nno_draw *draw, double low, double high);

typedef struct nno_transform_class {
	const char *name;
	/* Of its state: plain numbers with no padding between them, for the loader's fingerprint takes the bytes. */
	size_t state_size;
	/* Size after it, from the size before; false when the picture is too small for it. NULL: it keeps the size. */
	bool (*size)(const void *state, int64_t *h, int64_t *w);
	/* dst = t(src), which do not overlap; dst comes with src's size and room for what `size` says. Where nothing
	 * changes, *dst = *src will do. */
	void (*apply)(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace);
	/* Bytes of workspace for a picture of that size; NULL: none. */
	size_t (*workspace)(const void *state, int64_t h, int64_t w, int c);
} nno_transform_class;

#define NNO_TRANSFORM(kind) extern const nno_transform_class nno_transform_##kind;
#include "data/kinds.inc"
#undef NNO_TRANSFORM

/* One entry of a list. */
typedef struct nno_transform {
	const nno_transform_class *cls;
	double probability;
	void *state;
} nno_transform;

#define NNO_MAX_TRANSFORMS 32

/* From bytes to floats, last in every list. */
typedef enum nno_normalisation_kind {
	NNO_NORMALISE_UNIT, /* to [0, 1]: what a list without one gets */
	NNO_NORMALISE_FIXED,
	NNO_NORMALISE_PICTURE,        /* by the picture's own mean and deviation */
	NNO_NORMALISE_PICTURE_CHANNEL /* by those of each of its channels */
} nno_normalisation_kind;

typedef struct nno_normalisation {
	int32_t kind;
	int32_t channels; /* of a fixed one; 0: any */
	float mean[4], std[4];
	double epsilon;
} nno_normalisation;

struct nnopt_transforms {
	nno_ref ref;
	nnopt_context *context;
	nno_transform list[NNO_MAX_TRANSFORMS];
	int count;
	bool normalised;
	nno_normalisation normalisation;
};

/* Appends a transform with a copy of its state; for the public constructors. */
nnopt_status nno_transforms_append(nnopt_transforms *t, const nno_transform_class *cls, double probability,
				   const void *state);
/* What the list `from` holds (NULL: nothing) in a new one. */
nnopt_status nno_transforms_copy(nnopt_transforms **out, nnopt_context *context, const nnopt_transforms *from);
/* Size after the whole list; FORMAT when a picture is too small for one of them. */
nnopt_status nno_transforms_size(const nnopt_transforms *t, int64_t *h, int64_t *w);
/* Runs the list on `picture`, which is not written; the result lies where it lay or in the room. What is drawn is a
 * function of (seed, epoch, time), and what holds in every epoch of (seed, sample). */
nnopt_status nno_transforms_run(const nnopt_transforms *t, nno_picture *picture, nno_room *room, uint64_t seed,
				int64_t epoch, int64_t sample, int64_t time);
/* `hash` with all that decides what the list does. */
uint64_t nno_transforms_fingerprint(const nnopt_transforms *t, uint64_t hash);
/* FNV-1a, from `hash` on. */
uint64_t nno_mix(uint64_t hash, const void *data, size_t n);

/* What a fixed normalisation makes of each value in each channel. */
typedef struct nno_value_table {
	float of[4][256];
} nno_value_table;
void nno_normalisation_table(const nno_normalisation *n, nno_value_table *table);
/* dst[] = the normalised picture; `table` is that of `n`. */
void nno_normalise(const nno_normalisation *n, const nno_value_table *table, float *dst, const nno_picture *p);

/* --- checks of options; the texts name kind, option, value and limits --- */

/* least <= value <= most */
nnopt_status nno_check_number(const char *kind, const char *option, double value, double least, double most);
/* least <= low <= high <= most */
nnopt_status nno_check_range(const char *kind, const char *option, double low, double high, double least, double most);
/* Height and width of a target. */
nnopt_status nno_check_size(const char *kind, int64_t h, int64_t w);

/* --- geometry that several kinds need --- */

/* How a warp reads, and what stands outside. */
typedef struct nno_look {
	bool bilinear;
	uint8_t fill[4];
} nno_look;

/* dst (of src's size) = src read at x' = m[0] x + m[1] y + m[2], y' = m[3] x + m[4] y + m[5]. Pillow's bits. */
void nno_warp(nno_picture *dst, const nno_picture *src, const double m[6], const nno_look *look);
/* The matrix of a rotation about the centre, as Pillow's Image.rotate(). */
void nno_rotate(nno_picture *dst, const nno_picture *src, double degrees, const nno_look *look);
typedef struct nno_affine {
	double centre_x, centre_y, degrees, move_x, move_y, scale, shear_x, shear_y; /* pixels and degrees */
} nno_affine;
/* torchvision's functional.affine() on a Pillow picture. */
void nno_affine_warp(nno_picture *dst, const nno_picture *src, const nno_affine *a, const nno_look *look);

/* Resizing to dst's size, of the window of src at (top, left) of size h x w. Pillow's bits, up to version 12. */
void nno_resize_window(nno_picture *dst, const nno_picture *src, int64_t top, int64_t left, int64_t h, int64_t w,
		       void *workspace);
void nno_resize(nno_picture *dst, const nno_picture *src, void *workspace);
/* For that window or any smaller one. */
size_t nno_resize_workspace(int64_t from_h, int64_t from_w, int64_t to_h, int64_t to_w, int c);

/* Where padding by reflection takes position `at` from, n > 1 and at most one reflection away. */
static inline int64_t nno_reflect(int64_t at, int64_t n) { return at < 0 ? -at : at >= n ? 2 * (n - 1) - at : at; }

#endif
