/**
 * @file data.h
 * Datasets (samples by index), transforms (what happens to a sample), and the loader that turns them into batches.
 *
 * Threads: a dataset may be read by many threads at once. A loader belongs to one thread.
 */
#ifndef NNOPT_DATA_H
#define NNOPT_DATA_H

#include <nnopt/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Samples by index: u8 pictures, each with a class. @since 0.1 */
typedef struct nnopt_dataset nnopt_dataset;
/** A list of what happens to a sample. @since 0.1 */
typedef struct nnopt_transforms nnopt_transforms;
/** Turns samples into batches. @since 0.1 */
typedef struct nnopt_loader nnopt_loader;

/** Which part of a dataset that has two. @since 0.1 */
typedef enum nnopt_split {
	NNOPT_SPLIT_TRAIN = 0,
	NNOPT_SPLIT_TEST = 1,
	NNOPT_SPLIT_FORCE_32 = 0x7fffffff
} nnopt_split;

/* ---- datasets: u8 pictures, 1 to 4 channels, with a class ---- */

/** Options of nnopt_image_folder_open(). @since 0.1 */
typedef struct nnopt_image_folder_options {
	size_t struct_size;
	int32_t channels;      /**< 1 grey, 3 RGB, 4 RGBA; pictures are converted. Default 3. */
	int32_t follow_links;  /**< follow symbolic links. Default 1. */
	uint64_t max_pixels;   /**< refuse larger pictures before decoding. Default 64 Mi. */
	const char *classes_from; /**< NULL, or a dataset directory whose class list is used, so that a test folder with a
	                               class missing keeps the numbering */
} nnopt_image_folder_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_image_folder_options_init(nnopt_image_folder_options *options, size_t size);
/** DIR/CLASS/... pictures: files that end in .png, .jpg, .jpeg, .jpe, .bmp or .dib in any case, decoded by their content. Classes are
 *  the sub-directories in byte order, samples go by class and then in byte order of their paths. Nothing is decoded here.
 *  Errors: NOT_FOUND (directory, no class, no picture), IO. */
NNOPT_API nnopt_status nnopt_image_folder_open(nnopt_dataset **out, nnopt_context *context, const char *directory,
                                               const nnopt_image_folder_options *options);
/** IDX files (MNIST, Fashion-MNIST), plain or gzip: u8 (n, h, w) or (n, h, w, c) and u8 (n). Read whole. */
NNOPT_API nnopt_status nnopt_idx_open(nnopt_dataset **out, nnopt_context *context, const char *images_path, const char *labels_path);
/** CIFAR-10 binary version: data_batch_1..5.bin and test_batch.bin in `directory`. Read whole. */
NNOPT_API nnopt_status nnopt_cifar10_open(nnopt_dataset **out, nnopt_context *context, const char *directory, nnopt_split split);
/** CIFAR-100 binary version: train.bin, test.bin; `coarse` 1 for the 20 superclasses. */
NNOPT_API nnopt_status nnopt_cifar100_open(nnopt_dataset **out, nnopt_context *context, const char *directory, nnopt_split split, int32_t coarse);
/** Pictures in memory: `images` u8 (N, C, H, W) any layout, `labels` i32 or i64 (N) from 0, below 2^24; both are
 *  copied. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. */
NNOPT_API nnopt_status nnopt_dataset_from_tensors(nnopt_dataset **out, nnopt_context *context, nnopt_tensor *images, nnopt_tensor *labels);

/** A sample as a callback delivers it: `pixels` has room for max_height * max_width * channels bytes; fill it in
 *  (height, width, channel) order. */
