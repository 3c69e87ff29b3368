/* bench.h - what the parts of the benchmark share: settings, the clock, how a case is timed and printed. */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include "networks.h"

#include <stdio.h>
#include <stdlib.h>

#define TRY(call)                                                                               \
	do {                                                                                    \
		if ((call) != NNOPT_OK) {                                                       \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, nnopt_last_error()); \
			exit(EXIT_FAILURE);                                                     \
		}                                                                               \
	} while (0)

typedef struct settings {
	const char *filter;             /* a case runs when its name holds this text */
	char *program;                  /* this one, to be started anew where a fresh process is measured */
	const char *pictures, *cifar10; /* directories for the loader's cases, or NULL */
	double seconds;                 /* of measuring a case */
	int32_t threads, isa;           /* as in nnopt_context_options */
	char *isa_name, *precision_name;
	nnopt_precision precision;
	int json, profile;
} settings;

extern settings bench;

/* Seconds of a clock that never goes back. */
double now(void);
/* Whether the case called so is asked for. */
int wanted(const char *name);
/* Whether cases that begin so are asked for by the beginning of their names: parts that are dear to prepare ask first.
 */
int wanted_part(const char *part);

/* Calls `once` for about bench.seconds in five rounds, after one call that is not timed. `once` returns the seconds
 * that count, or a negative number when all of its time does. The best round's seconds a call count, because others'
 * work only ever adds time; the worst round's stand beside them. */
typedef struct timing {
	double best, worst;
	long calls;
} timing;
timing measure(double (*once)(void *user), void *user);

/* A case's line: name, rate in `unit`, and up to eight numbers more. */
typedef struct extra {
	const char *name;
	double value;
	int decimals;
} extra;
void report(const char *name, const char *unit, double best, double worst, const extra *more, int count);

/* The parts, in the order they run. */
nnopt_context *
open_context(int counting);    /* counting: allocations are, which takes an allocator other than the default */
long allocations_so_far(void); /* in all counting contexts */
void machine_cases(int threads);
double machine_peak(int isa, int threads, nnopt_precision precision); /* GFLOP/s, measured once */
void conv_cases(nnopt_context *context);
void network_cases(nnopt_context *context);
void optimizer_cases(nnopt_context *context);
void loader_cases(nnopt_context *context);
void process_cases(void);
/* What a fresh process does: a network's first training steps, at least one, and one line on stdout. */
int process_child(const char *name, int64_t batch, int64_t steps);

/* A network ready for steps on made-up pictures. */
typedef struct trial {
	nnopt_model *net;
	nnopt_plan *plan;
	nnopt_loss *loss;
	nnopt_optimizer *adam;
	nnopt_tensor *images, *labels;
	int training;
} trial;
trial trial_start(nnopt_context *context, const network *what, int64_t batch, int training);
void trial_step(trial *t);
void trial_end(trial *t);

#endif
