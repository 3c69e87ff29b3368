/* mixing.h - how the samples of a batch are mixed with each other. */
#ifndef NNO_DATA_MIXING_H
#define NNO_DATA_MIXING_H

#include "data/data.h"

enum { NNO_MIX_NOTHING, NNO_MIX_UP, NNO_MIX_CUT };

/* What the options say of mixing: whether there is any, and whether it makes sense. */
bool nno_mixing_wanted(const nnopt_loader_options *o);
nnopt_status nno_mixing_check(const nnopt_loader_options *o);

/* One for a whole batch. */
typedef struct nno_mixing {
	int kind;
	double lambda;                    /* share of a sample's own target */
	int64_t top, bottom, left, right; /* of NNO_MIX_CUT: what comes from the partner; the ends are outside */
} nno_mixing;

/* That of batch number `batch` of an epoch, of pictures of that size. */
void nno_mixing_draw(nno_mixing *m, const nnopt_loader_options *o, uint64_t seed, int64_t epoch, int64_t batch,
		     int64_t h, int64_t w);
/* The rectangle about row y and column x for m->lambda, which then follows what of it lies inside. */
void nno_mixing_box(nno_mixing *m, int64_t y, int64_t x, int64_t h, int64_t w);
/* Mixes n pictures (h, w, c) in place, each with the one before it, the first with the last; `spare`: room for one. */
void nno_mixing_images(const nno_mixing *m, const nno_kernels *kernels, float *images, int64_t n, int64_t h, int64_t w,
		       int64_t c, float *spare);
/* Their targets, n rows. */
void nno_mixing_targets(const nno_mixing *m, float *targets, const int32_t *labels, int64_t n, int64_t classes);

#endif