typedef struct nnopt_sample {
	size_t struct_size;
	uint8_t *pixels;       /**< the room to fill */
	int64_t height, width; /**< of this picture, at most the maxima */
	int64_t label;         /**< 0 .. classes - 1 */
} nnopt_sample;
/** Options of nnopt_dataset_from_callbacks(): where the samples come from. @since 0.1 */
typedef struct nnopt_callback_dataset_options {
	size_t struct_size;
	int64_t count;         /**< samples */
	int64_t classes;       /**< labels are 0 .. classes - 1 */
	int64_t channels, max_height, max_width; /**< of the largest picture; channels 1 to 4, default 3 */
	/** Delivers sample `index`; called from several threads at once. */
	nnopt_status (*get)(int64_t index, nnopt_sample *sample, void *user);
	void (*destroy)(void *user); /**< NULL or called once with the last reference */
	void *user;                  /**< given to both */
} nnopt_callback_dataset_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_callback_dataset_options_init(nnopt_callback_dataset_options *options, size_t size);
/** A dataset whose samples a function delivers. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_dataset_from_callbacks(nnopt_dataset **out, nnopt_context *context, const nnopt_callback_dataset_options *options);

/** The samples `indices[0..count)` of `base`, in that order. Keeps a reference to base. */
NNOPT_API nnopt_status nnopt_dataset_subset(nnopt_dataset **out, nnopt_dataset *base, const int64_t *indices, int64_t count);
/** Two disjoint parts drawn at random by `seed`, `fraction` of each class in the first (stratified). Samples whose labels are known
 *  only by reading, those of callbacks, count as of one class here and in folds; nnopt_dataset_relabel() gives them labels. */
NNOPT_API nnopt_status nnopt_dataset_split(nnopt_dataset **first, nnopt_dataset **second, nnopt_dataset *base, double fraction, uint64_t seed);
/** Stratified folds for cross-validation, drawn by `seed`: fold[i] of each sample, 0 to folds - 1. The folds of each class,
 *  and the folds as a whole, differ by one sample at most. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_dataset_folds(const nnopt_dataset *base, int64_t folds, uint64_t seed, int64_t *fold);
/** The samples of fold `which` of them, held out, and all others, both in the order of the base. @since 0.1 */
NNOPT_API nnopt_status nnopt_dataset_fold(nnopt_dataset **train, nnopt_dataset **held_out, nnopt_dataset *base,
                                          int64_t folds, int64_t which, uint64_t seed);
/** The samples of `base` with the labels given, `count` of them, one each; -1 leaves a sample its own. Keeps a reference to base.
 *  Errors: INVALID_ARGUMENT, naming the label. @since 0.1 */
NNOPT_API nnopt_status nnopt_dataset_relabel(nnopt_dataset **out, nnopt_dataset *base, const int64_t *labels, int64_t count);
/** The samples of `bases[0..count)`, one dataset after the other; a base may come more than once. All must have the channels
 *  and the number of classes of the first, which names the classes. Keeps a reference to each. Errors: INVALID_ARGUMENT,
 *  OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_dataset_concat(nnopt_dataset **out, nnopt_dataset *const *bases, int64_t count);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_dataset_destroy(nnopt_dataset *dataset);

/** The context it was made from, borrowed; NULL for NULL. @since 0.1 */
NNOPT_API nnopt_context *nnopt_dataset_context(const nnopt_dataset *dataset);
/** Samples; 0 for NULL. @since 0.1 */
NNOPT_API int64_t nnopt_dataset_count(const nnopt_dataset *dataset);
/** Classes; 0 for NULL. @since 0.1 */
NNOPT_API int64_t nnopt_dataset_classes(const nnopt_dataset *dataset);
/** Name of class `index`; its number as text where the source has no names; NULL when out of range. */
NNOPT_API const char *nnopt_dataset_class_name(const nnopt_dataset *dataset, int64_t index);
/** Label of a sample without decoding it; -1 when out of range or (callbacks) not known without reading. */
NNOPT_API int64_t nnopt_dataset_label(const nnopt_dataset *dataset, int64_t index);
/** The labels of all samples: a new i64 tensor (samples), -1 where one is not known or its sample cannot be read. Reads the samples
 *  of callbacks. @since 0.1 */
