/* process_cases.c - what only a fresh process shows: time from its start (so with loading the library) to the end of
 * the first training step, and its memory at the peak. The program starts itself anew with --child. */
#include "bench.h"

#include <math.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const network *find(const char *name)
{
	for (int i = 0; i < network_count; i++)
		if (strcmp(networks[i].name, name) == 0)
			return &networks[i];
	return NULL;
}

/* The largest resident set of this process so far, from /proc: getrusage() would count what the parent had. */
static double peak_mib(void)
{
	char line[256];
	double kib = NAN;
	FILE *status = fopen("/proc/self/status", "r");
	while (status != NULL && fgets(line, sizeof line, status) != NULL)
		if (strncmp(line, "VmHWM:", 6) == 0)
			kib = strtod(line + 6, NULL);
	if (status != NULL)
		fclose(status);
	return kib / 1024.0;
}

int process_child(const char *name, int64_t batch, int64_t steps)
{
	/* The clock is the machine's, so the parent can tell how long it took to get here. */
	double begun = now();
	const network *what = find(name);
	if (what == NULL)
		return EXIT_FAILURE;
	nnopt_context *context = open_context(0);
	trial t = trial_start(context, what, batch, 1);
	double planned = now();
	trial_step(&t);
	double stepped = now();
	for (int64_t i = 1; i < steps; i++)
		trial_step(&t);
	printf("%.9f %.9f %.9f %.3f\n", begun, planned, stepped, peak_mib());
	trial_end(&t);
	nnopt_context_destroy(context);
	return EXIT_SUCCESS;
}

typedef struct child_times {
	double opened, planned, stepped; /* seconds since its start */
	double mib;
} child_times;

/* Starts the child with our settings; false when it fails. */
static int run_child(const char *which, int64_t batch, child_times *out)
{
	char threads[16], isa[16], count[16], line[128] = "";
	snprintf(threads, sizeof threads, "%d", (int)bench.threads);
	snprintf(isa, sizeof isa, "%s", bench.isa_name);
	snprintf(count, sizeof count, "%d", (int)batch);
	/* clang-format off */
	char *arguments[] = { bench.program, "--threads", threads, "--isa", isa, "--precision", bench.precision_name,
	                      "--batch", count, "--child", (char *)(uintptr_t)which, NULL };
	/* clang-format on */
	int ends[2], status = 1;
	pid_t child;
	posix_spawn_file_actions_t actions;
	if (pipe(ends) != 0 || posix_spawn_file_actions_init(&actions) != 0)
		return 0;
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	posix_spawn_file_actions_addclose(&actions, ends[0]);
	double begun = now();
	int failed = posix_spawn(&child, bench.program, &actions, NULL, arguments, environ);
	close(ends[1]);
	FILE *from = fdopen(ends[0], "r");
	int told = failed == 0 && from != NULL && fgets(line, sizeof line, from) != NULL &&
		   sscanf(line, "%lf %lf %lf %lf", &out->opened, &out->planned, &out->stepped, &out->mib) == 4;
	if (failed == 0)
		waitpid(child, &status, 0);
	if (from != NULL)
		fclose(from);
	posix_spawn_file_actions_destroy(&actions);
	out->opened -= begun;
	out->planned -= begun;
	out->stepped -= begun;
	return told && status == 0;
}

static void first_step(const network *what, int64_t batch)
{
	char name[64];
	child_times best = { .stepped = INFINITY }, t;
	double worst = 0.0;
	snprintf(name, sizeof name, "process/%s/first-step/%lld", what->name, (long long)batch);
	if (!wanted(name))
		return;
	for (int round = 0; round < 5; round++) {
		if (!run_child(what->name, batch, &t)) {
			fprintf(stderr, "%s: the process failed\n", name);
			exit(EXIT_FAILURE);
		}
		best = t.stepped < best.stepped ? t : best;
		worst = t.stepped > worst ? t.stepped : worst;
	}
	const extra more[] = { { "opened_ms", best.opened * 1e3, 2 },
			       { "planned_ms", best.planned * 1e3, 2 },
			       { "peak_process_mib", best.mib, 1 } };
	report(name, "ms", best.stepped * 1e3, worst * 1e3, more, 3);
}

void process_cases(void)
{
	for (int i = 0; i < network_count; i++) {
		first_step(&networks[i], networks[i].batch);
		first_step(&networks[i], 1);
	}
}
