/* lazy.c - which ops take on a normalisation's work, and memory for what their tasks find. */
#include "op/lazy.h"

#include "base/size.h"

bool nno_op_borrows(const nno_op *op) { return op->cls == &nno_op_conv_pointwise || op->cls == &nno_op_conv_depthwise; }

bool nno_partials_bytes(const nno_partials *p, int floats, int64_t channels, size_t *bytes)
{
	return nno_size_mul((size_t)channels, (size_t)floats * sizeof(float), bytes) &&
	       nno_size_add(*bytes, sizeof *p->rows, bytes) && nno_size_mul(*bytes, (size_t)p->most, bytes);
}

void nno_partials_place(nno_partials *p, void *memory)
{
	p->rows = memory;
	p->found = (float *)(void *)(p->rows + p->most);
}
