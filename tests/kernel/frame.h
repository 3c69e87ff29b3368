/* frame.h - what the cases of kernels are made of: buffers between pages that must not be touched, their contents, and
 * which of them are results. */
#ifndef TESTS_KERNEL_FRAME_H
#define TESTS_KERNEL_FRAME_H

#include "check.h"

#include "kernel/kernel.h"

typedef enum element { FLOATS, DOUBLES, BYTES, BF16S, F16S } element;

typedef struct output {
	const char *at;
	size_t bytes;
	element kind;
} output;

enum { BUFFERS = 64, OUTPUTS = 32 };

typedef struct frame {
	const nno_kernels *k;
	int64_t n;
	int side;     /* 0: scalar's buffers, 1: the other's */
	int integers; /* inputs are small integers */
	int at_front; /* buffers begin at the start of a page, after one that must not be touched; else they end before
			 one */
	int timing; /* 0; 1: buffers are aligned as a plan's are, not at the same place of a page; 2: and keep what they
		       hold */
	int given;  /* buffers handed out */
	int n_outputs;
	output outputs[OUTPUTS];
} frame;

typedef struct kernel_case {
	const char *name;
	void (*run)(frame *f);
} kernel_case;

typedef struct case_list {
	const kernel_case *cases;
	size_t count;
} case_list;

/* Of kernels.inc, and of typed.inc for each type. */
extern const case_list float_cases, value_cases_f32, value_cases_bf16, value_cases_f16;

enum { ISA_LIST = 4 };
extern const int isas[ISA_LIST];

/* Once, before the first buffer. */
void map_buffers(void);
void *take(frame *f, size_t bytes);
/* The i-th number of a stream: a small integer or a fraction in [-2, 2). */
float value(const frame *f, uint32_t stream, int64_t i);
/* `count` numbers times a scale. */
float *in(frame *f, int64_t count, float scale);
/* Makes the buffer that was taken last a result. */
void *result(frame *f, void *p, size_t bytes, element kind);
/* Results, filled as an input is, because some kernels add to them. */
float *out(frame *f, int64_t count);
double *doubles_out(frame *f, int64_t count);
uint8_t *bytes_out(frame *f, int64_t count);
/* One of 1 .. most that depends on n in no simple way; sums of so many integers' products are exact. */
int64_t size_of(const frame *f, int which, int64_t most);
/* A number of a result as it is, and the distance of its neighbours in a 16-bit type, 0 for others. */
double number_at(const output *o, size_t i);
double step_at(const output *o, double x);

/* conversions.c */
void widening_is_exact(void **state);
void narrowing_rounds_to_nearest(void **state);

#endif
