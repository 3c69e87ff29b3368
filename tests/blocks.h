/* blocks.h - a model's parameters and running statistics, all of them at once. */
#ifndef TESTS_BLOCKS_H
#define TESTS_BLOCKS_H

#include "check.h"

static inline nnopt_model_blocks blocks_of(nnopt_model *m)
{
	nnopt_model_blocks k = { .struct_size = sizeof k };
	assert_ok(nnopt_model_get_blocks(m, &k));
	return k;
}

static inline void assert_same_weights(nnopt_model *a, nnopt_model *b)
{
	nnopt_model_blocks x = blocks_of(a), y = blocks_of(b);
	assert_int_equal(x.parameter_elements, y.parameter_elements);
	assert_int_equal(x.state_elements, y.state_elements);
	assert_memory_equal(x.parameters, y.parameters, (size_t)x.parameter_elements * sizeof(float));
	assert_memory_equal(x.state, y.state, (size_t)x.state_elements * sizeof(float));
}

#endif
