/* augment.h - the operations of RandAugment and TrivialAugment, so that tests see each. */
#ifndef NNO_DATA_AUGMENT_H
#define NNO_DATA_AUGMENT_H

#include "data/transform.h"

#define NNO_AUGMENT_OPERATIONS 14

typedef struct nno_augment_operation {
	const char *name;
	/* dst, of src's size, must not overlap it. NULL: the identity. */
	void (*apply)(nno_picture *dst, const nno_picture *src, double magnitude, const nno_look *look);
	bool is_signed;
	double strong, wide; /* the last magnitude of RandAugment and of TrivialAugment */
} nno_augment_operation;

extern const nno_augment_operation nno_augment_operations[NNO_AUGMENT_OPERATIONS];

/* Magnitude `bin` of `bins` of an operation on p, without sign. */
double nno_augment_magnitude(int operation, bool wide, int bins, int bin, const nno_picture *p);

#endif
