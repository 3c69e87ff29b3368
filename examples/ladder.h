/* ladder.h - what a rung of the accuracy ladder is: a recipe, and the library's objects that it stands for. */
#ifndef LADDER_H
#define LADDER_H

#include "shapes.h"

#include <string.h>

#define LADDER_SIDE 32

typedef struct recipe {
	/* pictures */
	enum { NO_FLIP, FLIP_BY_CHANCE, FLIP_IN_TURNS } flip;
	double rotation;       /* degrees to either side */
	int64_t crop, cutout;  /* pixels that a picture is shifted by at most; side of the square that is erased */
	double mixup, cutmix;  /* their alphas */
	double jitter;         /* of brightness, contrast and saturation, to either side of 1 */
	double resized_crop;   /* the smallest part of the area that is cut out and resized; 0: none */
	double erasing;        /* probability of a rectangle that is erased */
	int32_t rand, trivial; /* 1: RandAugment, TrivialAugment */
	enum { TO_ONE, NORMALISE, NORMALISE_EACH } normalise; /* by all training pictures, or each picture by itself */
	/* network */
	enum { PLAIN, RESNET, SPEED_NET } network;
	int64_t depth, convs; /* PLAIN: stages and the convolutions of each; others: the zoo's number */
	double width, dropout, stochastic_depth;
	int64_t squeeze;
	enum { AS_PYTORCH, HE, XAVIER, DIRAC } init;   /* PLAIN */
	enum { NO_NORM, BATCH_NORM, GROUP_NORM } norm; /* PLAIN */
	double channel_dropout, drop_block;            /* PLAIN, behind each pooling */
	int32_t recurrent;                             /* PLAIN; 1: a GRU reads the last map beside the linear layer */
	int32_t whitening;                             /* SPEED_NET; 1: the first weights are from the pictures */
	/* training */
	int64_t batch, epochs;
	enum { ADAM, SGD, ADAMW, RMSPROP, LION, MUON } optimizer;
	double lr, weight_decay, l1, momentum, smoothing;
	double focal;        /* gamma of the focal loss; 0: cross-entropy */
	double sam;          /* rho; 0: none */
	double clip;         /* largest norm of the gradients; 0: any */
	const char *teacher; /* NULL, or the rung whose networks' logits are learnt too */
	enum { CONSTANT, WARM_COSINE, TRIANGLE, ONE_CYCLE } schedule;
	enum { NO_AVERAGE, EMA, LOOKAHEAD, SWA } average;
	int32_t precision;
	/* evaluation */
	int32_t views; /* 1: test-time augmentation */
} recipe;

/* What all rungs share: the pictures in memory, all 32 x 32 with three channels, and what they are normalised by. */
typedef struct pictures {
	nnopt_dataset *train, *test;
	float mean[3], deviation[3];
} pictures;

static inline void add_word(char *text, size_t size, const char *name, double value)
{
	size_t used = strlen(text);
	if (value != 0.0)
		snprintf(text + used, size - used, " %s %g", name, value);
}

/* The recipe in words: a result counts for no other. */
static inline void describe(const recipe *r, int64_t samples, char *text, size_t size)
{
	static const char *const flips[] = { "none", "chance", "turns" }, *const networks[] = { "plain", "resnet",
												"speed" };
	static const char *const schedules[] = { "constant", "cosine", "triangle", "one-cycle" }, *const averages[] = {
		"none", "ema", "lookahead", "swa"
	};
	static const char *const precisions[] = { "f32", "bf16", "f16" };
	static const char *const optimizers[] = { "adam", "sgd", "adamw", "rmsprop", "lion", "muon" };
	snprintf(text, size,
		 "%lld pictures flip %s rotation %g crop %lld cutout %lld mixup %g cutmix %g normalise %d; %s "
		 "%lldx%lld width %g dropout %g "
		 "depth-drop %g squeeze %lld he %d norm %d; batch %lld epochs %lld %s lr %g decay %g momentum %g "
		 "smoothing %g schedule %s "
		 "average %s %s%s",
		 (long long)samples, flips[r->flip], r->rotation, (long long)r->crop, (long long)r->cutout, r->mixup,
		 r->cutmix, r->normalise, networks[r->network], (long long)r->depth, (long long)r->convs, r->width,
		 r->dropout, r->stochastic_depth, (long long)r->squeeze, r->init == HE, r->norm, (long long)r->batch,
		 (long long)r->epochs, optimizers[r->optimizer], r->lr, r->weight_decay, r->momentum, r->smoothing,
		 schedules[r->schedule], averages[r->average], precisions[r->precision], r->views ? "; views" : "");
	add_word(text, size, "jitter", r->jitter);
	add_word(text, size, "trivial", r->trivial);
	add_word(text, size, "xavier", r->init == XAVIER);
	add_word(text, size, "l1", r->l1);
	add_word(text, size, "focal", r->focal);
	add_word(text, size, "sam", r->sam);
	add_word(text, size, "dirac", r->init == DIRAC);
	add_word(text, size, "resized-crop", r->resized_crop);
	add_word(text, size, "erasing", r->erasing);
	add_word(text, size, "rand", r->rand);
	add_word(text, size, "channel-dropout", r->channel_dropout);
	add_word(text, size, "drop-block", r->drop_block);
	add_word(text, size, "recurrent", r->recurrent);
	add_word(text, size, "clip", r->clip);
	add_word(text, size, "taught", r->teacher != NULL);
	add_word(text, size, "not-whitened", r->network == SPEED_NET && !r->whitening);
}

