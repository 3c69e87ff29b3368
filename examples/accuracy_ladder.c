/* accuracy_ladder.c - what each strategy is worth: rungs, each with one change of the rung it stands on, trained with
 * the same seeds on real pictures; a table of accuracies and gains with their intervals. It can be stopped and goes on.
 *
 * usage: accuracy_ladder [--data DIR] [--dataset cifar10|fashion] [--seeds N] [--rungs NAME,...] [--out DIR]
 *                        [--epochs N] [--samples N] [--precision f32|bf16|f16] [--threads N] [--quick] [--list]
 * DIR holds train/CLASS/ and test/CLASS/, or CIFAR-10's binary version, or Fashion-MNIST's four files. --out (default
 * ladder) keeps weights, results.csv, report.html and files for TensorBoard. --epochs, --samples and --precision hold
 * for every rung. --quick: small networks on a few pictures, drawn ones without --data, to see that all rungs run.
 * --list tells the rungs. */
#include "ladder_rungs.h"

#include <math.h>
#include <sys/stat.h>

#define MOST_SEEDS 32

/* --- one run --- */

typedef struct outcome {
	int known;
	double accuracy, seconds, rate; /* of training: seconds, and pictures a second */
} outcome;

typedef struct ladder {
	const char *dir, *out, *wanted; /* `wanted`: names between commas, or NULL for all */
	int quick;
	int32_t fashion, precision; /* of all rungs; -1: their own */
	int64_t seeds, epochs, samples, threads;
	nnopt_context *ctx; /* of the pictures */
	pictures pictures;
	outcome results[RUNGS][MOST_SEEDS];
	/* Of the rungs done, in order, what the report shows; means and gains with the ends of their intervals. */
	int64_t rows;
	const char *name[RUNGS], *what[RUNGS], *on[RUNGS];
	double mean[3][RUNGS], gain[3][RUNGS], seconds[RUNGS], rate[RUNGS];
} ladder;

static int find(const char *name)
{
	for (int i = 0; i < RUNGS; i++)
		if (strcmp(rungs[i].name, name) == 0)
			return i;
	fprintf(stderr, "no rung is called %s\n", name);
	exit(EXIT_FAILURE);
}

static int below(int rung) { return rungs[rung].on != NULL ? find(rungs[rung].on) : -1; }

static void climb(recipe *r, int rung)
{
	if (rungs[rung].on != NULL)
		climb(r, below(rung));
	rungs[rung].change(r);
}

static recipe recipe_of(const ladder *l, int rung)
{
	recipe r = { .network = PLAIN,
		     .depth = 2,
		     .convs = 1,
		     .width = 1.0,
		     .dropout = 0.5,
		     .batch = 64,
		     .epochs = 10,
		     .optimizer = ADAM,
		     .lr = 1e-3,
		     .precision = NNOPT_PRECISION_F32 };
	climb(&r, rung);
	r.epochs = l->epochs > 0 ? l->epochs : r.epochs;
	r.precision = l->precision >= 0 ? l->precision : r.precision;
	if (l->quick) {
		r.width *= 0.125;
		r.batch = 32;
	}
	return r;
}

/* A number of the recipe, in the names of its files: a rung that is changed begins anew. FNV-1a. */
static uint32_t key_of(const ladder *l, const recipe *r)
{
	char text[1024];
	uint32_t key = 2166136261u;
	describe(r, nnopt_dataset_count(l->pictures.train), text, sizeof text);
	for (const char *c = text; *c != 0; c++)
		key = (key ^ (uint8_t)*c) * 16777619u;
	if (r->teacher != NULL) { /* and of who teaches it */
		recipe teacher = recipe_of(l, find(r->teacher));
		key = (key ^ key_of(l, &teacher)) * 16777619u;
	}
	return key;
}

static const char *file_of(const ladder *l, int rung, int64_t seed, const char *ending)
{
	static char path[2048];
	recipe r = recipe_of(l, rung);
	snprintf(path, sizeof path, "%s/%s-%lld-%08x.%s", l->out, rungs[rung].name, (long long)seed,
		 (unsigned)key_of(l, &r), ending);
	return path;
}

