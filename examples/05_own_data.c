/* 05_own_data.c - samples from a function of one's own: here rings and crosses, drawn on demand, by several threads at
 * once.
 *
 * usage: 05_own_data [EPOCHS] */
#include "example.h"

#define SIZE 20

/* Where the pictures come from: anything the function can reach through `user`, such as a database or an archive. */
typedef struct artist {
	uint32_t style;
} artist;

static nnopt_status draw(int64_t index, nnopt_sample *sample, void *user)
{
	const artist *a = user;
	/* The picture is a function of the index alone, so that any thread may draw it, again and again. */
	uint32_t r = ((uint32_t)index + a->style) * 2654435761u;
	int x0 = 6 + (int)(r >> 8) % 8, y0 = 6 + (int)(r >> 16) % 8, radius = 3 + (int)(r >> 28) % 3;
	int is_ring = index % 2 == 0;
	for (int y = 0; y < SIZE; y++)
		for (int x = 0; x < SIZE; x++) {
			int dx = x - x0, dy = y - y0, d = dx * dx + dy * dy;
			int ring = d <= radius * radius && d > (radius - 2) * (radius - 2);
			int cross = (dx == dy || dx == -dy) && d <= radius * radius;
			uint8_t *p = sample->pixels + (y * SIZE + x) * 3;
			p[0] = (uint8_t)((is_ring ? ring : cross) ? 200 : (r >> 3) % 64);
			p[1] = (uint8_t)((r >> 5) % 128);
			p[2] = (uint8_t)((r >> 7) % 128);
		}
	sample->height = sample->width = SIZE;
	sample->label = is_ring ? 0 : 1;
	return NNOPT_OK; /* or nnopt_fail(NNOPT_ERROR_IO, "why"): the loader leaves the sample out and reports it */
}

static nnopt_loader *make_loader(nnopt_context *ctx, nnopt_dataset *data, int32_t training, const float mean[3],
				 const float std[3])
{
	nnopt_transforms *t = NULL;
	nnopt_loader *loader = NULL;
	nnopt_loader_options o;
	CHECK(nnopt_transforms_create(&t, ctx));
	if (training) {
		CHECK(nnopt_transforms_add_pad_crop(t, 2, NNOPT_PAD_REFLECT, 1.0));
		CHECK(nnopt_transforms_add_horizontal_flip(t, 0.5));
		CHECK(nnopt_transforms_add_vertical_flip(t, 0.5));
	}
	CHECK(nnopt_transforms_add_normalise(t, mean, std, 3));
	CHECK(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 32;
	o.shuffle = training;
	o.workers = 2;
	CHECK(nnopt_loader_create(&loader, data, t, &o));
	nnopt_transforms_destroy(t);
	return loader;
}

int main(int argc, char **argv)
{
	int64_t epochs = 5;
	read_arguments(argc, argv, "[EPOCHS]", (const argument[]){ { .number = &epochs, .least = 1 }, { 0 } });
	nnopt_context *ctx = NULL;
	CHECK(nnopt_context_create(&ctx, NULL));

	artist someone = { .style = 7 };
	nnopt_callback_dataset_options o;
	nnopt_dataset *all = NULL, *train = NULL, *validation = NULL;
	CHECK(nnopt_callback_dataset_options_init(&o, sizeof o));
	o.count = 1000;
	o.classes = 2;
	o.channels = 3;
	o.max_height = o.max_width = SIZE;
	o.get = draw;
	o.user = &someone;
	CHECK(nnopt_dataset_from_callbacks(&all, ctx, &o));
	CHECK(nnopt_dataset_split(&train, &validation, all, 0.8, 1));

	float mean[3], std[3];
	CHECK(nnopt_dataset_fit_normalisation(train, 3, mean, std));
	nnopt_loader *learn = make_loader(ctx, train, 1, mean, std),
		     *check = make_loader(ctx, validation, 0, mean, std);

	nnopt_model *net = NULL;
	CHECK(nnopt_model_create(&net, ctx));
	for (int64_t channels = 16; channels <= 32; channels *= 2) {
		CHECK(nnopt_add_conv2d(net, channels, 3, NULL));
		CHECK(nnopt_add_batch_norm2d(net, NULL));
		CHECK(nnopt_add_relu(net));
		CHECK(nnopt_add_max_pool2d(net, 2, NULL));
	}
	CHECK(nnopt_add_flatten(net));
	CHECK(nnopt_add_linear(net, 2, NULL));

	nnopt_loss *loss = NULL;
	nnopt_optimizer *adam = NULL;
	CHECK(nnopt_cross_entropy_create(&loss, ctx, NULL));
	CHECK(nnopt_adamw_create(&adam, ctx, NULL));
	nnopt_fit_options fit;
	CHECK(nnopt_fit_options_init(&fit, sizeof fit));
	fit.epochs = epochs;
	fit.validation = check;
	fit.on_epoch = nnopt_progress_line;
	CHECK(nnopt_fit(net, learn, loss, adam, &fit, NULL));

	nnopt_optimizer_destroy(adam);
	nnopt_loss_destroy(loss);
	nnopt_model_destroy(net);
	nnopt_loader_destroy(check);
	nnopt_loader_destroy(learn);
	nnopt_dataset_destroy(validation);
	nnopt_dataset_destroy(train);
	nnopt_dataset_destroy(all);
	nnopt_context_destroy(ctx);
	return EXIT_SUCCESS;
}
