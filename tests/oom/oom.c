/* oom.c - models, files and networks while allocations fail. */
#define OOM_NAME "oom"
#include "world.h"

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

static nnopt_status picture_and_array_files(world *w)
{
	nnopt_tensor *t = NULL, *back = NULL, *array = NULL;
	nnopt_status s = nnopt_tensor_create(&t, w->ctx, NNOPT_U8, 4, (int64_t[]){ 1, 3, 9, 7 }, NNOPT_NCHW);
	if (s == NNOPT_OK)
		s = nnopt_image_write_png(t, PATH);
	size_t needed = 0;
	if (s == NNOPT_OK)
		s = nnopt_image_encode_png(t, NULL, 0, &needed);
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
	run(w, picture_and_array_files, "pictures and arrays");
	run(w, whitening, "whitening");
	run(w, named_networks, "named networks");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(all_scenarios) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
