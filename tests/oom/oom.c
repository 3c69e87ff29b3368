/* oom.c - every allocation of each scenario fails in turn, alone and with all that follow. Each time: an error with its
 * text or the right result, no output written, nothing left behind; and after the failures the same objects do their
 * work. */
#include "check.h"

#include "budget.h"
#include "data/transform_kinds.h"

#include <stdio.h>
#include <unistd.h>

#define COUNT 24
#define PATH TEST_TMP "/oom.file"
#define IMAGES TEST_TMP "/oom.images"
#define LABELS TEST_TMP "/oom.labels"

typedef struct world {
	budget memory;
	nnopt_context *ctx;
	nnopt_dataset *data;
	nnopt_model *net; /* built, small */
	nnopt_loader *loader;
	nnopt_loss *loss;
} world;

static nnopt_status add_layers(nnopt_model *m)
{
	nnopt_status s = nnopt_add_conv2d(m, 4, 3, NULL);
	if (s == NNOPT_OK)
		s = nnopt_add_batch_norm2d(m, NULL);
	if (s == NNOPT_OK)
		s = nnopt_add_relu(m);
	if (s == NNOPT_OK)
		s = nnopt_add_max_pool2d(m, 2, NULL);
	if (s == NNOPT_OK)
		s = nnopt_add_dropout(m, 0.2f);
	if (s == NNOPT_OK)
		s = nnopt_add_layer_norm(m, NULL);
	if (s == NNOPT_OK)
		s = nnopt_add_group_norm(m, 2, NULL);
	if (s == NNOPT_OK)
		s = nnopt_add_drop_block(m, 2, 0.1f);
	if (s == NNOPT_OK)
		s = nnopt_add_flatten(m);
	return s == NNOPT_OK ? nnopt_add_linear(m, 3, NULL) : s;
}

/* --- the scenarios: each cleans up whatever it made, whatever failed --- */

static nnopt_status contexts_and_tensors(world *w)
{
	nnopt_context_options o;
	nnopt_context *ctx = NULL;
	nnopt_tensor *t = NULL, *view = NULL, *shaped = NULL;
	nnopt_status s = nnopt_context_options_init(&o, sizeof o);
	o.threads = 2;
	o.alloc = budget_alloc;
	o.free = budget_free;
	o.alloc_user = &w->memory;
	if (s == NNOPT_OK)
		s = nnopt_context_create(&ctx, &o);
	if (s == NNOPT_OK)
		s = nnopt_tensor_create(&t, ctx, NNOPT_F32, 4, (int64_t[]){ 2, 3, 4, 5 }, NNOPT_NCHW);
	if (s == NNOPT_OK)
		s = nnopt_tensor_view(&view, t, 1, 1);
	if (s == NNOPT_OK)
		s = nnopt_tensor_reshape(&shaped, t, 2, (int64_t[]){ 6, 20 });
	void *managed = NULL;
	if (s == NNOPT_OK)
		s = nnopt_tensor_to_dlpack(t, &managed);
	nnopt_tensor *back = NULL;
	if (s == NNOPT_OK && nnopt_tensor_from_dlpack(&back, ctx, managed) != NNOPT_OK) {
		struct {
			uint32_t version[2];
			void *manager;
			void (*deleter)(void *);
		} *m = managed;
		m->deleter(m);
		s = NNOPT_ERROR_OUT_OF_MEMORY;
	}
	nnopt_tensor_destroy(back);
	nnopt_tensor_destroy(shaped);
	nnopt_tensor_destroy(view);
	nnopt_tensor_destroy(t);
	nnopt_context_destroy(ctx);
	return s;
}

static nnopt_status sequential_model(world *w)
{
	nnopt_model *m = NULL;
	nnopt_status s = nnopt_model_create(&m, w->ctx);
	if (s == NNOPT_OK)
		s = add_layers(m);
	if (s == NNOPT_OK)
		s = nnopt_model_build(m, 3, (int64_t[]){ 1, 8, 8 });
	nnopt_model_destroy(m);
	return s;
}

static nnopt_status connect(nnopt_model *m, nnopt_status made, nnopt_layer **l, int32_t a, int32_t b, int32_t *node)
{
	nnopt_status s = made == NNOPT_OK ? nnopt_model_connect(m, *l, (int32_t[]){ a, b }, b < 0 ? 1 : 2, node) : made;
	nnopt_layer_destroy(*l);
	*l = NULL;
	return s;
}