NNOPT_API nnopt_status nnopt_dataset_labels(nnopt_tensor **labels, nnopt_dataset *dataset);
/** Path or name of a sample, or NULL where it has none. */
NNOPT_API const char *nnopt_dataset_sample_name(const nnopt_dataset *dataset, int64_t index);
/** Decodes sample `index` into a new u8 tensor (1, C, H, W) in NHWC memory. */
NNOPT_API nnopt_status nnopt_dataset_get(nnopt_dataset *dataset, int64_t index, nnopt_tensor **image, int64_t *label);
/** Mean and standard deviation of each channel over all pixels in [0, 1], for normalisation; `channels` entries each.
 *  Samples that cannot be read are left out. */
NNOPT_API nnopt_status nnopt_dataset_fit_normalisation(nnopt_dataset *dataset, int32_t channels, float *mean, float *std);
/** Decodes a PNG, JPEG or BMP file, as the image folder does, into a new u8 tensor (1, C, H, W) in NHWC memory, `channels` 1, 3 or
 *  4, to be destroyed by the caller. Errors: INVALID_ARGUMENT, NOT_FOUND, IO, FORMAT, UNSUPPORTED, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_image_read(nnopt_tensor **out, nnopt_context *context, const char *path, int32_t channels);
/** Writes a u8 tensor (1, C, H, W) or (C, H, W), C of 1 or 3, as PNG of 8 bits, atomically. Errors:
 *  INVALID_ARGUMENT, IO, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_image_write_png(const nnopt_tensor *image, const char *path);
/** The same PNG into memory: at most `size` bytes to `png`; `needed` (may be NULL) gets how many it has; NULL with size 0 asks for
 *  that alone. H (W C + 1) bytes, a hundredth of it and 200 more are always enough, so that one call does. Errors:
 *  INVALID_ARGUMENT (also: a buffer that is too small), OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_image_encode_png(const nnopt_tensor *image, void *png, size_t size, size_t *needed);

/* ---- transforms: a list, applied in order; random ones draw from (seed, epoch, sample, position in the list) ---- */

/** An empty list. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_create(nnopt_transforms **out, nnopt_context *context);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_transforms_destroy(nnopt_transforms *transforms);
/** To that size. Transforms take u8 pictures and give u8; each is applied with `probability` (1: always), where it has one.
 *  Resizing is bilinear, antialiased when shrinking, as Pillow up to version 12 does it. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_resize(nnopt_transforms *t, int64_t height, int64_t width);
/** The middle of the picture; FORMAT for a sample that is smaller. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_center_crop(nnopt_transforms *t, int64_t height, int64_t width);
/** A part of that size from anywhere; FORMAT for a sample that is smaller. `probability` must be 1: it changes the size. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_random_crop(nnopt_transforms *t, int64_t height, int64_t width, double probability);
/** What stands outside a picture. @since 0.1 */
typedef enum nnopt_pad_mode { NNOPT_PAD_ZERO = 0, NNOPT_PAD_REFLECT = 1, NNOPT_PAD_EDGE = 2, NNOPT_PAD_FORCE_32 = 0x7fffffff } nnopt_pad_mode;
/** Pads all sides by `pad`, then crops at random back to the size it had. */
NNOPT_API nnopt_status nnopt_transforms_add_pad_crop(nnopt_transforms *t, int64_t pad, nnopt_pad_mode mode, double probability);
/** Left becomes right. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_horizontal_flip(nnopt_transforms *t, double probability);
/** Top becomes bottom. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_vertical_flip(nnopt_transforms *t, double probability);
/** Rotation about the centre by an angle uniform in +-degrees; outside is 0. `bilinear` 0: nearest, as torchvision's default. */
NNOPT_API nnopt_status nnopt_transforms_add_rotation(nnopt_transforms *t, double degrees, int32_t bilinear, double probability);
/** Left becomes right in turns: chance decides the first epoch of each sample, from there on every second epoch is mirrored,
 *  so that two epochs in a row show both sides. K. Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_alternating_flip(nnopt_transforms *t);

/** Options of nnopt_transforms_add_random_resized_crop(). @since 0.1 */
typedef struct nnopt_random_resized_crop_options {
	size_t struct_size;
	double scale_min, scale_max; /**< part of the picture's area. Default 0.08 to 1, within 1e-4 to 1. */
	double ratio_min, ratio_max; /**< width / height, uniform in its logarithm. Default 3/4 to 4/3, within 1e-3 to 1e3. */
} nnopt_random_resized_crop_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_random_resized_crop_options_init(nnopt_random_resized_crop_options *options, size_t size);
/** A part of random area, shape and place, resized to that size as nnopt_transforms_add_resize() does it. Where ten draws do
 *  not fit into the picture it takes the middle. torchvision's RandomResizedCrop; C. Szegedy et al., "Going deeper with
 *  convolutions", CVPR 2015. `options` NULL: the defaults. Errors: INVALID_ARGUMENT, STATE, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_random_resized_crop(nnopt_transforms *t, int64_t height, int64_t width, const nnopt_random_resized_crop_options *options);

/** Options of nnopt_transforms_add_affine(): each number is drawn uniformly from its range, whose ends may be the same. The
 *  defaults change nothing: set what is wanted, such as translate_x_min = -0.1 and translate_x_max = 0.1 for a translation
 *  alone. @since 0.1 */
