/* grad_cam.c - Grad-CAM against PyTorch's (tests/golden/make_grad_cam.py), its pictures, and what is refused. */
#include "check.h"
#include "golden.h"

#include <math.h>

enum { N = 3, SIDE = 8, CLASSES = 4 };

static nnopt_context *ctx;

static int setup(void **state)
{
	(void)state;
	return nnopt_context_create(&ctx, NULL) == NNOPT_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	nnopt_context_destroy(ctx);
	return 0;
}

static void fill(nnopt_model *m, const char *name, uint32_t stream, float scale, float shift)
{
	nnopt_parameter_info info = { .struct_size = sizeof info };
	nnopt_tensor *t = NULL;
	int32_t index;
	assert_ok(nnopt_model_find_parameter(m, name, &index));
	assert_ok(nnopt_model_parameter_info(m, index, &info));
	assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_F32, info.rank, info.shape, NNOPT_NCHW));
	for (int64_t i = 0; i < info.count; i++)
		((float *)nnopt_tensor_data(t))[i] = number(stream, (uint32_t)i) * scale + shift;
	assert_ok(nnopt_model_set_parameter(m, index, t));
	nnopt_tensor_destroy(t);
}

static nnopt_model *make(void)
{
	nnopt_model *m = NULL;
	nnopt_conv2d_options same;
	assert_ok(nnopt_conv2d_options_init(&same, sizeof same));
	same.padding_mode = NNOPT_PADDING_SAME;
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(nnopt_add_conv2d(m, 5, 3, &same));
	assert_ok(nnopt_add_batch_norm2d(m, NULL));
	assert_ok(nnopt_add_relu(m));
	assert_ok(nnopt_add_max_pool2d(m, 2, NULL));
	assert_ok(nnopt_add_dropout(m, 0.5f));
	assert_ok(nnopt_add_conv2d(m, 6, 3, &same));
	assert_ok(nnopt_add_relu(m));
	assert_ok(nnopt_add_global_avg_pool2d(m));
	assert_ok(nnopt_add_flatten(m));
	assert_ok(nnopt_add_linear(m, CLASSES, NULL));
	assert_ok(nnopt_model_build(m, 3, (int64_t[]){ 3, SIDE, SIDE }));
	fill(m, "conv2d1.weight", 80, 0.25f, 0.0f);
	fill(m, "conv2d1.bias", 81, 0.25f, 0.0f);
	fill(m, "batch_norm2d1.weight", 82, 0.25f, 1.0f);
	fill(m, "batch_norm2d1.bias", 83, 0.25f, 0.0f);
	fill(m, "batch_norm2d1.running_mean", 84, 0.125f, 0.0f);
	fill(m, "batch_norm2d1.running_var", 85, 0.25f, 1.0f);
	fill(m, "conv2d2.weight", 86, 0.25f, 0.0f);
	fill(m, "conv2d2.bias", 87, 0.25f, 0.0f);
	fill(m, "linear1.weight", 88, 0.5f, 0.0f);
	fill(m, "linear1.bias", 89, 0.25f, 0.0f);
	return m;
}

static nnopt_tensor *images(void)
{
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_F32, 4, (int64_t[]){ N, 3, SIDE, SIDE }, NNOPT_NCHW));
	for (int64_t i = 0; i < nnopt_tensor_count(t); i++)
		((float *)nnopt_tensor_data(t))[i] = number(90, (uint32_t)i);
	return t;
}

static const struct golden {
	const char *layer;
	const int64_t *classes;
	int64_t side;
	const float *maps;
} golden[] = {
#include "golden/grad_cam.inc"
};