/* The first pictures of each class, `samples` together or a few less; 0: all. */
static inline nnopt_dataset *first_of_each_class(nnopt_dataset *from, int64_t samples)
{
	int64_t all = nnopt_dataset_count(from), classes = nnopt_dataset_classes(from), count = 0;
	nnopt_dataset *part = NULL;
	if (samples <= 0 || samples >= all)
		return from;
	int64_t *taken = calloc((size_t)classes, sizeof *taken), *indices = calloc((size_t)all, sizeof *indices);
	for (int64_t i = 0; taken != NULL && indices != NULL && i < all; i++)
		if (taken[nnopt_dataset_label(from, i)]++ < samples / classes)
			indices[count++] = i;
	CHECK(nnopt_dataset_subset(&part, from, indices, count));
	nnopt_dataset_destroy(from);
	free(indices);
	free(taken);
	return part;
}

/* Decoded once, 32 x 32 and with three channels: smaller pictures stand in the middle of black, grey ones three times.
 */
static inline nnopt_dataset *into_memory(nnopt_context *ctx, nnopt_dataset *from)
{
	nnopt_dataset *data = NULL;
	nnopt_tensor *images = NULL, *labels = NULL;
	int64_t count = nnopt_dataset_count(from);
	CHECK(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (const int64_t[]){ count, 3, LADDER_SIDE, LADDER_SIDE },
				  NNOPT_NHWC));
	CHECK(nnopt_tensor_create(&labels, ctx, NNOPT_I32, 1, &count, NNOPT_NCHW)); /* both begin as 0 */
	for (int64_t i = 0; i < count; i++) {
		nnopt_tensor *picture = NULL;
		int64_t label = 0;
		CHECK(nnopt_dataset_get(from, i, &picture, &label));
		int64_t c = nnopt_tensor_extent(picture, 1), h = nnopt_tensor_extent(picture, 2),
			w = nnopt_tensor_extent(picture, 3);
		if (h > LADDER_SIDE || w > LADDER_SIDE) {
			fprintf(stderr, "picture %lld is larger than %d x %d\n", (long long)i, LADDER_SIDE,
				LADDER_SIDE);
			exit(EXIT_FAILURE);
		}
		const uint8_t *src = nnopt_tensor_data(picture);
		uint8_t *dst = (uint8_t *)nnopt_tensor_data(images) + i * 3 * LADDER_SIDE * LADDER_SIDE;
		int64_t top = (LADDER_SIDE - h) / 2, left = (LADDER_SIDE - w) / 2;
		for (int64_t k = 0; k < 3 * h * w; k++)
			dst[((top + k / 3 / w) * LADDER_SIDE + left + k / 3 % w) * 3 + k % 3] =
			    src[k / 3 * c + (c == 3 ? k % 3 : 0)];
		((int32_t *)nnopt_tensor_data(labels))[i] = (int32_t)label;
		nnopt_tensor_destroy(picture);
	}
	CHECK(nnopt_dataset_from_tensors(&data, ctx, images, labels)); /* copies */
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
	nnopt_dataset_destroy(from);
	return data;
}

/* Fashion-MNIST's files, a folder with train/CLASS/ and test/CLASS/, or CIFAR-10's binary version; drawn shapes without
 * `dir`. */