typedef struct nnopt_affine_options {
	size_t struct_size;
	double degrees_min, degrees_max;         /**< rotation about the centre, clockwise. Within -360 to 360. */
	double translate_x_min, translate_x_max; /**< part of the width, rounded to whole pixels; > 0: to the right. Within -1 to 1. */
	double translate_y_min, translate_y_max; /**< part of the height; > 0: down. Within -1 to 1. */
	double scale_min, scale_max;             /**< > 1: larger. Default 1 to 1, within 0.01 to 100. */
	double shear_x_min, shear_x_max;         /**< degrees, along the rows. Within -85 to 85. */
	double shear_y_min, shear_y_max;         /**< degrees, along the columns. Within -85 to 85. */
	int32_t bilinear;                        /**< 1: bilinear. Default 0: nearest, as torchvision. */
	uint8_t fill[4];                         /**< colour of what lies outside, a value a channel. Default 0. */
} nnopt_affine_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_affine_options_init(nnopt_affine_options *options, size_t size);
/** Rotation, translation, scale and shear in one step; the size is kept. torchvision's RandomAffine on a PIL picture.
 *  `options` NULL: the defaults. Errors: INVALID_ARGUMENT, STATE, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_affine(nnopt_transforms *t, const nnopt_affine_options *options, double probability);

/* Transforms of colour change the first three channels of three or four, the first of one or two; the last of two or four
 * is alpha and stays. */

/** Options of nnopt_transforms_add_colour_jitter(): each factor is drawn uniformly from its range, 0.6 to 1.4 where
 *  torchvision says 0.4. A range that changes nothing (the default) leaves its step out. @since 0.1 */