static nnopt_status residual_model(world *w)
{
	nnopt_model *m = NULL;
	nnopt_layer *l = NULL;
	int32_t a = 0, b = 0;
	nnopt_conv2d_options o;
	nnopt_status s = nnopt_conv2d_options_init(&o, sizeof o);
	o.padding_mode = NNOPT_PADDING_SAME;
	if (s == NNOPT_OK)
		s = nnopt_model_create(&m, w->ctx);
	if (s == NNOPT_OK)
		s = connect(m, nnopt_conv2d_create(&l, w->ctx, 4, 3, &o), &l, 0, -1, &a);
	if (s == NNOPT_OK)
		s = connect(m, nnopt_conv2d_create(&l, w->ctx, 4, 3, &o), &l, a, -1, &b);
	if (s == NNOPT_OK)
		s = connect(m, nnopt_add_create(&l, w->ctx), &l, b, a, &a);
	if (s == NNOPT_OK)
		s = nnopt_add_global_avg_pool2d(m);
	nnopt_plan *p = NULL;
	nnopt_plan_options po;
	if (s == NNOPT_OK)
		s = nnopt_plan_options_init(&po, sizeof po);
	if (s == NNOPT_OK) {
		po.rank = 3;
		po.shape[0] = 2;
		po.shape[1] = po.shape[2] = 7;
		s = nnopt_plan_create(&p, m, &po);
	}
	nnopt_plan_destroy(p);
	nnopt_model_destroy(m);
	return s;
}

/* Both directions of a recurrent layer, and a learned vote of its result and the pixels. */
static nnopt_status recurrent_model(world *w)
{
	nnopt_model *m = NULL;
	nnopt_layer *l = NULL;
	nnopt_plan *p = NULL;
	int32_t a = 0, b = 0;
	nnopt_recurrent_options ro;
	nnopt_weighted_sum_options so;
	nnopt_plan_options po;
	nnopt_status s = nnopt_recurrent_options_init(&ro, sizeof ro);
	ro.bidirectional = 1;
	if (s == NNOPT_OK)
		s = nnopt_weighted_sum_options_init(&so, sizeof so);
	so.learned = 1;
	if (s == NNOPT_OK)
		s = nnopt_plan_options_init(&po, sizeof po);
	if (s == NNOPT_OK)
		s = nnopt_model_create(&m, w->ctx);
	if (s == NNOPT_OK)
		s = connect(m, nnopt_lstm_create(&l, w->ctx, 5, &ro), &l, 0, -1, &a);
	if (s == NNOPT_OK)
		s = connect(m, nnopt_gru_create(&l, w->ctx, 10, NULL), &l, 0, -1, &b);
	if (s == NNOPT_OK)
		s = connect(m, nnopt_weighted_sum_create(&l, w->ctx, &so), &l, a, b, &a);
	if (s == NNOPT_OK) {
		po.rank = 3;
		po.mode = NNOPT_TRAINING;
		po.shape[0] = 2;
		po.shape[1] = po.shape[2] = 7;
		s = nnopt_plan_create(&p, m, &po);
	}
	nnopt_plan_destroy(p);
	nnopt_model_destroy(m);
	return s;
}

static nnopt_status make_training_plan(world *w, nnopt_plan **p)
{
	nnopt_plan_options o;
	nnopt_status s = nnopt_plan_options_init(&o, sizeof o);
	o.batch = 4;
	o.mode = NNOPT_TRAINING;
	return s == NNOPT_OK ? nnopt_plan_create(p, w->net, &o) : s;
}