static inline nnopt_dataset *open_split(nnopt_context *ctx, const char *dir, int fashion, nnopt_split split,
					int64_t samples)
{
	char a[1024], b[1024];
	nnopt_dataset *data = NULL;
	int test = split == NNOPT_SPLIT_TEST;
	if (dir == NULL)
		return make_shapes(ctx, samples, test ? 2 : 1);
	if (fashion) {
		snprintf(a, sizeof a, "%s/%s-images-idx3-ubyte.gz", dir, test ? "t10k" : "train");
		snprintf(b, sizeof b, "%s/%s-labels-idx1-ubyte.gz", dir, test ? "t10k" : "train");
		CHECK(nnopt_idx_open(&data, ctx, a, b));
		return data;
	}
	nnopt_status status = open_folder(&data, ctx, dir, test ? "test" : "train");
	CHECK(status == NNOPT_ERROR_NOT_FOUND ? nnopt_cifar10_open(&data, ctx, dir, split) : status);
	return data;
}

static inline pictures open_ladder_pictures(nnopt_context *ctx, const char *dir, int fashion, int64_t samples)
{
	pictures p = { NULL };
	p.train =
	    into_memory(ctx, first_of_each_class(open_split(ctx, dir, fashion, NNOPT_SPLIT_TRAIN, samples), samples));
	p.test =
	    into_memory(ctx, first_of_each_class(open_split(ctx, dir, fashion, NNOPT_SPLIT_TEST, samples), samples));
	CHECK(nnopt_dataset_fit_normalisation(p.train, 3, p.mean, p.deviation));
	return p;
}

static inline void add_jitter(nnopt_transforms *t, double by)
{
	nnopt_colour_jitter_options o;
	CHECK(nnopt_colour_jitter_options_init(&o, sizeof o));
	o.brightness_min = o.contrast_min = o.saturation_min = 1.0 - by;
	o.brightness_max = o.contrast_max = o.saturation_max = 1.0 + by;
	CHECK(nnopt_transforms_add_colour_jitter(t, &o, 1.0));
}

static inline void add_resized_crop(nnopt_transforms *t, double smallest)
{
	nnopt_random_resized_crop_options o;
	CHECK(nnopt_random_resized_crop_options_init(&o, sizeof o));
	o.scale_min = smallest;
	CHECK(nnopt_transforms_add_random_resized_crop(t, LADDER_SIDE, LADDER_SIDE, &o));
}

static inline void add_erasing(nnopt_transforms *t, double probability, const uint8_t *fill)
{
	nnopt_random_erasing_options o;
	CHECK(nnopt_random_erasing_options_init(&o, sizeof o));
	memcpy(o.fill, fill, sizeof o.fill);
	CHECK(nnopt_transforms_add_random_erasing(t, &o, probability));
}

static inline nnopt_loader *ladder_loader(const pictures *p, const recipe *r, int32_t training, uint64_t seed)
{
	nnopt_dataset *data = training ? p->train : p->test;
	nnopt_context *ctx = nnopt_dataset_context(data);
	nnopt_transforms *t = NULL;
	nnopt_loader *loader = NULL;
	nnopt_loader_options o;
	uint8_t grey[4] = { 0 };
	for (int c = 0; c < 3; c++)
		grey[c] = (uint8_t)(p->mean[c] * 255.0f + 0.5f);
	CHECK(nnopt_transforms_create(&t, ctx));
	if (training && r->flip == FLIP_BY_CHANCE)
		CHECK(nnopt_transforms_add_horizontal_flip(t, 0.5));
	if (training && r->flip == FLIP_IN_TURNS)
		CHECK(nnopt_transforms_add_alternating_flip(t));
	if (training && r->rotation > 0.0)
		CHECK(nnopt_transforms_add_rotation(t, r->rotation, 0, 1.0));
	if (training && r->crop > 0)
		CHECK(nnopt_transforms_add_pad_crop(t, r->crop, NNOPT_PAD_REFLECT, 1.0));
	if (training && r->resized_crop > 0.0)
		add_resized_crop(t, r->resized_crop);
	if (training && r->rand)
		CHECK(nnopt_transforms_add_rand_augment(t, NULL, 1.0));
	if (training && r->trivial)
		CHECK(nnopt_transforms_add_trivial_augment(t, NULL, 1.0));
	if (training && r->jitter > 0.0)
		add_jitter(t, r->jitter);
	if (training && r->cutout > 0)
		CHECK(nnopt_transforms_add_cutout(t, r->cutout, grey, 1.0));
	if (training && r->erasing > 0.0)
		add_erasing(t, r->erasing, grey);
	if (r->normalise == NORMALISE)
		CHECK(nnopt_transforms_add_normalise(t, p->mean, p->deviation, 3));
	if (r->normalise == NORMALISE_EACH)
		CHECK(nnopt_transforms_add_normalise_per_image(t, 0, 1e-2));
	CHECK(nnopt_loader_options_init(&o, sizeof o));
	o.batch = training ? r->batch : 256;
	o.shuffle = o.drop_last = training;
	o.mixup_alpha = training ? r->mixup : 0.0;
	o.cutmix_alpha = training ? r->cutmix : 0.0;
	o.seed = seed;
	o.use_seed = 1;
	o.cache_bytes = 0; /* they are in memory */
	CHECK(nnopt_loader_create(&loader, data, t, &o));
	nnopt_transforms_destroy(t);
	return loader;
}

