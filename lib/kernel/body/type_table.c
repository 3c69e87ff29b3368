/* type_table.c - this ISA's table for values of one type, one entry a line of typed.inc. */
#include "kernel/body.h"

typedef NNO_JOIN(nno_kernels, NNO_TYPE) type_table;

extern const type_table NNO_OF(kernels_of);
const type_table NNO_OF(kernels_of) = {
#define NNO_KERNEL(name, args) .name = NNO_OF(name),
#include "kernel/typed.inc"
#undef NNO_KERNEL
};
