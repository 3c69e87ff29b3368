/* nnopt_bench.c - how fast this library and this machine are, one line a case. docs/performance.md says how to read it.
 *
 * usage: nnopt-bench [--json] [--filter TEXT] [--threads N] [--seconds S] [--isa NAME] [--precision NAME] [--profile]
 *                    [--pictures DIR] [--cifar10 DIR] [--child NETWORK [--batch N] [--steps N]]
 * Cases: machine/ (arithmetic peak, memory), conv/ (3x3 convolutions by pass), NETWORK/train|infer/BATCH, optimizer/
 * (an update of 16 million parameters), loader/,
 * process/ (a fresh process: time to the first step, memory). --isa caps the instruction set. --profile adds a line an
 * op to the networks.
 * --pictures DIR is a folder of JPEG files (DIR/CLASS/...), --cifar10 DIR the binary version; without them the loader's
 * cases are those from memory. --child NETWORK does nothing but N training steps of it: what process/ starts anew, and
 * instructions.py counts. */
#include "bench.h"

#include <getopt.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

settings bench = {
	.filter = "", .seconds = 3.0, .precision = NNOPT_PRECISION_F32, .precision_name = "f32", .isa_name = "best"
};
static atomic_long allocations;

double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int wanted(const char *name) { return strstr(name, bench.filter) != NULL; }

int wanted_part(const char *part)
{
	size_t part_length = strlen(part), length = strlen(bench.filter);
	return length == 0 || strncmp(part, bench.filter, length < part_length ? length : part_length) == 0;
}

timing measure(double (*once)(void *user), void *user)
{
	timing t = { .best = INFINITY };
	(void)once(user);
	for (int round = 0; round < 5; round++) {
		double begun = now(), counted = 0.0, each;
		long calls = 0;
		do {
			double before = now();
			each = once(user);
			counted += each < 0.0 ? now() - before : each;
			calls++;
		} while (now() - begun < bench.seconds / 5.0);
		each = counted / (double)calls;
		t.best = each < t.best ? each : t.best;
		t.worst = each > t.worst ? each : t.worst;
		t.calls += calls;
	}
	return t;
}

void report(const char *name, const char *unit, double best, double worst, const extra *more, int count)
{
	if (bench.json)
		printf("{\"case\": \"%s\", \"precision\": \"%s\", \"unit\": \"%s\", \"best\": %.6g, \"worst\": %.6g",
		       name, bench.precision_name, unit, best, worst);
	else
		printf("%-40s %12.*f %s (worst round %.*f)", name, best < 100.0 ? 2 : 0, best, unit,
		       worst < 100.0 ? 2 : 0, worst);
	for (int i = 0; i < count; i++)
		printf(bench.json ? ", \"%s\": %.*f" : "  %s %.*f", more[i].name, more[i].decimals, more[i].value);
	puts(bench.json ? "}" : "");
	fflush(stdout);
}

static void *counting_alloc(size_t size, size_t alignment, void *user)
{
	(void)user;
	atomic_fetch_add(&allocations, 1);
	return aligned_alloc(alignment, (size + alignment) / alignment * alignment);
}

static void counting_free(void *ptr, size_t size, void *user)
{
	(void)size;
	(void)user;
	free(ptr);
}

long allocations_so_far(void) { return atomic_load(&allocations); }

nnopt_context *open_context(int counting)
{
	nnopt_context_options o;
	nnopt_context *context = NULL;
	TRY(nnopt_context_options_init(&o, sizeof o));
	o.threads = bench.threads;
	o.isa_cap = bench.isa;
	if (counting) {
		o.alloc = counting_alloc;
		o.free = counting_free;
	}
	TRY(nnopt_context_create(&context, &o));
	return context;
}

/* The number that a name stands for; ends the program when it stands for none. */
static int32_t choose(const char *what, const char *name, const char *const *names, const int32_t *values, int count)
{
	for (int i = 0; i < count; i++)
		if (strcmp(name, names[i]) == 0)
			return values[i];
	fprintf(stderr, "--%s %s is not known\n", what, name);
	exit(EXIT_FAILURE);
}

static void read_arguments(int argc, char **argv, const char **child, int64_t *batch, int64_t *steps)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
						 { "filter", required_argument, NULL, 'f' },
						 { "threads", required_argument, NULL, 't' },
						 { "seconds", required_argument, NULL, 's' },
						 { "isa", required_argument, NULL, 'i' },
						 { "precision", required_argument, NULL, 'p' },
						 { "profile", no_argument, NULL, 'o' },
						 { "pictures", required_argument, NULL, 'd' },
						 { "cifar10", required_argument, NULL, 'c' },
						 { "child", required_argument, NULL, 'C' },
						 { "batch", required_argument, NULL, 'b' },
						 { "steps", required_argument, NULL, 'n' },
						 { NULL, 0, NULL, 0 } };
	static const char *const isas[] = { "best", "scalar", "avx2", "avx512", "neon" };
	static const int32_t isa_values[] = { NNOPT_ISA_BEST, NNOPT_ISA_SCALAR, NNOPT_ISA_AVX2, NNOPT_ISA_AVX512,
					      NNOPT_ISA_NEON };
	static const char *const precisions[] = { "f32", "bf16", "f16" };
	static const int32_t precision_values[] = { NNOPT_PRECISION_F32, NNOPT_PRECISION_BF16, NNOPT_PRECISION_F16 };
	bench.program = argv[0];
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		bench.json = bench.json || c == 'j';
		bench.profile = bench.profile || c == 'o';
		bench.filter = c == 'f' ? optarg : bench.filter;
		bench.pictures = c == 'd' ? optarg : bench.pictures;
		bench.cifar10 = c == 'c' ? optarg : bench.cifar10;
		bench.threads = c == 't' ? atoi(optarg) : bench.threads;
		bench.seconds = c == 's' ? atof(optarg) : bench.seconds;
		bench.isa_name = c == 'i' ? optarg : bench.isa_name;
		bench.isa = c == 'i' ? choose("isa", optarg, isas, isa_values, 5) : bench.isa;
		if (c == 'p') {
			bench.precision = (nnopt_precision)choose("precision", optarg, precisions, precision_values, 3);
			bench.precision_name = optarg;
		}
		*batch = c == 'b' ? atoll(optarg) : *batch;
		*steps = c == 'n' ? atoll(optarg) : *steps;
		*child = c == 'C' ? optarg : *child;
		if (c == '?')
			exit(EXIT_FAILURE);
	}
}

int main(int argc, char **argv)
{
	const char *child = NULL;
	int64_t batch = 1, steps = 10;
	read_arguments(argc, argv, &child, &batch, &steps);
	if (child != NULL)
		return process_child(child, batch, steps);
	nnopt_context *context = open_context(0);
	int threads = (int)nnopt_context_threads(context);
	nnopt_isa isa = nnopt_context_isa(context);
	if (!bench.json)
		printf("%s\n%d threads, %s, %s\n", nnopt_build_info(), threads, nnopt_isa_name(isa),
		       bench.precision_name);
	machine_cases(threads);
	conv_cases(context);
	network_cases(context);
	optimizer_cases(context);
	loader_cases(context);
	process_cases();
	nnopt_context_destroy(context);
	return EXIT_SUCCESS;
}
