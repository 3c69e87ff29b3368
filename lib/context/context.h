/* context.h - what every object carries: allocator, I/O table, thread pool, kernel table, seed, log. */
#ifndef NNO_CONTEXT_H
#define NNO_CONTEXT_H

#include "base/alloc.h"
#include "base/error.h"
#include "base/io.h"
#include "base/ref.h"
#include "kernel/kernel.h"
#include "nnopt/context.h"
#include "par/par.h"

struct nnopt_context {
	nno_ref ref;
	nno_alloc alloc;
	const nno_io *io; /* nno_io_posix; tests put a failing one here */
	const nno_kernels *kernels;
	nno_pool *pool;
	uint64_t seed;
	int threads;
	int deterministic; /* 0: blas/ may be used, and is there */
	int log_level;
	nnopt_log_fn log;
	void *log_user;
};

/* References; objects take one at creation and drop it at the end. */
nnopt_context *nno_context_take(nnopt_context *context);
void nno_context_drop(nnopt_context *context);

/* A log line, when the level asks for it; at most 511 bytes. Only on the thread that called into the library. */
void nno_log(const nnopt_context *context, nnopt_log_level level, const char *format, ...) NNO_PRINTF(3, 4);

#endif