typedef struct nnopt_colour_jitter_options {
	size_t struct_size;
	double brightness_min, brightness_max; /**< 0: black, 1: as it is. Default 1 to 1, within 0 to 100. */
	double contrast_min, contrast_max;     /**< 0: the mean grey. Default 1 to 1, within 0 to 100. */
	double saturation_min, saturation_max; /**< 0: grey. Default 1 to 1, within 0 to 100. One channel has none. */
	double hue_min, hue_max;               /**< turns of the hue circle. Default 0 to 0, within -0.5 to 0.5. */
} nnopt_colour_jitter_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_colour_jitter_options_init(nnopt_colour_jitter_options *options, size_t size);
/** Brightness, contrast, saturation and hue, in random order: torchvision's ColorJitter on a PIL picture. `options` NULL: the
 *  defaults. Errors: INVALID_ARGUMENT, STATE, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_colour_jitter(nnopt_transforms *t, const nnopt_colour_jitter_options *options, double probability);
/** All three colours become the grey that Pillow's convert("L") gives: torchvision's RandomGrayscale. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_greyscale(nnopt_transforms *t, double probability);
/** v becomes 255 - v: torchvision's RandomInvert. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_invert(nnopt_transforms *t, double probability);
/** Keeps the upper `bits` of 8, 1 to 8: torchvision's RandomPosterize. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_posterize(nnopt_transforms *t, int32_t bits, double probability);
/** Values of at least `threshold`, 0 to 256, become 255 - v: torchvision's RandomSolarize. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_solarize(nnopt_transforms *t, double threshold, double probability);
/** Stretches each colour so that its least value becomes 0 and its greatest 255: Pillow's ImageOps.autocontrast. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_autocontrast(nnopt_transforms *t, double probability);
/** Makes the histogram of each colour flat: Pillow's ImageOps.equalize. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_equalize(nnopt_transforms *t, double probability);
/** `factor` 0: smoothed by a 3x3 filter, 1: as it is, 2: sharpened; 0 to 100. torchvision's RandomAdjustSharpness on a PIL
 *  picture. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_sharpness(nnopt_transforms *t, double factor, double probability);

/** Gaussian blur with `kernel` x `kernel` taps, odd, 3 to 63, and a deviation drawn from sigma_min to sigma_max pixels, within
 *  0.01 to 1000; the picture is reflected at its edges. FORMAT for a sample whose sides are not larger than kernel / 2.
 *  torchvision's GaussianBlur (where sigma is 0.1 to 2 by default), within one level. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_gaussian_blur(nnopt_transforms *t, int32_t kernel, double sigma_min, double sigma_max, double probability);
/** Adds normal noise, a number of its own to each value, of a deviation drawn for the picture from std_min to std_max; 1 is
 *  the whole range of a pixel, within 0 to 1. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_gaussian_noise(nnopt_transforms *t, double std_min, double std_max, double probability);
/** Each value becomes the median of the `window` x `window` around it, 3 or 5, the edge going on outside: Pillow's
 *  MedianFilter. Takes out single wrong pixels: with probability 1 it denoises. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_median(nnopt_transforms *t, int32_t window, double probability);

/** What stands in an erased rectangle. @since 0.1 */
typedef enum nnopt_erase_value {
	NNOPT_ERASE_CONSTANT = 0, /**< the colour `fill` */
	NNOPT_ERASE_RANDOM = 1,   /**< a random byte for each value */
	NNOPT_ERASE_MEAN = 2,     /**< the mean colour of the picture */
	NNOPT_ERASE_FORCE_32 = 0x7fffffff
} nnopt_erase_value;
/** Options of nnopt_transforms_add_random_erasing(). @since 0.1 */
typedef struct nnopt_random_erasing_options {
	size_t struct_size;
	double scale_min, scale_max; /**< part of the picture's area. Default 0.02 to 0.33, within 0 to 1. */
	double ratio_min, ratio_max; /**< height / width, uniform in its logarithm. Default 0.3 to 3.3, within 1e-3 to 1e3. */
	int32_t value;               /**< an nnopt_erase_value. Default NNOPT_ERASE_CONSTANT. */
	uint8_t fill[4];             /**< a value a channel, as it is before the normalisation. Default 0. */
} nnopt_random_erasing_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_random_erasing_options_init(nnopt_random_erasing_options *options, size_t size);
/** Erases a rectangle inside the picture: torchvision's RandomErasing, on bytes. Where ten draws are not smaller than the
 *  picture both ways, nothing is erased. Z. Zhong et al., "Random erasing data augmentation", AAAI 2020. `options` NULL: the
 *  defaults. Errors: INVALID_ARGUMENT, STATE, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_random_erasing(nnopt_transforms *t, const nnopt_random_erasing_options *options, double probability);
/** Erases a square of `size` x `size`, 1 to 65536, whose centre is any pixel: it may reach over the edge. `fill`: the colour,
 *  four bytes, copied, NULL for 0. The paper writes 0 behind the normalisation: give the mean colour for that. T. DeVries, G.
 *  Taylor, "Improved regularization of convolutional neural networks with cutout", 2017. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_cutout(nnopt_transforms *t, int64_t size, const uint8_t *fill, double probability);

/** Options of nnopt_transforms_add_rand_augment(). @since 0.1 */
typedef struct nnopt_rand_augment_options {
	size_t struct_size;
	int32_t operations;     /**< drawn for each picture, one after the other. Default 2, 1 to 16. */
	int32_t magnitude;      /**< of all of them, 0 to magnitude_bins - 1. Default 9. */
	int32_t magnitude_bins; /**< steps from nothing to the strongest. Default 31, 2 to 1000. */
	int32_t bilinear;       /**< 1: the geometric ones are bilinear. Default 0: nearest, as torchvision. */
	int32_t reserved;       /**< 0 */
	uint8_t fill[4];        /**< colour of what lies outside. Default 0. */
} nnopt_rand_augment_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_rand_augment_options_init(nnopt_rand_augment_options *options, size_t size);
/** Operations drawn from a table of 14, all of one magnitude: identity, shear and translation along x and y, rotation,
 *  brightness, colour, contrast, sharpness, posterize, solarize, autocontrast, equalize. torchvision's RandAugment on a PIL
 *  picture; E. Cubuk et al., "RandAugment: practical automated data augmentation with a reduced search space", NeurIPS 2020.
 *  `options` NULL: the defaults. Errors: INVALID_ARGUMENT, STATE, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_rand_augment(nnopt_transforms *t, const nnopt_rand_augment_options *options, double probability);
/** Options of nnopt_transforms_add_trivial_augment(). @since 0.1 */
typedef struct nnopt_trivial_augment_options {
	size_t struct_size;
	int32_t magnitude_bins; /**< steps from nothing to the strongest, one of which is drawn. Default 31, 2 to 1000. */
	int32_t bilinear;       /**< 1: the geometric ones are bilinear. Default 0: nearest, as torchvision. */
	int32_t reserved;       /**< 0 */
	uint8_t fill[4];        /**< colour of what lies outside. Default 0. */
} nnopt_trivial_augment_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_trivial_augment_options_init(nnopt_trivial_augment_options *options, size_t size);
/** One operation of that table, of a random magnitude in wider ranges: torchvision's TrivialAugmentWide on a PIL picture; S.
 *  Mueller, F. Hutter, "TrivialAugment: tuning-free yet state-of-the-art data augmentation", ICCV 2021. `options` NULL: the
 *  defaults. Errors: INVALID_ARGUMENT, STATE, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_trivial_augment(nnopt_transforms *t, const nnopt_trivial_augment_options *options, double probability);

/** To f32: (pixel / 255 - mean[c]) / std[c], `channels` entries each. NULL, NULL: to [0, 1] only. At most once; every
 *  list ends with it (without one the loader adds the [0, 1] form). */
