/* ladder_rungs.h - the rungs: to add one, write what it changes and a line of the table. */
#ifndef LADDER_RUNGS_H
#define LADDER_RUNGS_H

#include "ladder.h"

static void flip(recipe *r) { r->flip = FLIP_BY_CHANCE; }
static void rotate(recipe *r) { r->rotation = 10.0; }
static void crop(recipe *r) { r->crop = 4; }
static void resized_crop(recipe *r) { r->resized_crop = 0.5; }
static void normalise(recipe *r) { r->normalise = NORMALISE; }
static void normalise_each(recipe *r) { r->normalise = NORMALISE_EACH; }
static void he(recipe *r) { r->init = HE; }
static void xavier(recipe *r) { r->init = XAVIER; }
static void dirac(recipe *r) { r->init = DIRAC; }
static void batch_norm(recipe *r) { r->norm = BATCH_NORM; }
static void group_norm(recipe *r) { r->norm = GROUP_NORM; }

static void schedule(recipe *r)
{
	r->schedule = WARM_COSINE;
	r->lr *= 3.0; /* what a falling rate allows */
}

static void one_cycle(recipe *r) { r->schedule = ONE_CYCLE; }

static void sgd(recipe *r)
{
	r->optimizer = SGD;
	r->lr = 0.05;
	r->momentum = 0.9;
	r->weight_decay = 5e-4;
}

static void optimize(recipe *r, int optimizer, double lr, double weight_decay)
{
	r->optimizer = optimizer;
	r->lr = lr;
	r->weight_decay = weight_decay;
}

static void adamw(recipe *r) { optimize(r, ADAMW, 2e-3, 0.05); }
static void rmsprop(recipe *r) { optimize(r, RMSPROP, 1e-3, 5e-4); }
static void lion(recipe *r) { optimize(r, LION, 2e-4, 0.5); }
static void by_muon(recipe *r) { optimize(r, MUON, 0.02, 0.01); }
static void no_decay(recipe *r) { r->weight_decay = 0.0; }
static void l1(recipe *r) { r->l1 = 1e-5; }
static void focal(recipe *r) { r->focal = 2.0; }
static void sam(recipe *r) { r->sam = 0.05; }
static void clip(recipe *r) { r->clip = 1.0; }
static void distil(recipe *r) { r->teacher = "speed"; }
static void jitter(recipe *r) { r->jitter = 0.2; }
static void rand_augment(recipe *r) { r->rand = 1; }
static void trivial(recipe *r) { r->trivial = 1; }
static void random_erasing(recipe *r) { r->erasing = 0.25; }
static void in_turns(recipe *r) { r->flip = FLIP_IN_TURNS; }

static void larger_batch(recipe *r)
{
	r->batch *= 4;
	r->lr *= 4.0;
}

static void smooth(recipe *r) { r->smoothing = 0.1; }
static void no_dropout(recipe *r) { r->dropout = 0.0; }

static void deeper(recipe *r)
{
	r->depth = 3;
	r->convs = 2;
}

static void wider(recipe *r) { r->width = 2.0; }
static void cutout(recipe *r) { r->cutout = 8; }
static void mixup(recipe *r) { r->mixup = 0.2; }
static void cutmix(recipe *r) { r->cutmix = 1.0; }
static void channel_dropout(recipe *r) { r->channel_dropout = 0.1; }
static void drop_block(recipe *r) { r->drop_block = 0.1; }
static void read_rows(recipe *r) { r->recurrent = 1; }
static void ema(recipe *r) { r->average = EMA; }
static void swa(recipe *r) { r->average = SWA; }
static void lookahead(recipe *r) { r->average = LOOKAHEAD; }
static void bf16(recipe *r) { r->precision = NNOPT_PRECISION_BF16; }

static void resnet(recipe *r)
{
	r->network = RESNET;
	r->depth = 18;
	r->width = 0.25;
	r->dropout = 0.0;
}

static void stochastic_depth(recipe *r) { r->stochastic_depth = 0.1; }
static void squeeze(recipe *r) { r->squeeze = 16; }

/* Jordan 2024, airbench94: rate and decay are those of a loss summed over 1024 pictures, here of its mean. */
static void speed(recipe *r)
{
	*r = (recipe){ .flip = FLIP_IN_TURNS,
		       .crop = 2,
		       .normalise = NORMALISE,
		       .network = SPEED_NET,
		       .depth = 94,
		       .width = 1.0,
		       .whitening = 1,
		       .batch = 1024,
		       .epochs = 10,
		       .optimizer = SGD,
		       .lr = 1.5,
		       .weight_decay = 1.33e-3,
		       .momentum = 0.85,
		       .smoothing = 0.2,
		       .schedule = TRIANGLE,
		       .average = LOOKAHEAD,
		       .precision = NNOPT_PRECISION_BF16 };
}

static void no_whitening(recipe *r) { r->whitening = 0; }
static void views(recipe *r) { r->views = 1; }
static void longer(recipe *r) { r->epochs = 28; }

/* What airbench96 adds for its longer runs. */
static void erase(recipe *r)
{
	r->crop = 4;
	r->cutout = 12;
}

static void larger(recipe *r)
{
	r->depth = 95;
	r->lr *= 10.0 / 11.5;
}

static void nothing(recipe *r) { (void)r; }