/* Beside the map as it is what a GRU says that has read its rows from both sides. */
static inline void add_flat_and_read(nnopt_model *net)
{
	nnopt_context *ctx = nnopt_model_context(net);
	nnopt_recurrent_options o;
	nnopt_layer *layers[3];
	int32_t map = nnopt_model_node_count(net) - 1, nodes[2];
	CHECK(nnopt_recurrent_options_init(&o, sizeof o));
	o.bidirectional = 1;
	CHECK(nnopt_flatten_create(&layers[0], ctx));
	CHECK(nnopt_gru_create(&layers[1], ctx, 64, &o));
	CHECK(nnopt_concat_create(&layers[2], ctx));
	for (int i = 0; i < 2; i++)
		CHECK(nnopt_model_connect(net, layers[i], &map, 1, &nodes[i]));
	CHECK(nnopt_model_connect(net, layers[2], nodes, 2, NULL));
	for (int i = 0; i < 3; i++)
		nnopt_layer_destroy(layers[i]);
}

/* Stages of 3 x 3 convolutions, each stage with a pooling and twice the channels of the one before; a hidden linear
 * layer. */
static inline nnopt_model *plain_network(nnopt_context *ctx, const recipe *r, int64_t classes)
{
	static const nnopt_init inits[] = { NNOPT_INIT_DEFAULT, NNOPT_INIT_HE_NORMAL, NNOPT_INIT_XAVIER_NORMAL,
					    NNOPT_INIT_DIRAC };
	nnopt_model *net = NULL;
	nnopt_conv2d_options same;
	nnopt_linear_options hidden;
	CHECK(nnopt_conv2d_options_init(&same, sizeof same));
	CHECK(nnopt_linear_options_init(&hidden, sizeof hidden));
	same.padding_mode = NNOPT_PADDING_SAME;
	same.use_bias = r->norm == NO_NORM;
	same.weight_init = inits[r->init];
	hidden.weight_init = r->init == DIRAC ? NNOPT_INIT_HE_NORMAL : inits[r->init];
	CHECK(nnopt_model_create(&net, ctx));
	for (int64_t stage = 0; stage < r->depth; stage++) {
		for (int64_t i = 0; i < r->convs; i++) {
			CHECK(nnopt_add_conv2d(net, (int64_t)(32.0 * r->width) << stage, 3, &same));
			if (r->norm == BATCH_NORM)
				CHECK(nnopt_add_batch_norm2d(net, NULL));
			if (r->norm == GROUP_NORM)
				CHECK(nnopt_add_group_norm(net, 4, NULL));
			CHECK(nnopt_add_relu(net));
		}
		CHECK(nnopt_add_max_pool2d(net, 2, NULL));
		if (r->channel_dropout > 0.0)
			CHECK(nnopt_add_dropout2d(net, (float)r->channel_dropout));
		if (r->drop_block > 0.0)
			CHECK(nnopt_add_drop_block(net, 3, (float)r->drop_block));
	}
	if (r->recurrent)
		add_flat_and_read(net);
	else
		CHECK(nnopt_add_flatten(net));
	CHECK(nnopt_add_linear(net, (int64_t)(512.0 * r->width), &hidden));
	CHECK(nnopt_add_relu(net));
	CHECK(nnopt_add_dropout(net, (float)r->dropout));
	CHECK(nnopt_add_linear(net, classes, NULL));
	return net;
}