/* What a run trains with. */
typedef struct trainer {
	nnopt_model *net;
	nnopt_loader *batches;
	nnopt_loss *loss;
	nnopt_optimizer *optimizer;
	nnopt_fit_options fit;
} trainer;

/* From the last checkpoint to `epochs`, with a line of progress and TensorBoard's files in `directory`. */
static void train_until(trainer *t, int64_t epochs, const char *directory, nnopt_history **history)
{
	nnopt_context *ctx = nnopt_model_context(t->net);
	nnopt_events *events = NULL; /* one serves one nnopt_fit() */
	nnopt_callbacks *callbacks = NULL;
	CHECK(nnopt_events_create(&events, ctx, directory, NULL));
	CHECK(nnopt_callbacks_create(&callbacks, ctx));
	CHECK(nnopt_callbacks_add(callbacks, nnopt_progress_bar, nnopt_progress_line, NULL));
	CHECK(nnopt_callbacks_add(callbacks, nnopt_events_on_batch, nnopt_events_on_epoch, events));
	t->fit.epochs = epochs;
	t->fit.on_batch = nnopt_callbacks_on_batch;
	t->fit.on_epoch = nnopt_callbacks_on_epoch;
	t->fit.progress_user = callbacks;
	CHECK(nnopt_fit(t->net, t->batches, t->loss, t->optimizer, &t->fit, history));
	nnopt_callbacks_destroy(callbacks);
	nnopt_events_destroy(events);
}

/* Trains and leaves the weights in a file; a run that was stopped goes on from its last checkpoint. */
static void train(const ladder *l, int rung, int64_t seed, outcome *result)
{
	recipe r = recipe_of(l, rung);
	nnopt_context_options c;
	nnopt_context *ctx = NULL;
	CHECK(nnopt_context_options_init(&c, sizeof c));
	c.seed = (uint64_t)seed;
	c.threads = (int32_t)l->threads;
	CHECK(nnopt_context_create(&ctx, &c));
	trainer t = { .net = ladder_network(ctx, &r, &l->pictures, c.seed),
		      .batches = ladder_loader(&l->pictures, &r, 1, c.seed),
		      .loss = ladder_loss(ctx, &r),
		      .optimizer = ladder_optimizer(ctx, &r) };
	int64_t steps = r.epochs * nnopt_loader_batches(t.batches);
	nnopt_history *history = NULL;
	char checkpoint[2048], directory[2048];
	CHECK(nnopt_optimizer_set_clipping(t.optimizer, r.clip, 0.0));
	snprintf(checkpoint, sizeof checkpoint, "%s", file_of(l, rung, seed, "checkpoint"));
	snprintf(directory, sizeof directory, "%s", file_of(l, rung, seed, "events"));
	CHECK(nnopt_fit_options_init(&t.fit, sizeof t.fit));
	t.fit.validation = ladder_loader(&l->pictures, &r, 0, c.seed); /* looked at, never chosen by */
	t.fit.schedule = ladder_schedule(ctx, &r, steps);
	t.fit.average = ladder_average(ctx, &r, steps);
	t.fit.refresh_batches = r.average == SWA ? -1 : 0; /* the mean's statistics are no mean of statistics */
	t.fit.precision = r.precision;
	t.fit.sam_rho = r.sam;
	if (r.teacher != NULL)
		CHECK(nnopt_model_load(&t.fit.teacher, ctx, file_of(l, find(r.teacher), seed, "safetensors")));
	t.fit.checkpoint_path = checkpoint;
	t.fit.checkpoint_seconds = 60.0;
	t.fit.resume = 1;
	if (r.whitening && r.epochs > 3) { /* the bias of the first convolution has learnt all it can */
		train_until(&t, 3, directory, NULL);
		CHECK(nnopt_model_set_trainable(t.net, "whiten.", 0, NULL));
	}
	train_until(&t, r.epochs, directory, &history);
	CHECK(nnopt_model_save(t.net, file_of(l, rung, seed, "safetensors")));
	result->seconds = 0.0;
	for (int64_t i = 0; i < nnopt_history_epochs(history); i++) {
		nnopt_epoch_record epoch = { .struct_size = sizeof epoch };
		CHECK(nnopt_history_epoch(history, i, &epoch));
		result->seconds += epoch.seconds;
	}
	result->rate = (double)(r.epochs * nnopt_dataset_count(l->pictures.train)) / result->seconds;
	remove(checkpoint);
	nnopt_history_destroy(history);
	nnopt_loss_destroy(t.loss);
	nnopt_average_destroy(t.fit.average);
	nnopt_schedule_destroy(t.fit.schedule);
	nnopt_optimizer_destroy(t.optimizer);
	nnopt_model_destroy(t.fit.teacher);
	nnopt_model_destroy(t.net);
	nnopt_loader_destroy(t.fit.validation);
	nnopt_loader_destroy(t.batches);
	nnopt_context_destroy(ctx);
}