static void maps_are_pytorchs(void **state)
{
	(void)state;
	nnopt_model *m = make();
	nnopt_tensor *x = images();
	for (size_t k = 0; k < sizeof golden / sizeof *golden; k++)
		for (int64_t batch = 1; batch <= 4; batch++) { /* any number at a time, a last part that is not full */
			const struct golden *g = &golden[k];
			nnopt_grad_cam_options o;
			nnopt_tensor *maps = NULL;
			assert_ok(nnopt_grad_cam_options_init(&o, sizeof o));
			o.layer = k == 0 && batch == 1 ? NULL : g->layer; /* relu2 is the last that gives maps */
			o.classes = g->classes;
			o.batch = batch;
			assert_ok(nnopt_grad_cam(&maps, m, x, &o));
			assert_int_equal(nnopt_tensor_extent(maps, 0), N);
			assert_int_equal(nnopt_tensor_extent(maps, 1), 1);
			assert_int_equal(nnopt_tensor_extent(maps, 2), g->side);
			assert_int_equal(nnopt_tensor_extent(maps, 3), g->side);
			const float *got = nnopt_tensor_const_data(maps);
			float most = 0.0f;
			for (int64_t i = 0; i < nnopt_tensor_count(maps); i++)
				most = fmaxf(most, g->maps[i]);
			for (int64_t i = 0; i < nnopt_tensor_count(maps); i++)
				if (!(fabsf(got[i] - g->maps[i]) <= 1e-5f * most))
					fail_msg("%s [%d]: %g, %g wanted", g->layer, (int)i, (double)got[i],
						 (double)g->maps[i]);
			nnopt_tensor_destroy(maps);
		}
	nnopt_tensor_destroy(x);
	nnopt_model_destroy(m);
}

/* A map of one hot corner: nothing changes at the other end, and the hottest place is the map's yellow. */
static void overlays_cover_where_it_is_hot(void **state)
{
	(void)state;
	for (int layout = 0; layout < 2; layout++)
		for (int64_t c = 1; c <= 3; c += 2) {
			nnopt_tensor *picture = NULL, *maps = NULL, *out = NULL;
			assert_ok(nnopt_tensor_create(&picture, ctx, NNOPT_U8, 4, (int64_t[]){ 1, c, 6, 9 },
						      layout == 0 ? NNOPT_NCHW : NNOPT_NHWC));
			uint8_t *p = nnopt_tensor_data(picture);
			for (int64_t y = 0; y < 6; y++)
				for (int64_t x = 0; x < 9; x++)
					for (int64_t k = 0; k < c; k++)
						p[layout == 0 ? (k * 6 + y) * 9 + x : (y * 9 + x) * c + k] =
						    (uint8_t)(10 * y + x + 60 * k);
			assert_ok(nnopt_tensor_create(&maps, ctx, NNOPT_F32, 4, (int64_t[]){ 2, 1, 3, 3 }, NNOPT_NCHW));
			((float *)nnopt_tensor_data(maps))[9] = 4.0f; /* of the second */
			assert_ok(nnopt_grad_cam_overlay(&out, ctx, picture, maps, 1, 1.0));
			const uint8_t *q = nnopt_tensor_const_data(out);
			assert_int_equal(nnopt_tensor_layout(out), NNOPT_NHWC);
			assert_int_equal(nnopt_tensor_extent(out, 2), 6);
			assert_int_equal(nnopt_tensor_extent(out, 3), 9);
			assert_memory_equal(q, ((const uint8_t[]){ 252, 240, 110 }), 3);
			for (int k = 0; k < 3; k++) /* the last pixel is the picture's */
				assert_int_equal(q[(5 * 9 + 8) * 3 + k], 58 + (c == 3 ? 60 * k : 0));
			nnopt_tensor_destroy(out);
			/* A map of zeros, and no strength, leave the picture. */
			for (int64_t which = 0; which < 2; which++) {
				assert_ok(
				    nnopt_grad_cam_overlay(&out, ctx, picture, maps, which, which == 0 ? 1.0 : 0.0));
				q = nnopt_tensor_const_data(out);
				for (int64_t i = 0; i < 6 * 9; i++)
					assert_int_equal(q[3 * i], 10 * (i / 9) + i % 9);
				nnopt_tensor_destroy(out);
			}
			nnopt_tensor_destroy(picture);
			nnopt_tensor_destroy(maps);
		}
}