NNOPT_API nnopt_status nnopt_transforms_add_normalise(nnopt_transforms *t, const float *mean, const float *std, int32_t channels);
/** To f32 by the picture's own numbers, instead of nnopt_transforms_add_normalise(): (pixel / 255 - mean) / max(std, epsilon),
 *  mean and std (of all pixels: divided by their number) over the whole picture or, `per_channel` 1, over each channel.
 *  `epsilon`, 1e-6 to 1, keeps a picture of one colour finite; TensorFlow's per_image_standardization has 1 / sqrt(values). A
 *  list has at most one of the two, at its end. Errors: INVALID_ARGUMENT, STATE. @since 0.1 */
NNOPT_API nnopt_status nnopt_transforms_add_normalise_per_image(nnopt_transforms *t, int32_t per_channel, double epsilon);

/* ---- loader ---- */

/** Which samples make an epoch, and in what order; a function of (seed, epoch). @since 0.1 */
typedef enum nnopt_sampler {
	NNOPT_SAMPLER_ORDER = 0,          /**< each once: in their order, or shuffled */
	NNOPT_SAMPLER_CLASS_BALANCED = 1, /**< each draw picks one of the classes that have samples, all as likely, then one of
	                                       its samples; with replacement */
	NNOPT_SAMPLER_WEIGHTED = 2,       /**< sample i with probability weights[i] / their sum, with replacement, as
	                                       torch.utils.data.WeightedRandomSampler */
	NNOPT_SAMPLER_PK = 3,             /**< batches for metric losses, Hermans et al. 2017: `classes_per_batch` different classes
	                                       at random, and of each, side by side, `samples_per_class` different samples (repeated
	                                       only in a class that has fewer). A class gives all its samples before it gives one again
	                                       (but the few left over that make no whole share). */
	NNOPT_SAMPLER_FORCE_32 = 0x7fffffff
} nnopt_sampler;
/** Options of nnopt_loader_create(). @since 0.1 */
typedef struct nnopt_loader_options {
	size_t struct_size;
	int64_t batch;         /**< default 64 */
	int32_t shuffle;       /**< default 0 */
	int32_t drop_last;     /**< leave out a last batch that is not full. Default 0. */
	int32_t workers;       /**< decoding threads; 0: the caller's thread does it in nnopt_loader_next(). Default 1. Same
	                            batches for any number. */
	int32_t prefetch;      /**< batches prepared ahead, at least 1. Default 2. */
	uint64_t cache_bytes;  /**< budget for keeping decoded u8 pictures; 0: none. Default 1 GiB. Filled in order of first
	                            use until full. */
	uint64_t seed;         /**< of shuffling and augmentation; default: the context's */
	int32_t use_seed;      /**< 1: `seed` counts. Default 0. */
	int32_t on_bad_sample; /**< nnopt_bad_sample. Default NNOPT_BAD_SAMPLE_SKIP. */
	double max_bad_fraction; /**< an epoch fails when more of it is bad. Default 0.05. */
	/* Mixing makes soft targets, nnopt_batch.targets. One lambda a batch, a function of (seed, epoch, batch number); partner of
	   each sample is the one before it in the batch, of the first the last (torchvision.transforms.v2.MixUp and CutMix), so
	   batches should be shuffled. With both, each batch takes one of the two, as likely as the other. Label smoothing of
	   mixed targets is the loss's. For training; a loader to evaluate on should not mix. */
	double mixup_alpha;      /**< 0 (default): off, or 1e-6 to 1e6: lambda from Beta(alpha, alpha), pictures and targets become
	                              lambda own + (1 - lambda) partner's. Zhang et al. 2018; 0.2 is common */
	double cutmix_alpha;     /**< 0 (default): off, or 1e-6 to 1e6: a rectangle of 1 - lambda of the area comes from the
	                              partner; what lies outside the picture is cut off and lambda follows the real area. Yun et al.
	                              2019; 1 is common */
	double mix_probability;  /**< share of the batches that are mixed at all, 0 to 1. Default 1. */
	const double *weights;   /**< NNOPT_SAMPLER_WEIGHTED: `weight_count` of them, finite, >= 0, not all 0; copied. Else NULL. */
	int64_t weight_count;    /**< the number of samples */
	int64_t classes_per_batch; /**< NNOPT_SAMPLER_PK: P, at most the classes that have samples; `batch` must be P K. Else 0. */
	int64_t samples_per_class; /**< NNOPT_SAMPLER_PK: K. Else 0. */
	int64_t epoch_samples;   /**< samples of an epoch, of all shards together. 0 (default): as many as the dataset has. PK takes
	                              as many whole batches as fit. NNOPT_SAMPLER_ORDER takes the first of its order: at most all. */
	int32_t sampler;         /**< nnopt_sampler; default NNOPT_SAMPLER_ORDER. The others have no use for `shuffle`, and classes
	                              must be known without reading (nnopt_dataset_label()) but for the weighted one. */
	int32_t reserved;
	/* Many machines: of one epoch, the same for all, shard r takes samples r, r + shard_count, ... (of PK every shard_count-th
	   batch). Shards share no sample and together are the epoch; what happens to a sample does not depend on them. All have
	   the same nnopt_loader_batches(), but without drop_last the last batch may be a sample smaller in some, and never come
	   where no sample is left for it: take drop_last where every step waits for all machines. */
	int32_t shard_rank;      /**< 0 .. shard_count - 1. Default 0. */
	int32_t shard_count;     /**< default 1 */
} nnopt_loader_options;
/** What happens to samples that cannot be read. @since 0.1 */
typedef enum nnopt_bad_sample {
	NNOPT_BAD_SAMPLE_SKIP = 0, /**< leave it out, count it, report it (log, nnopt_loader_bad_sample()); running out of
	                                memory is a failure all the same */
	NNOPT_BAD_SAMPLE_FAIL = 1, /**< nnopt_loader_next() fails and names it */
	NNOPT_BAD_SAMPLE_FORCE_32 = 0x7fffffff
} nnopt_bad_sample;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_loader_options_init(nnopt_loader_options *options, size_t size);
/** All pictures must have one size after the transforms, which is that of the first readable sample, read here where it must be.
 *  References the dataset and copies the transforms (may be NULL). A sample that comes
 *  more than once in an epoch is augmented anew each time. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY, those of reading. */