/* The rung whose training gives this one its weights. */
static int trained_by(int rung)
{
	while (rungs[rung].how != TRAINED)
		rung = below(rung);
	return rung;
}

/* What the network says of the test pictures, seen as the rung sees them: probabilities. */
static nnopt_tensor *ask(const ladder *l, int rung, int64_t seed)
{
	recipe r = recipe_of(l, rung);
	nnopt_context_options c;
	nnopt_context *ctx = NULL;
	nnopt_model *net = NULL;
	nnopt_tensor *answers = NULL;
	nnopt_views *six = NULL;
	CHECK(nnopt_context_options_init(&c, sizeof c));
	c.threads = (int32_t)l->threads;
	CHECK(nnopt_context_create(&ctx, &c));
	CHECK(nnopt_views_create(&six, ctx, NNOPT_PAD_REFLECT));
	CHECK(nnopt_views_add_mirrored(six, 1));
	nnopt_loader *test = ladder_loader(&l->pictures, &r, 0, 0);
	CHECK(nnopt_model_load(&net, ctx, file_of(l, trained_by(rung), seed, "safetensors")));
	CHECK(r.views ? nnopt_predict_augmented(&answers, net, NULL, test, six, NNOPT_VOTE_LOGITS, 1)
		      : nnopt_predict(&answers, net, NULL, test, 1));
	nnopt_model_destroy(net);
	nnopt_loader_destroy(test);
	nnopt_views_destroy(six);
	nnopt_context_destroy(ctx);
	return answers;
}

/* The mean of what the networks of all seeds say. */
static nnopt_tensor *ask_all(const ladder *l, int rung)
{
	nnopt_tensor *each[MOST_SEEDS], *answers = NULL;
	nnopt_ensemble *vote = NULL;
	for (int64_t i = 0; i < l->seeds; i++)
		each[i] = ask(l, rung, i);
	CHECK(nnopt_vote_create(&vote, l->ctx, NNOPT_VOTE_PROBABILITIES, NULL, (int32_t)l->seeds, 1));
	CHECK(nnopt_ensemble_combine(&answers, vote, (const nnopt_tensor *const *)each, (int32_t)l->seeds, 1));
	nnopt_ensemble_destroy(vote);
	for (int64_t i = 0; i < l->seeds; i++)
		nnopt_tensor_destroy(each[i]);
	return answers;
}

static double accuracy_of(const ladder *l, const nnopt_tensor *answers)
{
	nnopt_metrics *metrics = NULL;
	nnopt_tensor *labels = NULL;
	CHECK(nnopt_dataset_labels(&labels, l->pictures.test));
	CHECK(nnopt_metrics_create(&metrics, l->ctx, nnopt_tensor_extent(answers, 1)));
	CHECK(nnopt_metrics_add(metrics, answers, labels));
	double accuracy = nnopt_metrics_accuracy(metrics);
	nnopt_metrics_destroy(metrics);
	nnopt_tensor_destroy(labels);
	return accuracy;
}