static nnopt_status steps(world *w)
{
	nnopt_plan *p = NULL;
	nnopt_optimizer *o[9] = { NULL };
	nnopt_rmsprop_options r;
	nnopt_sgd_options g;
	nnopt_status s = nnopt_rmsprop_options_init(&r, sizeof r);
	r.momentum = 0.9;
	r.centered = 1;
	if (s == NNOPT_OK)
		s = nnopt_sgd_options_init(&g, sizeof g);
	g.momentum = 0.9;
	if (s == NNOPT_OK)
		s = make_training_plan(w, &p);
	if (s == NNOPT_OK)
		s = nnopt_sgd_create(&o[0], w->ctx, &g);
	if (s == NNOPT_OK)
		s = nnopt_adam_create(&o[1], w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_adamw_create(&o[2], w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_rmsprop_create(&o[3], w->ctx, &r);
	if (s == NNOPT_OK)
		s = nnopt_adagrad_create(&o[4], w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_nadam_create(&o[5], w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_lion_create(&o[6], w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_lamb_create(&o[7], w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_muon_create(&o[8], w->ctx, NULL);
	nnopt_tensor *x = NULL, *labels = NULL;
	if (s == NNOPT_OK)
		s = nnopt_tensor_create(&x, w->ctx, NNOPT_F32, 4, (int64_t[]){ 4, 1, 8, 8 }, NNOPT_NCHW);
	if (s == NNOPT_OK)
		s = nnopt_tensor_create(&labels, w->ctx, NNOPT_I32, 1, (int64_t[]){ 4 }, NNOPT_NCHW);
	for (int i = 0; i < 9 && s == NNOPT_OK; i++) {
		const nnopt_tensor *y = NULL;
		nnopt_loss_result result = { .struct_size = sizeof result };
		s = nnopt_plan_forward(p, x, &y);
		if (s == NNOPT_OK)
			s = nnopt_loss_compute(w->loss, y, labels, 1.0f, nnopt_plan_output_gradient(p), &result);
		if (s == NNOPT_OK)
			s = nnopt_plan_backward(p, 0);
		if (s == NNOPT_OK)
			s = nnopt_optimizer_step(o[i], w->net, 1.0f, NULL);
	}
	for (int i = 0; i < 9; i++)
		nnopt_optimizer_destroy(o[i]);
	nnopt_tensor_destroy(x);
	nnopt_tensor_destroy(labels);
	nnopt_plan_destroy(p);
	return s;
}

static nnopt_status save_and_load(world *w)
{
	nnopt_model *m = NULL;
	nnopt_status s = nnopt_model_save(w->net, PATH);
	if (s == NNOPT_OK)
		s = nnopt_model_load(&m, w->ctx, PATH);
	if (s == NNOPT_OK)
		s = nnopt_model_load_weights(m, PATH, 1);
	nnopt_model_destroy(m);
	return s;
}

static nnopt_status read_all(world *w, const char *path)
{
	nnopt_weights *f = NULL;
	nnopt_status s = nnopt_weights_open(&f, w->ctx, path, NULL);
	for (int32_t i = 0; s == NNOPT_OK && i < nnopt_weights_count(f); i++) {
		nnopt_tensor *t = NULL;
		nnopt_weight_info info = { .struct_size = sizeof info };
		s = nnopt_weights_info(f, i, &info);
		if (s == NNOPT_OK && strcmp(info.dtype, "I16") != 0)
			s = nnopt_weights_read(f, i, &t);
		nnopt_tensor_destroy(t);
	}
	nnopt_weights_destroy(f);
	return s;
}

static nnopt_status foreign_weights(world *w)
{
	nnopt_model *m = NULL;
	nnopt_layer *head = NULL;
	nnopt_load_options o;
	nnopt_status s = read_all(w, TEST_DATA "/torch/nested.pth");
	if (s == NNOPT_OK)
		s = read_all(w, TEST_DATA "/torch/deflated.pth");
	if (s == NNOPT_OK)
		s = read_all(w, TEST_DATA "/torch/all_legacy.pth");
	if (s == NNOPT_OK)
		s = nnopt_load_options_init(&o, sizeof o);
	o.strict = 0;
	o.rename_from = (const char *const[]){ "fc." };
	o.rename_to = (const char *const[]){ "linear1." };
	o.rename_count = 1;
	o.skip_mismatched = 1;
	if (s == NNOPT_OK)
		s = nnopt_model_create(&m, w->ctx);
	if (s == NNOPT_OK)
		s = add_layers(m);
	if (s == NNOPT_OK)
		s = nnopt_model_build(m, 3, (int64_t[]){ 1, 8, 8 });
	if (s == NNOPT_OK)
		s = nnopt_model_load_weights_with(m, TEST_DATA "/torch/net_legacy.pth", &o, NULL);
	if (s == NNOPT_OK)
		s = nnopt_linear_create(&head, w->ctx, 7, NULL);
	if (s == NNOPT_OK)
		s = nnopt_model_replace_layer(m, "linear1", head);
	nnopt_layer_destroy(head);
	nnopt_model_destroy(m);
	return s;
}

static nnopt_status to_json_and_back(world *w)
{
	static char text[16384];
	nnopt_model *m = NULL;
	nnopt_status s = nnopt_model_to_json(w->net, text, sizeof text, NULL);
	if (s == NNOPT_OK)
		s = nnopt_model_from_json(&m, w->ctx, text, strlen(text));
	nnopt_model_destroy(m);
	return s;
}

static nnopt_status files_to_batches(world *w)
{
	nnopt_dataset *d = NULL, *a = NULL, *b = NULL;
	nnopt_transforms *t = NULL;
	nnopt_loader *l = NULL;
	nnopt_loader_options o;
	nnopt_status s = nnopt_idx_open(&d, w->ctx, IMAGES, LABELS);
	if (s == NNOPT_OK)
		s = nnopt_dataset_split(&a, &b, d, 0.5, 1);
	if (s == NNOPT_OK)
		s = nnopt_transforms_create(&t, w->ctx);
	if (s == NNOPT_OK)
		s = nnopt_transforms_add_resize(t, 10, 10);
	if (s == NNOPT_OK)
		s = nnopt_transforms_add_rotation(t, 10, 1, 1.0);
	for (size_t k = 0; s == NNOPT_OK && k < TRANSFORM_KINDS; k++)
		s = transform_kinds[k].add(t, 1.0);
	if (s == NNOPT_OK)
		s = nnopt_loader_options_init(&o, sizeof o);
	o.batch = 4;
	o.workers = 0; /* which of two threads meets the failing allocation would be chance */
	o.on_bad_sample = NNOPT_BAD_SAMPLE_FAIL;
	if (s == NNOPT_OK)
		s = nnopt_loader_create(&l, a, t, &o);
	if (s == NNOPT_OK)
		s = nnopt_loader_start(l, 0, 0);
	for (const nnopt_batch *batch = NULL; s == NNOPT_OK;) {
		s = nnopt_loader_next(l, &batch);
		if (batch == NULL)
			break;
	}
	nnopt_loader_destroy(l);
	nnopt_transforms_destroy(t);
	nnopt_dataset_destroy(a);
	nnopt_dataset_destroy(b);
	nnopt_dataset_destroy(d);
	return s;
}

/* An epoch of mixed batches that a sampler makes. */
static nnopt_status mixed_epoch(nnopt_dataset *data, nnopt_sampler sampler, const double *weights)
{
	nnopt_loader *l = NULL;
	nnopt_loader_options o;
	nnopt_status s = nnopt_loader_options_init(&o, sizeof o);
	o.batch = 6;
	o.workers = 0;
	o.on_bad_sample = NNOPT_BAD_SAMPLE_FAIL;
	o.mixup_alpha = o.cutmix_alpha = 1.0;
	o.sampler = (int32_t)sampler;
	o.weights = weights;
	o.weight_count = weights != NULL ? nnopt_dataset_count(data) : 0;
	o.classes_per_batch = o.samples_per_class = 0;
	if (sampler == NNOPT_SAMPLER_PK) {
		o.classes_per_batch = 3;
		o.samples_per_class = 2;
	}
	if (s == NNOPT_OK)
		s = nnopt_loader_create(&l, data, NULL, &o);
	if (s == NNOPT_OK)
		s = nnopt_loader_start(l, 0, 0);
	for (const nnopt_batch *batch = NULL; s == NNOPT_OK;) {
		s = nnopt_loader_next(l, &batch);
		if (batch == NULL)
			break;
	}
	nnopt_loader_destroy(l);
	return s;
}

static nnopt_status views_to_mixed_batches(world *w)
{
	nnopt_dataset *other = NULL, *both = NULL, *train = NULL, *validation = NULL;
	int64_t labels[COUNT];
	double weights[2 * COUNT];
	for (int i = 0; i < COUNT; i++)
		labels[i] = i % 3;
	for (int i = 0; i < 2 * COUNT; i++)
		weights[i] = 1.0 + i;
	nnopt_status s = nnopt_dataset_relabel(&other, w->data, labels, COUNT);
	if (s == NNOPT_OK)
		s = nnopt_dataset_concat(&both, (nnopt_dataset *[]){ w->data, other }, 2);
	if (s == NNOPT_OK)
		s = nnopt_dataset_fold(&train, &validation, both, 4, 1, 9);
	if (s == NNOPT_OK)
		s = mixed_epoch(train, NNOPT_SAMPLER_PK, NULL);
	if (s == NNOPT_OK)
		s = mixed_epoch(both, NNOPT_SAMPLER_WEIGHTED, weights);
	nnopt_dataset_destroy(train);
	nnopt_dataset_destroy(validation);
	nnopt_dataset_destroy(both);
	nnopt_dataset_destroy(other);
	return s;
}

static nnopt_status evaluation(world *w)
{
	nnopt_metrics *m = NULL;
	nnopt_evaluation e = { .struct_size = sizeof e };
	nnopt_status s = nnopt_metrics_create(&m, w->ctx, 3);
	if (s == NNOPT_OK)
		s = nnopt_evaluate(w->net, NULL, w->loader, w->loss, m, &e);
	nnopt_metrics_destroy(m);
	return s;
}

static nnopt_status fit(world *w)
{
	nnopt_optimizer *adam = NULL;
	nnopt_history *h = NULL;
	nnopt_fit_options o;
	nnopt_status s = nnopt_adam_create(&adam, w->ctx, NULL);
	(void)unlink(PATH);
	if (s == NNOPT_OK)
		s = nnopt_fit_options_init(&o, sizeof o);
	o.epochs = 2;
	o.validation = NULL;
	o.monitor = NNOPT_MONITOR_TRAINING_LOSS;
	o.patience = 1;
	o.checkpoint_path = PATH;
	o.checkpoint_steps = 2;
	o.resume = 1;
	if (s == NNOPT_OK)
		s = nnopt_fit(w->net, w->loader, w->loss, adam, &o, &h);
	if (s == NNOPT_OK) {
		nnopt_training_state state = { .struct_size = sizeof state, .model = w->net, .optimizer = adam };
		s = nnopt_checkpoint_load(&state, PATH);
	}
	nnopt_history_destroy(h);
	nnopt_optimizer_destroy(adam);
	return s;
}

static nnopt_status distillation(world *w)
{
	nnopt_model *teacher = NULL;
	nnopt_loss *loss = NULL;
	nnopt_optimizer *adam = NULL;
	nnopt_fit_options o;
	nnopt_status s = nnopt_model_create(&teacher, w->ctx);
	if (s == NNOPT_OK)
		s = add_layers(teacher);
	if (s == NNOPT_OK)
		s = nnopt_distillation_create(&loss, w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_adam_create(&adam, w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_fit_options_init(&o, sizeof o);
	o.epochs = 1;
	o.teacher = teacher;
	if (s == NNOPT_OK)
		s = nnopt_fit(w->net, w->loader, loss, adam, &o, NULL);
	nnopt_optimizer_destroy(adam);
	nnopt_loss_destroy(loss);
	nnopt_model_destroy(teacher);
	return s;
}

/* Every schedule, average and plateau; a run with all that a run can have. */
static nnopt_status fit_with_averages(world *w)
{
	nnopt_optimizer *sgd = NULL;
	nnopt_average *average[3] = { NULL };
	nnopt_plateau *plateau = NULL;
	nnopt_schedule *part[3] = { NULL }, *all = NULL;
	const int64_t steps[] = { 2, 4 };
	nnopt_fit_options o;
	nnopt_status s = nnopt_sgd_create(&sgd, w->ctx, NULL);
	(void)unlink(PATH);
	if (s == NNOPT_OK)
		s = nnopt_ema_create(&average[0], w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_swa_create(&average[1], w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_lookahead_create(&average[2], w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_plateau_create(&plateau, w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_schedule_multi_step_create(&part[0], w->ctx, steps, 2, 0.5);
	if (s == NNOPT_OK)
		s = nnopt_schedule_piecewise_create(&part[1], w->ctx, steps, (const double[]){ 1.0, 0.5 }, 2);
	if (s == NNOPT_OK)
		s = nnopt_schedule_warm_restarts_create(&part[2], w->ctx, 2, 2, 0.1);
	if (s == NNOPT_OK)
		s = nnopt_schedule_sequential_create(&all, w->ctx, part, steps, 3);
	if (s == NNOPT_OK)
		s = nnopt_fit_options_init(&o, sizeof o);
	o.epochs = 1;
	o.monitor = NNOPT_MONITOR_TRAINING_LOSS;
	o.checkpoint_path = PATH;
	o.schedule = all;
	o.plateau = plateau;
	o.sam_rho = 0.05;
	o.refresh_batches = 1;
	for (int i = 0; i < 3 && s == NNOPT_OK; i++) {
		o.average = average[i];
		s = nnopt_fit(w->net, w->loader, w->loss, sgd, &o, NULL);
	}
	if (s == NNOPT_OK)
		s = nnopt_model_average(w->net, &w->net, NULL, 1);
	for (int i = 0; i < 3; i++) {
		nnopt_average_destroy(average[i]);
		nnopt_schedule_destroy(part[i]);
	}
	nnopt_schedule_destroy(all);
	nnopt_plateau_destroy(plateau);
	nnopt_optimizer_destroy(sgd);
	return s;
}

static nnopt_status picture_and_array_files(world *w)
{
	nnopt_tensor *t = NULL, *back = NULL, *array = NULL;
	nnopt_status s = nnopt_tensor_create(&t, w->ctx, NNOPT_U8, 4, (int64_t[]){ 1, 3, 9, 7 }, NNOPT_NCHW);
	if (s == NNOPT_OK)
		s = nnopt_image_write_png(t, PATH);
	if (s == NNOPT_OK)
		s = nnopt_image_read(&back, w->ctx, PATH, 3);
	if (s == NNOPT_OK)
		s = nnopt_tensor_save_npy(t, PATH);
	if (s == NNOPT_OK)
		s = nnopt_tensor_load_npy(&array, w->ctx, PATH);
	nnopt_tensor_destroy(array);
	nnopt_tensor_destroy(back);
	nnopt_tensor_destroy(t);
	return s;
}

static nnopt_status whitening(world *w)
{
	nnopt_tensor *images = NULL;
	nnopt_status s = nnopt_tensor_create(&images, w->ctx, NNOPT_F32, 4, (int64_t[]){ 3, 1, 8, 8 }, NNOPT_NCHW);
	if (s == NNOPT_OK)
		s = nnopt_tensor_fill(images, 0.5);
	if (s == NNOPT_OK)
		s = nnopt_model_initialise_whitening(w->net, 0, images, 5e-4);
	nnopt_tensor_destroy(images);
	return s;
}

static nnopt_status named_networks(world *w)
{
	static const char *const names[] = { "plain_cnn", "resnet20", "preact_resnet18", "mobilenet_v2" };
	nnopt_status s = NNOPT_OK;
	for (size_t i = 0; i < sizeof names / sizeof *names && s == NNOPT_OK; i++) {
		nnopt_model *m = NULL;
		s = nnopt_zoo_create(&m, w->ctx, names[i], 3, NULL);
		nnopt_model_destroy(m);
	}
	return s;
}

/* --- how they are run --- */

static void make_data(world *w)
{
	uint8_t images[16 + COUNT * 64] = { 0, 0, 8, 3, 0, 0, 0, COUNT, 0, 0, 0, 8, 0, 0, 0, 8 },
				    labels[8 + COUNT] = { 0, 0, 8, 1, 0, 0, 0, COUNT };
	for (int i = 0; i < COUNT; i++)
		labels[8 + i] = (uint8_t)(i % 3);
	for (size_t i = 16; i < sizeof images; i++)
		images[i] = (uint8_t)(i * 37);
	FILE *f = fopen(IMAGES, "wb"), *g = fopen(LABELS, "wb");
	assert_true(f != NULL && g != NULL);
	assert_int_equal(fwrite(images, 1, sizeof images, f), sizeof images);
	assert_int_equal(fwrite(labels, 1, sizeof labels, g), sizeof labels);
	assert_true(fclose(f) == 0 && fclose(g) == 0);
	assert_ok(nnopt_idx_open(&w->data, w->ctx, IMAGES, LABELS));
}

static int setup(void **state)
{
	static world w;
	nnopt_context_options o;
	nnopt_loader_options lo;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.threads = 2;
	o.alloc = budget_alloc;
	o.free = budget_free;
	o.alloc_user = &w.memory;
	assert_ok(nnopt_context_create(&w.ctx, &o));
	make_data(&w);
	assert_ok(nnopt_model_create(&w.net, w.ctx));
	assert_ok(add_layers(w.net));
	assert_ok(nnopt_model_build(w.net, 3, (int64_t[]){ 1, 8, 8 }));
	assert_ok(nnopt_loader_options_init(&lo, sizeof lo));
	lo.batch = 8;
	lo.workers = 0;
	lo.on_bad_sample = NNOPT_BAD_SAMPLE_FAIL;
	assert_ok(nnopt_loader_create(&w.loader, w.data, NULL, &lo));
	assert_ok(nnopt_cross_entropy_create(&w.loss, w.ctx, NULL));
	/* What shared objects allocate at first use stays with them: gradients, scratch of the loss. */
	assert_ok(steps(&w));
	assert_ok(fit(&w));
	assert_ok(evaluation(&w));
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	world *w = *state;
	nnopt_loss_destroy(w->loss);
	nnopt_loader_destroy(w->loader);
	nnopt_model_destroy(w->net);
	nnopt_dataset_destroy(w->data);
	nnopt_context_destroy(w->ctx);
	assert_int_equal(atomic_load(&w->memory.blocks), 0);
	assert_int_equal(atomic_load(&w->memory.live), 0);
	(void)unlink(PATH);
	return 0;
}

static long run_failing(world *w, nnopt_status (*scenario)(world *), const char *name, int all)
{
	long blocks = atomic_load(&w->memory.blocks), n = 0;
	for (;;) {
		n++;
		atomic_store(&w->memory.calls, 0);
		atomic_store(&w->memory.failures, 0);
		atomic_store(&w->memory.fail_after, all);
		atomic_store(&w->memory.fail_at, n);
		nnopt_status s = scenario(w);
		atomic_store(&w->memory.fail_at, 0);
		long failures = atomic_load(&w->memory.failures);
		if (atomic_load(&w->memory.blocks) != blocks)
			fail_msg("%s: allocation %ld failed: %ld blocks left behind", name, n,
				 atomic_load(&w->memory.blocks) - blocks);
		if (failures == 0) {
			assert_int_equal(s, NNOPT_OK);
			return n - 1;
		}
		if (s != NNOPT_OK && (s != NNOPT_ERROR_OUT_OF_MEMORY || nnopt_last_error()[0] == 0))
			fail_msg("%s: allocation %ld failed: %s (\"%s\")", name, n, nnopt_status_name(s),
				 nnopt_last_error());
		if (s == NNOPT_OK && all)
			fail_msg("%s: all allocations from %ld on failed, and it went well", name, n);
		if (access(PATH ".tmp", F_OK) == 0)
			fail_msg("%s: allocation %ld failed: a temporary file is left", name, n);
	}
}

static void run(world *w, nnopt_status (*scenario)(world *), const char *name)
{
	long one = run_failing(w, scenario, name, 0);
	(void)run_failing(w, scenario, name, 1);
	assert_ok(scenario(w));
	print_message("%s: each of %ld allocations failed in turn\n", name, one);
}

static void all_scenarios(void **state)
{
	world *w = *state;
	run(w, contexts_and_tensors, "context and tensors");
	run(w, sequential_model, "sequential model");
	run(w, residual_model, "residual model");
	run(w, recurrent_model, "recurrent model");
	run(w, steps, "training steps");
	run(w, save_and_load, "save and load");
	run(w, foreign_weights, "foreign weights");
	run(w, to_json_and_back, "JSON");
	run(w, files_to_batches, "files to batches");
	run(w, views_to_mixed_batches, "views to mixed batches");
	run(w, evaluation, "evaluation");
	run(w, fit, "fit");
	run(w, distillation, "distillation");
	run(w, fit_with_averages, "fit with averages");
	run(w, picture_and_array_files, "pictures and arrays");
	run(w, whitening, "whitening");
	run(w, named_networks, "named networks");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(all_scenarios) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