NNOPT_API nnopt_status nnopt_loader_create(nnopt_loader **out, nnopt_dataset *dataset, nnopt_transforms *transforms,
                                           const nnopt_loader_options *options);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_loader_destroy(nnopt_loader *loader);

/** A batch, borrowed from the loader. @since 0.1 */
typedef struct nnopt_batch {
	size_t struct_size;
	const nnopt_tensor *images; /**< f32 (n, C, H, W) in NHWC memory */
	const nnopt_tensor *labels; /**< i32 (n) */
	const int64_t *indices;     /**< the n sample numbers in the dataset */
	int64_t count;              /**< n */
	int64_t number;             /**< of the batch in the epoch, from 0 */
	const nnopt_tensor *targets; /**< what a loss should be given: where batches are mixed f32 (n, classes of the
	                                  dataset: as many as the network gives), rows that add up to 1 and are one-hot in a
	                                  batch left unmixed; else `labels`. Those stay the classes of the samples `indices`,
	                                  the first of each pair. */
} nnopt_batch;

/** Begins epoch `epoch` (which decides order and augmentation) at batch `first_batch`, 0 for all. @since 0.1 */
NNOPT_API nnopt_status nnopt_loader_start(nnopt_loader *loader, int64_t epoch, int64_t first_batch);
/** The next batch, borrowed until the next call; `*batch` is NULL after the last one, and stays so until another epoch is begun.
 *  Errors: STATE before the first epoch, FORMAT where more samples are bad than max_bad_fraction bears, those of a bad sample with
 *  NNOPT_BAD_SAMPLE_FAIL, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_loader_next(nnopt_loader *loader, const nnopt_batch **batch);
/** How often nnopt_loader_start() began an epoch: whoever reads one can tell whether somebody else has begun another. 0 for NULL.
 *  @since 0.1 */