static const struct rung {
	const char *name, *on; /* and the one it stands on */
	void (*change)(recipe *r);
	const char *what;
	enum { TRAINED, SAME_WEIGHTS, ENSEMBLE } how;
} rungs[] = {
	{ "none", NULL, nothing, "two convolutions, Adam, no augmentation", TRAINED },
	{ "flip", "none", flip, "horizontal flip by chance", TRAINED },
	{ "rotation", "flip", rotate, "rotation by up to 10 degrees", TRAINED },
	{ "crop", "flip", crop, "shift by up to 4 pixels", TRAINED },
	{ "normalise", "crop", normalise, "mean and deviation of the training pictures", TRAINED },
	{ "he", "normalise", he, "He's first weights", TRAINED },
	{ "xavier", "normalise", xavier, "Xavier's first weights", TRAINED },
	{ "norm", "he", batch_norm, "batch normalisation", TRAINED },
	{ "schedule", "norm", schedule, "warm-up and cosine, three times the rate", TRAINED },
	{ "sgd", "schedule", sgd, "Nesterov SGD and weight decay for Adam", TRAINED },
	{ "smoothing", "sgd", smooth, "label smoothing 0.1", TRAINED },
	{ "deeper", "smoothing", deeper, "six convolutions", TRAINED },
	{ "bf16", "deeper", bf16, "activations in bf16", TRAINED },
	{ "wider", "bf16", wider, "twice the channels", TRAINED },
	{ "no-dropout", "bf16", no_dropout, "no dropout", TRAINED },
	{ "cutout", "bf16", cutout, "a square of 8 x 8 erased", TRAINED },
	{ "mixup", "bf16", mixup, "mixup 0.2", TRAINED },
	{ "cutmix", "bf16", cutmix, "CutMix 1", TRAINED },
	{ "ema", "bf16", ema, "mean of the weights, decay 0.999", TRAINED },
	{ "turns", "bf16", in_turns, "flips in turns", TRAINED },
	{ "resized-crop", "bf16", resized_crop, "half to all of the area, resized", TRAINED },
	{ "per-image", "bf16", normalise_each, "each picture by its own mean and deviation", TRAINED },
	{ "jitter", "bf16", jitter, "brightness, contrast and saturation by up to a fifth", TRAINED },
	{ "random-erasing", "bf16", random_erasing, "a rectangle erased in a quarter of the pictures", TRAINED },
	{ "rand", "bf16", rand_augment, "RandAugment", TRAINED },
	{ "trivial", "bf16", trivial, "TrivialAugment", TRAINED },
	{ "dirac", "bf16", dirac, "Dirac's first weights", TRAINED },
	{ "group-norm", "bf16", group_norm, "group for batch normalisation, four groups", TRAINED },
	{ "channel-dropout", "bf16", channel_dropout, "a tenth of the channels dropped behind each pooling", TRAINED },
	{ "drop-block", "bf16", drop_block, "squares of 3 x 3 dropped behind each pooling", TRAINED },
	{ "recurrent", "bf16", read_rows, "a GRU over the rows beside the last map", TRAINED },
	{ "no-decay", "bf16", no_decay, "no weight decay", TRAINED },
	{ "l1", "bf16", l1, "L1 of 1e-5 beside the decay", TRAINED },
	{ "focal", "bf16", focal, "focal loss, gamma 2, for smoothed cross-entropy", TRAINED },
	{ "larger-batch", "bf16", larger_batch, "batches of 256 and four times the rate", TRAINED },
	{ "one-cycle", "bf16", one_cycle, "one cycle for warm-up and cosine", TRAINED },
	{ "clip", "bf16", clip, "gradients of a norm of 1 at most", TRAINED },
	{ "swa", "bf16", swa, "mean of the weights of the last quarter, at a fifth of the rate", TRAINED },
	{ "lookahead", "bf16", lookahead, "Lookahead", TRAINED },
	{ "distilled", "bf16", distil, "taught by the speed rung's networks", TRAINED },
	{ "sam", "bf16", sam, "sharpness-aware minimisation, rho 0.05", TRAINED },
	{ "adamw", "bf16", adamw, "AdamW for SGD", TRAINED },
	{ "rmsprop", "bf16", rmsprop, "RMSprop for SGD", TRAINED },
	{ "lion", "bf16", lion, "Lion for SGD", TRAINED },
	{ "muon", "bf16", by_muon, "Muon for SGD", TRAINED },
	{ "resnet", "bf16", resnet, "ResNet-18 of a quarter's width", TRAINED },
	{ "depth-drop", "resnet", stochastic_depth, "stochastic depth 0.1", TRAINED },
	{ "squeeze", "resnet", squeeze, "squeeze and excitation", TRAINED },
	{ "speed", "bf16", speed, "the CIFAR speed recipe", TRAINED },
	{ "no-whitening", "speed", no_whitening, "PyTorch's first weights in the first layer, which learns", TRAINED },
	{ "speed-views", "speed", views, "test-time augmentation", SAME_WEIGHTS },
	{ "speed-cutout", "speed", cutout, "a square of 8 x 8 erased", TRAINED },
	{ "longer", "speed", longer, "28 epochs", TRAINED },
	{ "longer-views", "longer", views, "test-time augmentation", SAME_WEIGHTS },
	{ "erasing", "longer", erase, "12 x 12 erased, shift by up to 4 pixels", TRAINED },
	{ "erasing-views", "erasing", views, "test-time augmentation", SAME_WEIGHTS },
	{ "ensemble", "erasing-views", nothing, "mean of all seeds' probabilities", ENSEMBLE },
	{ "larger", "erasing", larger, "the network of the 95 % recipe", TRAINED },
	{ "larger-views", "larger", views, "test-time augmentation", SAME_WEIGHTS },
	{ "top", "larger-views", nothing, "mean of all seeds' probabilities", ENSEMBLE },
};
enum { RUNGS = sizeof rungs / sizeof *rungs };

#endif