/* --- results: a line each in a file --- */

static void keep(const ladder *l, int rung, int64_t seed, const outcome *result)
{
	char path[2048], words[1024];
	recipe r = recipe_of(l, rung);
	describe(&r, nnopt_dataset_count(l->pictures.train), words, sizeof words);
	snprintf(path, sizeof path, "%s/results.csv", l->out);
	FILE *file = fopen(path, "a");
	if (file == NULL ||
	    fprintf(file, "%s,%lld,%08x,%.17g,%.2f,%.1f,%s\n", rungs[rung].name, (long long)seed,
		    (unsigned)key_of(l, &r), result->accuracy, result->seconds, result->rate, words) < 0 ||
	    fclose(file) != 0) {
		perror(path);
		exit(EXIT_FAILURE);
	}
}

/* Lines of rungs as they are now; others, and one that was cut off, are passed over. */
static void read_results(ladder *l)
{
	char line[2048], name[32];
	snprintf(line, sizeof line, "%s/results.csv", l->out);
	FILE *file = fopen(line, "r");
	while (file != NULL && fgets(line, sizeof line, file) != NULL) {
		long long seed;
		unsigned key;
		outcome r = { .known = 1 };
		if (sscanf(line, "%31[^,],%lld,%x,%lf,%lf,%lf,", name, &seed, &key, &r.accuracy, &r.seconds, &r.rate) !=
		    6)
			continue;
		for (int i = 0; i < RUNGS; i++) {
			recipe now = recipe_of(l, i);
			if (strcmp(rungs[i].name, name) == 0 && key == key_of(l, &now) && seed >= 0 &&
			    seed < MOST_SEEDS)
				l->results[i][seed] = r;
		}
	}
	if (file != NULL)
		fclose(file);
}

/* The result of a rung with a seed: known, or found now with what it wants of the rungs below. */
static const outcome *run(ladder *l, int rung, int64_t seed)
{
	outcome *r = &l->results[rung][seed];
	if (r->known)
		return r;
	if (rungs[rung].how == ENSEMBLE && seed > 0)
		return run(l, rung, 0); /* there is one for all seeds */
	const char *teacher = recipe_of(l, rung).teacher;
	if (teacher != NULL)
		(void)run(l, find(teacher), seed);
	fprintf(stderr, "%s, seed %lld: %s\n", rungs[rung].name, (long long)seed, rungs[rung].what);
	if (rungs[rung].how == TRAINED)
		train(l, rung, seed, r);
	else if (rungs[rung].how == SAME_WEIGHTS)
		*r = *run(l, below(rung), seed);
	for (int64_t i = 0; rungs[rung].how == ENSEMBLE && i < l->seeds; i++) {
		r->seconds += run(l, below(rung), i)->seconds;
		r->rate = run(l, below(rung), i)->rate;
	}
	nnopt_tensor *answers = rungs[rung].how == ENSEMBLE ? ask_all(l, below(rung)) : ask(l, rung, seed);
	r->accuracy = accuracy_of(l, answers);
	r->known = 1;
	nnopt_tensor_destroy(answers);
	if (rungs[rung].how != ENSEMBLE) /* which depends on the number of seeds, and is quickly made again */
		keep(l, rung, seed, r);
	fprintf(stderr, "%s, seed %lld: %.2f %%, %.1f s\n", rungs[rung].name, (long long)seed, 100.0 * r->accuracy,
		r->seconds);
	return r;
}

/* --- the table --- */

/* Points of a hundred with half the width of the 95 % interval, where there is one. */
static void format_estimate(const nnopt_estimate *e, int sign, char *text, size_t size)
{
	int used = snprintf(text, size, sign ? "%+.2f" : "%.2f", 100.0 * e->value);
	if (e->high > e->low) /* not where it is NaN */
		snprintf(text + used, size - (size_t)used, " ± %.2f", 50.0 * (e->high - e->low));
}