static void nonsense_is_refused(void **state)
{
	(void)state;
	nnopt_model *m = make(), *bare = NULL, *flat = NULL;
	nnopt_tensor *x = images(), *maps = NULL, *picture = NULL, *row = NULL;
	nnopt_grad_cam_options o;
	assert_ok(nnopt_grad_cam_options_init(&o, sizeof o));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "out is NULL", nnopt_grad_cam(NULL, m, x, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "model is NULL", nnopt_grad_cam(&maps, NULL, x, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "images is NULL", nnopt_grad_cam(&maps, m, NULL, NULL));
	o.layer = "absent";
	assert_fails(NNOPT_ERROR_NOT_FOUND, "'absent'", nnopt_grad_cam(&maps, m, x, &o));
	o.layer = "flatten1";
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "'flatten1' gives no maps", nnopt_grad_cam(&maps, m, x, &o));
	o.layer = "global_avg_pool2d1";
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "gives no maps", nnopt_grad_cam(&maps, m, x, &o));
	o.layer = NULL;
	o.classes = (const int64_t[]){ 0, 4, 0 };
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "class 4 of picture 1, 0 to 3", nnopt_grad_cam(&maps, m, x, &o));
	o.classes = NULL;
	o.batch = 0;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "batch 0", nnopt_grad_cam(&maps, m, x, &o));
	assert_ok(nnopt_model_create(&bare, ctx));
	assert_ok(nnopt_add_flatten(bare));
	assert_fails(NNOPT_ERROR_STATE, "not built", nnopt_grad_cam(&maps, bare, x, NULL));
	assert_ok(nnopt_model_build(bare, 3, (int64_t[]){ 3, SIDE, SIDE }));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "no layer gives maps", nnopt_grad_cam(&maps, bare, x, NULL));
	assert_ok(nnopt_model_create(&flat, ctx)); /* its output is maps, no scores */
	assert_ok(nnopt_add_conv2d(flat, 2, 3, NULL));
	assert_ok(nnopt_model_build(flat, 3, (int64_t[]){ 3, SIDE, SIDE }));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "no scores of classes", nnopt_grad_cam(&maps, flat, x, NULL));
	assert_ok(nnopt_tensor_create(&row, ctx, NNOPT_F32, 2, (int64_t[]){ 1, 4 }, NNOPT_NCHW));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "rank 2", nnopt_grad_cam(&maps, m, row, NULL));
	assert_null(maps);

	assert_ok(nnopt_grad_cam(&maps, m, x, NULL));
	assert_ok(nnopt_tensor_create(&picture, ctx, NNOPT_U8, 3, (int64_t[]){ 2, 4, 4 }, NNOPT_NCHW));
	nnopt_tensor *out = NULL;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "2 channels",
		     nnopt_grad_cam_overlay(&out, ctx, picture, maps, 0, 0.5));
	nnopt_tensor_destroy(picture);
	assert_ok(nnopt_tensor_create(&picture, ctx, NNOPT_U8, 3, (int64_t[]){ 3, 4, 4 }, NNOPT_NCHW));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "index 3", nnopt_grad_cam_overlay(&out, ctx, picture, maps, N, 0.5));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "strength 1.5",
		     nnopt_grad_cam_overlay(&out, ctx, picture, maps, 0, 1.5));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "f32 (N, 1, H, W)",
		     nnopt_grad_cam_overlay(&out, ctx, picture, x, 0, 0.5));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "context is NULL",
		     nnopt_grad_cam_overlay(&out, NULL, picture, maps, 0, 0.5));
	((float *)nnopt_tensor_data(maps))[3] = NAN;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "map 0 holds",
		     nnopt_grad_cam_overlay(&out, ctx, picture, maps, 0, 0.5));
	assert_null(out);
	nnopt_tensor_destroy(picture);
	nnopt_tensor_destroy(maps);
	nnopt_tensor_destroy(row);
	nnopt_tensor_destroy(x);
	nnopt_model_destroy(m);
	nnopt_model_destroy(bare);
	nnopt_model_destroy(flat);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_are_pytorchs),
		cmocka_unit_test(overlays_cover_where_it_is_hot),
		cmocka_unit_test(nonsense_is_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
