/**
 * @file context.h
 * The context: threads, seed, allocator, log. Every other object is created from one and keeps a reference to it.
 *
 * Threads: distinct contexts never meet. Objects of one context may be used by different threads at once, each object by
 * one thread at a time; parallel regions of one context run one after the other.
 */
#ifndef NNOPT_CONTEXT_H
#define NNOPT_CONTEXT_H

#include <nnopt/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The handle that every other object is made from. @since 0.1 */
typedef struct nnopt_context nnopt_context;

/** Instruction sets, each a superset of those before it on its architecture. */
typedef enum nnopt_isa {
	NNOPT_ISA_BEST = 0,   /**< the best one that library and CPU share */
	NNOPT_ISA_SCALAR = 1, /**< portable C, every CPU */
	NNOPT_ISA_AVX2 = 2,   /**< x86-64 with AVX2, FMA and F16C */
	NNOPT_ISA_AVX512 = 3, /**< x86-64 with AVX-512 F, BW, DQ, VL */
	NNOPT_ISA_NEON = 4,   /**< AArch64 */
	NNOPT_ISA_FORCE_32 = 0x7fffffff
} nnopt_isa;

/** How grave a line of log is. @since 0.1 */
typedef enum nnopt_log_level {
	NNOPT_LOG_ERROR = 0,
	NNOPT_LOG_WARNING = 1,
	NNOPT_LOG_INFO = 2,
	NNOPT_LOG_DEBUG = 3,
	NNOPT_LOG_FORCE_32 = 0x7fffffff
} nnopt_log_level;

/** Receives one line of log, no newline. Called on the thread that called into the library, except for loader threads'
 *  warnings, which are handed over at the next batch. */
typedef void (*nnopt_log_fn)(nnopt_log_level level, const char *text, void *user);
/** Allocates `size` bytes aligned to `alignment` (a power of two), or returns NULL. Must be thread-safe. */
typedef void *(*nnopt_alloc_fn)(size_t size, size_t alignment, void *user);
/** Frees what nnopt_alloc_fn returned for `size`. Must be thread-safe; never called with NULL. */
typedef void (*nnopt_free_fn)(void *ptr, size_t size, void *user);
/** One task of a parallel loop. */
typedef void (*nnopt_task_fn)(int64_t index, void *task_user);
/** The caller's own thread pool: runs task(i, task_user) for every i in [0, count), in any order and on any threads,
 *  and returns when all are done. Results do not depend on how it does so. */
typedef void (*nnopt_parallel_fn)(int64_t count, nnopt_task_fn task, void *task_user, void *user);

/** Options of nnopt_context_create(). @since 0.1 */
typedef struct nnopt_context_options {
	size_t struct_size;
	uint64_t seed;              /**< of everything random; any value is ordinary. Default 0. */
	int32_t threads;            /**< compute threads, the caller's included; 0 = one for each CPU the process may use. Default 0. */
	int32_t isa_cap;            /**< nnopt_isa, the highest one to use. Default NNOPT_ISA_BEST. Environment NNOPT_MAX_ISA
	                                 (scalar, avx2, avx512, neon) lowers it further. */
	int32_t deterministic;      /**< 1: same bits at any thread count (own kernels only). 0: OpenBLAS may serve large
	                                 matrix products; it is loaded when the first such context is created, and
	                                 where it is not to be had, own kernels go on. Default 1. */
	int32_t log_level;          /**< nnopt_log_level, the highest one that reaches `log`. Default NNOPT_LOG_WARNING. */
	nnopt_log_fn log;           /**< NULL: no log. */
	void *log_user;             /**< given to `log` */
	nnopt_alloc_fn alloc;       /**< NULL with `free` NULL: the malloc family. */
	nnopt_free_fn free;         /**< both or neither */
	void *alloc_user;           /**< given to `alloc` and `free` */
	nnopt_parallel_fn parallel; /**< NULL: the library's own pthread pool of `threads`. */
	void *parallel_user;        /**< given to `parallel` */
	const char *device;         /**< NULL or "cpu". */
} nnopt_context_options;

/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_context_options_init(nnopt_context_options *options, size_t size);

/** Creates a context. Threads are started at the first parallel call, not here.
 *  @param options NULL for the defaults; copied.
 *  Errors: INVALID_ARGUMENT, OUT_OF_MEMORY, UNSUPPORTED (a device, an isa_cap of another architecture). @since 0.1 */
NNOPT_API nnopt_status nnopt_context_create(nnopt_context **out, const nnopt_context_options *options);
/** Destroys the handle; the context lives until the last object made from it is destroyed. NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_context_destroy(nnopt_context *context);

/** Compute threads in use. @since 0.1 */
NNOPT_API int32_t nnopt_context_threads(const nnopt_context *context);
/** The seed given. @since 0.1 */
NNOPT_API uint64_t nnopt_context_seed(const nnopt_context *context);
/** The ISA in use, never NNOPT_ISA_BEST. @since 0.1 */
NNOPT_API nnopt_isa nnopt_context_isa(const nnopt_context *context);
/** "scalar", "avx2", "avx512", "neon"; "unknown" otherwise. @since 0.1 */
NNOPT_API const char *nnopt_isa_name(nnopt_isa isa);

/** `size` zeroed bytes from the context's allocator, aligned to 64; NULL when out of memory. Freed by
 *  nnopt_context_free() of the same context, which must still live then. @since 0.1 */
NNOPT_API void *nnopt_context_alloc(nnopt_context *context, size_t size);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_context_free(nnopt_context *context, void *ptr);
/** One more reference to the context, to be given back by nnopt_context_destroy(). @since 0.1 */
NNOPT_API nnopt_context *nnopt_context_retain(nnopt_context *context);

/** A ready-made nnopt_log_fn: writes "nnopt: <level>: <text>" to stderr. @since 0.1 */
NNOPT_API void nnopt_log_to_stderr(nnopt_log_level level, const char *text, void *user);

#ifdef __cplusplus
}
#endif

#endif