/* Whether the rung below has been trained with all seeds, so that there is a gain to tell. */
static int is_on_known(const ladder *l, int rung)
{
	int known = rungs[rung].on != NULL;
	for (int64_t i = 0; known && i < l->seeds; i++)
		known = l->results[below(rung)][i].known;
	return known;
}

static void keep_row(ladder *l, int rung)
{
	double accuracy[MOST_SEEDS], before[MOST_SEEDS];
	nnopt_estimate mean = { .struct_size = sizeof mean },
		       gain = { .struct_size = sizeof gain, .value = NAN, .low = NAN, .high = NAN };
	char mean_text[64], gain_text[64] = "";
	const struct rung *g = &rungs[rung];
	int64_t row = l->rows++;
	l->seconds[row] = l->rate[row] = 0.0;
	for (int64_t i = 0; i < l->seeds; i++) {
		const outcome *r = run(l, rung, i);
		accuracy[i] = r->accuracy;
		l->seconds[row] += r->seconds / (double)l->seeds;
		l->rate[row] += r->rate / (double)l->seeds;
	}
	int compared = is_on_known(l, rung);
	for (int64_t i = 0; compared && i < l->seeds; i++)
		before[i] = l->results[below(rung)][i].accuracy;
	CHECK(nnopt_mean_interval(&mean, accuracy, l->seeds, 0.95));
	if (g->how == ENSEMBLE)
		mean.low = mean.high = mean.value; /* there is one for all seeds */
	if (compared)
		CHECK(nnopt_paired_interval(&gain, before, accuracy, l->seeds, 0.95));
	if (g->how == ENSEMBLE)
		gain.low = gain.high = gain.value;
	format_estimate(&mean, 0, mean_text, sizeof mean_text);
	if (compared)
		format_estimate(&gain, 1, gain_text, sizeof gain_text);
	printf("| %s | %s | %s | %s | %s | %.0f s | %.0f |\n", g->name, g->what, mean_text, gain_text,
	       g->on != NULL ? g->on : "", l->seconds[row], l->rate[row]);
	fflush(stdout);
	const double m[3] = { mean.value, mean.low, mean.high }, d[3] = { gain.value, gain.low, gain.high };
	l->name[row] = g->name;
	l->what[row] = g->what;
	l->on[row] = g->on;
	for (int i = 0; i < 3; i++) {
		l->mean[i][row] = 100.0 * m[i];
		l->gain[i][row] = 100.0 * d[i];
	}
}

/* The same table for people, with the intervals drawn: report.html in the directory. */
static void write_report(const ladder *l)
{
	const nnopt_report_column name = { .struct_size = sizeof name, .name = "rung", .texts = l->name };
	const nnopt_report_column what = { .struct_size = sizeof what, .name = "change", .texts = l->what };
	const nnopt_report_column on = { .struct_size = sizeof on, .name = "of", .texts = l->on };
	nnopt_report_column mean = { .struct_size = sizeof mean,
				     .name = "test accuracy",
				     .unit = " %",
				     .kind = NNOPT_COLUMN_DOT,
				     .decimals = 2 };
	nnopt_report_column gain = mean, seconds = mean, rate = mean;
	mean.values = l->mean[0], mean.low = l->mean[1], mean.high = l->mean[2];
	gain.values = l->gain[0], gain.low = l->gain[1], gain.high = l->gain[2];
	gain.name = "gain";
	gain.unit = NULL;
	gain.sign = 1;
	seconds.name = "training";
	seconds.unit = " s";
	seconds.values = l->seconds;
	rate.name = "img/s";
	rate.unit = NULL;
	rate.values = l->rate;
	seconds.kind = rate.kind = NNOPT_COLUMN_BAR;
	seconds.decimals = rate.decimals = 0;
	const nnopt_report_column *const columns[] = { &name, &what, &on, &mean, &gain, &seconds, &rate };
	nnopt_report_options o;
	nnopt_report *report = NULL;
	char text[2048];
	CHECK(nnopt_report_options_init(&o, sizeof o));
	o.title = "Accuracy ladder";
	snprintf(text, sizeof text, "%s: %lld training and %lld test pictures, %lld seeds a rung",
		 l->dir != NULL ? l->dir : "drawn pictures", (long long)nnopt_dataset_count(l->pictures.train),
		 (long long)nnopt_dataset_count(l->pictures.test), (long long)l->seeds);
	o.subtitle = text;
	CHECK(nnopt_report_create(&report, l->ctx, &o));
	CHECK(nnopt_report_add_table(report, "Rungs", columns, 7, l->rows,
				     "Intervals of 95 %: of the mean over seeds, and of the mean difference to the "
				     "rung it is a change of, paired by seed."));
	snprintf(text, sizeof text, "%s/report.html", l->out);
	CHECK(nnopt_report_write(report, text));
	nnopt_report_destroy(report);
}