/* The speed net's first weights: from the patches of 5,000 pictures, and not trained. */
static inline void whiten(nnopt_model *net, const pictures *p, uint64_t seed)
{
	recipe as_they_are = { .normalise = NORMALISE, .batch = nnopt_dataset_count(p->train) };
	if (as_they_are.batch > 5000)
		as_they_are.batch = 5000;
	nnopt_loader *loader = ladder_loader(p, &as_they_are, 1, seed); /* of all classes, for it shuffles */
	const nnopt_batch *batch = NULL;
	int32_t index = 0;
	CHECK(nnopt_loader_start(loader, 0, 0));
	CHECK(nnopt_loader_next(loader, &batch));
	CHECK(nnopt_model_find_parameter(net, "whiten.weight", &index));
	CHECK(nnopt_model_initialise_whitening(net, index, batch->images, 5e-4));
	CHECK(nnopt_model_set_trainable(net, "whiten.weight", 0, NULL));
	nnopt_loader_destroy(loader);
}

static inline nnopt_model *ladder_network(nnopt_context *ctx, const recipe *r, const pictures *p, uint64_t seed)
{
	int64_t classes = nnopt_dataset_classes(p->train);
	nnopt_model *net = NULL;
	if (r->network == PLAIN) {
		net = plain_network(ctx, r, classes);
	} else if (r->network == RESNET) {
		nnopt_resnet_options o;
		CHECK(nnopt_resnet_options_init(&o, sizeof o));
		o.form = NNOPT_FORM_CIFAR;
		o.width = r->width;
		o.dropout = r->dropout;
		o.squeeze = r->squeeze;
		o.stochastic_depth = r->stochastic_depth;
		CHECK(nnopt_resnet_create(&net, ctx, r->depth, classes, &o));
	} else {
		nnopt_speed_net_options o;
		CHECK(nnopt_speed_net_options_init(&o, sizeof o));
		o.width = r->width;
		CHECK(nnopt_speed_net_create(&net, ctx, r->depth, classes, &o));
	}
	CHECK(nnopt_model_build(net, 3, (const int64_t[]){ 3, LADDER_SIDE, LADDER_SIDE }));
	if (r->whitening)
		whiten(net, p, seed);
	return net;
}

static inline void add_group(nnopt_optimizer *optimizer, const char *prefix, int32_t role, double lr_scale,
			     double decay_scale)
{
	nnopt_group_options g;
	CHECK(nnopt_group_options_init(&g, sizeof g));
	g.name_prefix = prefix;
	g.role = role;
	g.lr_scale = lr_scale;
	g.weight_decay_scale = decay_scale;
	CHECK(nnopt_optimizer_add_group(optimizer, &g));
}

static inline nnopt_optimizer *adam_like(nnopt_context *ctx, const recipe *r)
{
	nnopt_optimizer *optimizer = NULL;
	nnopt_adam_options adam;
	nnopt_rmsprop_options rmsprop;
	nnopt_lion_options lion;
	CHECK(nnopt_adam_options_init(&adam, sizeof adam));
	CHECK(nnopt_rmsprop_options_init(&rmsprop, sizeof rmsprop));
	CHECK(nnopt_lion_options_init(&lion, sizeof lion));
	adam.lr = rmsprop.lr = lion.lr = r->lr;
	adam.weight_decay = rmsprop.weight_decay = lion.weight_decay = r->weight_decay;
	adam.l1 = rmsprop.l1 = lion.l1 = r->l1;
	CHECK(r->optimizer == ADAM    ? nnopt_adam_create(&optimizer, ctx, &adam)
	      : r->optimizer == ADAMW ? nnopt_adamw_create(&optimizer, ctx, &adam)
	      : r->optimizer == LION  ? nnopt_lion_create(&optimizer, ctx, &lion)
				      : nnopt_rmsprop_create(&optimizer, ctx, &rmsprop));
	return optimizer;
}

static inline nnopt_optimizer *muon(nnopt_context *ctx, const recipe *r)
{
	nnopt_optimizer *optimizer = NULL;
	nnopt_muon_options o;
	CHECK(nnopt_muon_options_init(&o, sizeof o));
	o.lr = r->lr;
	o.weight_decay = r->weight_decay;
	o.other_lr_scale = 0.1;
	CHECK(nnopt_muon_create(&optimizer, ctx, &o));
	return optimizer;
}

