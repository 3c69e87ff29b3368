/* context.c - the context: created once, referenced by everything made from it. */
#include "context/context.h"

#include "blas/blas.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_THREADS 256

nnopt_context *nno_context_take(nnopt_context *context)
{
	nno_ref_take(&context->ref);
	return context;
}

void nno_context_drop(nnopt_context *context)
{
	if (!nno_ref_drop(&context->ref))
		return;
	nno_pool_destroy(context->pool);
	nno_alloc alloc = context->alloc;
	nno_delete(&alloc, context);
}

void nno_log(const nnopt_context *context, nnopt_log_level level, const char *format, ...)
{
	if (context->log == NULL || (int)level > context->log_level)
		return;
	char text[512];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	context->log(level, text, context->log_user);
}

static const struct {
	nnopt_isa isa;
	const char *name;
} isas[] = {
	{ NNOPT_ISA_SCALAR, "scalar" },
	{ NNOPT_ISA_AVX2, "avx2" },
	{ NNOPT_ISA_AVX512, "avx512" },
	{ NNOPT_ISA_NEON, "neon" },
};

const char *nnopt_isa_name(nnopt_isa isa)
{
	for (size_t i = 0; i < NNO_COUNT(isas); i++)
		if (isas[i].isa == isa)
			return isas[i].name;
	return "unknown";
}

static bool other_architecture(int isa)
{
#if defined(__x86_64__)
	return isa == NNOPT_ISA_NEON;
#elif defined(__aarch64__)
	return isa == NNOPT_ISA_AVX2 || isa == NNOPT_ISA_AVX512;
#else
	return isa != NNOPT_ISA_BEST && isa != NNOPT_ISA_SCALAR;
#endif
}

/* The lower of the option's cap and that of the environment; on one architecture a lower number is a lower ISA. */
static int isa_cap(int option)
{
	const char *text = getenv("NNOPT_MAX_ISA");
	for (size_t i = 0; text != NULL && i < NNO_COUNT(isas); i++)
		if (strcmp(text, isas[i].name) == 0 && !other_architecture(isas[i].isa) &&
		    (option == NNOPT_ISA_BEST || (int)isas[i].isa < option))
			return isas[i].isa;
	return option;
}

static int usable_cpus(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
	return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
}

static nnopt_status check_options(const nnopt_context_options *o)
{
	if (o->threads < 0 || o->threads > MAX_THREADS)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "context_options: threads %d, 0 to %d wanted", o->threads,
				MAX_THREADS);
	if (o->isa_cap < NNOPT_ISA_BEST || o->isa_cap > NNOPT_ISA_NEON)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "context_options: isa_cap %d, 0 to %d wanted", o->isa_cap,
				NNOPT_ISA_NEON);
	if (other_architecture(o->isa_cap))
		return nno_fail(NNOPT_ERROR_UNSUPPORTED, "context_options: isa_cap %s is of another architecture",
				nnopt_isa_name((nnopt_isa)o->isa_cap));
	if ((o->alloc == NULL) != (o->free == NULL))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"context_options: alloc and free are given together or not at all");
	if (o->log_level < NNOPT_LOG_ERROR || o->log_level > NNOPT_LOG_DEBUG)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "context_options: log_level %d, 0 to 3 wanted",
				o->log_level);
	if (o->device != NULL && strcmp(o->device, "cpu") != 0)
		return nno_fail(NNOPT_ERROR_UNSUPPORTED, "context_options: device '%.40s', \"cpu\" wanted", o->device);
	return NNOPT_OK;
}

static const nnopt_context_options option_defaults = {
	.struct_size = sizeof(nnopt_context_options),
	.deterministic = 1,
	.log_level = NNOPT_LOG_WARNING,
};

nnopt_status nnopt_context_options_init(nnopt_context_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "context_options");
}

nnopt_status nnopt_context_create(nnopt_context **out, const nnopt_context_options *options)
{
	if (out == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "context_create: out is NULL");
	nnopt_context_options o = option_defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "context_options"));
	NNO_TRY(check_options(&o));
	nno_alloc alloc = nno_alloc_default;
	if (o.alloc != NULL)
		alloc = (nno_alloc){ .alloc = o.alloc, .free = o.free, .user = o.alloc_user };
	nnopt_context *context = nno_new(&alloc, sizeof *context);
	if (context == NULL)
		return nno_fail_memory("context_create", sizeof *context);
	nno_ref_init(&context->ref);
	context->alloc = alloc;
	context->io = &nno_io_posix;
	context->kernels = nno_kernels_best(isa_cap(o.isa_cap));
	context->seed = o.seed;
	context->threads = o.threads > 0 ? o.threads : usable_cpus();
	context->log_level = o.log_level;
	context->log = o.log;
	context->log_user = o.log_user;
	/* Loaded here, because nothing may be once a plan runs. */
	context->deterministic = o.deterministic != 0 || !nno_blas_available();
	if (context->deterministic && o.deterministic == 0)
		nno_log(context, NNOPT_LOG_WARNING, "OpenBLAS is not to be had: own kernels do its work");
	nnopt_status status =
	    nno_pool_create(&context->pool, &context->alloc, context->threads, o.parallel, o.parallel_user);
	if (status != NNOPT_OK) {
		nno_delete(&alloc, context);
		return status;
	}
	*out = context;
	return NNOPT_OK;
}

void nnopt_context_destroy(nnopt_context *context)
{
	if (context != NULL)
		nno_context_drop(context);
}

int32_t nnopt_context_threads(const nnopt_context *context) { return context == NULL ? 0 : context->threads; }

uint64_t nnopt_context_seed(const nnopt_context *context) { return context == NULL ? 0 : context->seed; }

nnopt_isa nnopt_context_isa(const nnopt_context *context)
{
	return context == NULL ? NNOPT_ISA_SCALAR : (nnopt_isa)context->kernels->isa_id;
}

void *nnopt_context_alloc(nnopt_context *context, size_t size)
{
	return context == NULL ? NULL : nno_new(&context->alloc, size);
}

void nnopt_context_free(nnopt_context *context, void *ptr)
{
	if (context != NULL)
		nno_delete(&context->alloc, ptr);
}

nnopt_context *nnopt_context_retain(nnopt_context *context)
{
	return context == NULL ? NULL : nno_context_take(context);
}

void nnopt_log_to_stderr(nnopt_log_level level, const char *text, void *user)
{
	static const char *const levels[] = { "error", "warning", "info", "debug" };
	(void)user;
	const char *name = level >= NNOPT_LOG_ERROR && level <= NNOPT_LOG_DEBUG ? levels[level] : "log";
	fprintf(stderr, "nnopt: %s: %s\n", name, text != NULL ? text : "");
}