/* Whether a rung is asked for; names that no rung has end the program in find(). */
static int is_wanted(const ladder *l, int rung)
{
	int wanted = l->wanted == NULL;
	for (const char *at = l->wanted; at != NULL && *at != 0; at += strspn(at, ",")) {
		char name[32];
		int length = (int)strcspn(at, ",");
		snprintf(name, sizeof name, "%.*s", length, at);
		wanted |= find(name) == rung;
		at += length;
	}
	return wanted;
}

static int list_rungs(void)
{
	for (int i = 0; i < RUNGS; i++)
		printf("%-16s %s%s%s\n", rungs[i].name, rungs[i].what, rungs[i].on != NULL ? ", on " : "",
		       rungs[i].on != NULL ? rungs[i].on : "");
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const char *const datasets[] = { "cifar10", "fashion", NULL };
	static const char *const precisions[] = { "f32", "bf16", "f16", NULL }; /* as NNOPT_PRECISION_F32 and so on */
	const char *usage = "--data DIR [--dataset cifar10|fashion] [--seeds 1 to 32] [--rungs NAME,...] [--out DIR] "
			    "[--epochs N] [--samples N] [--precision f32|bf16|f16] [--threads N] [--quick] [--list]";
	static ladder l = { .out = "ladder", .seeds = 3, .precision = -1 };
	int list = 0;
	read_arguments(argc, argv, usage,
		       (const argument[]){ { .name = "data", .text = &l.dir },
					   { .name = "dataset", .choice = &l.fashion, .among = datasets },
					   { .name = "seeds", .number = &l.seeds, .least = 1 },
					   { .name = "rungs", .text = &l.wanted },
					   { .name = "out", .text = &l.out },
					   { .name = "epochs", .number = &l.epochs },
					   { .name = "samples", .number = &l.samples },
					   { .name = "threads", .number = &l.threads },
					   { .name = "precision", .choice = &l.precision, .among = precisions },
					   { .name = "quick", .flag = &l.quick },
					   { .name = "list", .flag = &list },
					   { 0 } });
	if (list)
		return list_rungs();
	if (l.seeds > MOST_SEEDS || (l.dir == NULL && !l.quick))
		end_with_usage(argv, usage, "");
	if (l.quick) {
		l.samples = l.samples > 0 ? l.samples : 80;
		l.epochs = l.epochs > 0 ? l.epochs : 1;
	}
	(void)mkdir(l.out, 0777); /* where it fails, writing into it says so */
	CHECK(nnopt_context_create(&l.ctx, NULL));
	l.pictures = open_ladder_pictures(l.ctx, l.dir, l.fashion, l.samples);
	read_results(&l);
	printf("| rung | change | test accuracy | gain | over | time | img/s |\n| --- | --- | --- | --- | --- | --- | "
	       "--- |\n");
	for (int i = 0; i < RUNGS; i++)
		if (is_wanted(&l, i)) {
			keep_row(&l, i);
			write_report(&l);
		}
	nnopt_dataset_destroy(l.pictures.train);
	nnopt_dataset_destroy(l.pictures.test);
	nnopt_context_destroy(l.ctx);
	return EXIT_SUCCESS;
}