static inline nnopt_optimizer *ladder_optimizer(nnopt_context *ctx, const recipe *r)
{
	nnopt_optimizer *optimizer = NULL;
	if (r->optimizer == MUON)
		return muon(ctx, r);
	if (r->optimizer != SGD)
		return adam_like(ctx, r);
	nnopt_sgd_options o;
	CHECK(nnopt_sgd_options_init(&o, sizeof o));
	o.lr = r->lr;
	o.momentum = r->momentum;
	o.weight_decay = r->weight_decay;
	o.l1 = r->l1;
	o.nesterov = 1;
	CHECK(nnopt_sgd_create(&optimizer, ctx, &o));
	if (r->network == SPEED_NET) {
		/* Norms have no scale: their biases alone shape what an activation passes on, and learn 64 times as
		 * fast. */
		add_group(optimizer, NULL, NNOPT_ROLE_BIAS, 64.0, 1.0 / 64.0);
		add_group(optimizer, "whiten.", NNOPT_ROLE_BIAS, 1.0, 1.0);
	} else {
		add_group(optimizer, NULL, NNOPT_ROLE_BIAS, 1.0, 0.0);
		add_group(optimizer, NULL, NNOPT_ROLE_SCALE, 1.0, 0.0);
	}
	return optimizer;
}

/* The last quarter is averaged, at a rate that stays up (Izmailov et al. 2018). */
static inline int64_t swa_start(int64_t steps) { return steps * 3 / 4; }

/* Over `steps`, of the whole run; NULL where the rate is constant. */
static inline nnopt_schedule *ladder_schedule(nnopt_context *ctx, const recipe *r, int64_t steps)
{
	nnopt_schedule *schedule = NULL, *cosine = NULL;
	int64_t rise = r->schedule == TRIANGLE ? steps * 23 / 100 : steps / 10;
	int64_t fallen = r->average == SWA ? swa_start(steps) : steps;
	if (rise < 1)
		rise = 1;
	if (r->schedule == TRIANGLE)
		CHECK(nnopt_schedule_piecewise_create(&schedule, ctx,
						      (const int64_t[]){ 0, rise, steps > rise ? steps : rise + 1 },
						      (const double[]){ 0.2, 1.0, 0.07 }, 3));
	if (r->schedule == ONE_CYCLE)
		CHECK(nnopt_schedule_one_cycle_create(&schedule, ctx, steps, 0.3, 0.04, 4e-6, 0));
	if (r->schedule == WARM_COSINE) {
		CHECK(nnopt_schedule_cosine_create(&cosine, ctx, fallen > rise ? fallen - rise : 1,
						   r->average == SWA ? 0.2 : 0.0));
		CHECK(nnopt_schedule_warmup_create(&schedule, ctx, rise, 0.1, cosine));
		nnopt_schedule_destroy(cosine); /* kept by the one in front of it */
	}
	return schedule;
}

static inline nnopt_average *ladder_average(nnopt_context *ctx, const recipe *r, int64_t steps)
{
	nnopt_average *average = NULL;
	if (r->average == EMA) {
		nnopt_ema_options o;
		CHECK(nnopt_ema_options_init(&o, sizeof o));
		o.warm_up = 1;
		CHECK(nnopt_ema_create(&average, ctx, &o));
	} else if (r->average == LOOKAHEAD) {
		nnopt_lookahead_options o;
		CHECK(nnopt_lookahead_options_init(&o, sizeof o));
		o.ramp_steps = r->network == SPEED_NET ? steps : 0;
		CHECK(nnopt_lookahead_create(&average, ctx, &o));
	} else if (r->average == SWA) {
		nnopt_swa_options o;
		CHECK(nnopt_swa_options_init(&o, sizeof o));
		o.start = swa_start(steps);
		CHECK(nnopt_swa_create(&average, ctx, &o));
	}
	return average;
}

static inline nnopt_loss *ladder_loss(nnopt_context *ctx, const recipe *r)
{
	nnopt_cross_entropy_options o;
	nnopt_focal_options focal;
	nnopt_distillation_options taught;
	nnopt_loss *loss = NULL;
	if (r->teacher != NULL) {
		CHECK(nnopt_distillation_options_init(&taught, sizeof taught));
		taught.label_smoothing = r->smoothing;
		CHECK(nnopt_distillation_create(&loss, ctx, &taught));
		return loss;
	}
	if (r->focal > 0.0) {
		CHECK(nnopt_focal_options_init(&focal, sizeof focal));
		focal.gamma = r->focal;
		CHECK(nnopt_focal_create(&loss, ctx, &focal));
		return loss;
	}
	CHECK(nnopt_cross_entropy_options_init(&o, sizeof o));
	o.label_smoothing = (float)r->smoothing;
	CHECK(nnopt_cross_entropy_create(&loss, ctx, &o));
	return loss;
}

#endif