NNOPT_API uint64_t nnopt_loader_starts(const nnopt_loader *loader);
/** Batches in an epoch (bad samples make batches smaller, not fewer). */
NNOPT_API int64_t nnopt_loader_batches(const nnopt_loader *loader);
/** The batch size it was created with; 0 for NULL. @since 0.1 */
NNOPT_API int64_t nnopt_loader_batch_size(const nnopt_loader *loader);
NNOPT_API nnopt_dataset *nnopt_loader_dataset(const nnopt_loader *loader); /**< borrowed */
/** Shape (C, H, W) of a sample after the transforms. */
NNOPT_API nnopt_status nnopt_loader_sample_shape(nnopt_loader *loader, int64_t shape[3]);
/** Bad samples met so far, each once, in order of index: their number, and index and error text of each. */
NNOPT_API int64_t nnopt_loader_bad_count(const nnopt_loader *loader);
/** Bad sample `which` of them, from 0: its index and the text of its error, borrowed until the next batch. @since 0.1 */
NNOPT_API nnopt_status nnopt_loader_bad_sample(const nnopt_loader *loader, int64_t which, int64_t *index, const char **error);
/** A number that changes with anything that decides the batches (dataset size and names, transforms, options that matter);
 *  checkpoints compare it. It leaves out shard_rank, so that the machines of one run can go on from one checkpoint. */
NNOPT_API uint64_t nnopt_loader_fingerprint(const nnopt_loader *loader);

#ifdef __cplusplus
}
#endif

#endif
