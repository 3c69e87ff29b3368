/**
 * @file model.h
 * Models and plans. A model is a graph of layers with their parameters. A plan is a model made ready to run for one
 * batch size, input shape, mode and precision: every shape, choice and byte is settled there, and running it neither
 * allocates (but once, for a first input in NCHW order) nor fails.
 *
 * Threads: a model is used by one thread at a time while it changes (adding, building, loading, training). A model that
 * does not change may be run by many threads, each with an inference plan of its own.
 */
#ifndef NNOPT_MODEL_H
#define NNOPT_MODEL_H

#include <nnopt/layer.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A graph of layers with their parameters. @since 0.1 */
typedef struct nnopt_model nnopt_model;
/** A model made ready to run. @since 0.1 */
typedef struct nnopt_plan nnopt_plan;

/** The node that stands for the model's input. */
#define NNOPT_INPUT_NODE 0
/** The most inputs that a layer can have. */
#define NNOPT_MAX_INPUTS 8

/** A model without layers. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_create(nnopt_model **out, nnopt_context *context);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_model_destroy(nnopt_model *model);
/** The context the model was created from, borrowed. @since 0.1 */
NNOPT_API nnopt_context *nnopt_model_context(const nnopt_model *model);

/** Sequential form: appends `layer` after the node added last. A layer goes into one model, once. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_add(nnopt_model *model, nnopt_layer *layer);
/** Graph form: feeds the outputs of nodes `inputs[0..count)` to `layer`; `out_node` (may be NULL) gets its node. The node
 *  connected or added last is the model's output. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_connect(nnopt_model *model, nnopt_layer *layer, const int32_t *inputs, int32_t count,
                                           int32_t *out_node);

/** The short way: create the layer, nnopt_model_add() it, destroy the handle. @since 0.1 @{ */
NNOPT_API nnopt_status nnopt_add_conv2d(nnopt_model *model, int64_t out_channels, int64_t kernel, const nnopt_conv2d_options *options);
/** nnopt_linear_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_linear(nnopt_model *model, int64_t out_features, const nnopt_linear_options *options);
/** nnopt_batch_norm2d_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_batch_norm2d(nnopt_model *model, const nnopt_batch_norm_options *options);
/** nnopt_batch_norm1d_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_batch_norm1d(nnopt_model *model, const nnopt_batch_norm_options *options);
/** nnopt_layer_norm_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_layer_norm(nnopt_model *model, const nnopt_layer_norm_options *options);
/** nnopt_group_norm_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_group_norm(nnopt_model *model, int64_t groups, const nnopt_group_norm_options *options);
/** nnopt_dropout_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_dropout(nnopt_model *model, float p);
/** nnopt_dropout2d_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_dropout2d(nnopt_model *model, float p);
/** nnopt_drop_block_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_drop_block(nnopt_model *model, int64_t block_size, float p);
/** nnopt_stochastic_depth_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_stochastic_depth(nnopt_model *model, float p);
/** nnopt_max_pool2d_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_max_pool2d(nnopt_model *model, int64_t kernel, const nnopt_pool2d_options *options);
/** nnopt_avg_pool2d_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_avg_pool2d(nnopt_model *model, int64_t kernel, const nnopt_pool2d_options *options);
/** nnopt_global_avg_pool2d_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_global_avg_pool2d(nnopt_model *model);
/** nnopt_global_max_pool2d_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_global_max_pool2d(nnopt_model *model);
/** nnopt_adaptive_avg_pool2d_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_adaptive_avg_pool2d(nnopt_model *model, int64_t out_h, int64_t out_w);
/** nnopt_adaptive_max_pool2d_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_adaptive_max_pool2d(nnopt_model *model, int64_t out_h, int64_t out_w);
/** nnopt_relu_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_relu(nnopt_model *model);
/** nnopt_leaky_relu_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_leaky_relu(nnopt_model *model, float slope);
/** nnopt_relu6_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_relu6(nnopt_model *model);
/** nnopt_gelu_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_gelu(nnopt_model *model, int32_t tanh_form);
/** nnopt_silu_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_silu(nnopt_model *model);
/** nnopt_sigmoid_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_sigmoid(nnopt_model *model);
/** nnopt_tanh_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_tanh(nnopt_model *model);
/** nnopt_hard_sigmoid_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_hard_sigmoid(nnopt_model *model);
/** nnopt_hard_swish_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_hard_swish(nnopt_model *model);
/** nnopt_scale_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_scale(nnopt_model *model, float factor);
/** nnopt_lstm_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_lstm(nnopt_model *model, int64_t hidden_size, const nnopt_recurrent_options *options);
/** nnopt_gru_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_gru(nnopt_model *model, int64_t hidden_size, const nnopt_recurrent_options *options);
/** nnopt_softmax_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_softmax(nnopt_model *model);
/** nnopt_flatten_create(), added. @since 0.1 */
NNOPT_API nnopt_status nnopt_add_flatten(nnopt_model *model);
/** @} */

/** Settles shapes for inputs of `shape` (without N: C, H, W or features) and creates and initialises the parameters.
 *  After it no layer can be added. Planning builds by itself; call this to load weights or look at shapes before.
 *  Building again with the same shape does nothing. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_build(nnopt_model *model, int32_t rank, const int64_t *shape);
/** The input shape the model was built for; rank 0 when it was not. `shape` holds NNOPT_MAX_RANK. @since 0.1 */
NNOPT_API int32_t nnopt_model_input_shape(const nnopt_model *model, int64_t *shape);

/** The architecture as JSON text (layers, options, connections, names, input shape when built), not the weights.
 *  Writes at most `size` bytes with the NUL; `needed` (may be NULL) gets the size wanted, the NUL included; NULL with size 0
 *  asks for it alone. A too small buffer is NNOPT_ERROR_INVALID_ARGUMENT. Models with layers of the caller's own are UNSUPPORTED. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_to_json(const nnopt_model *model, char *text, size_t size, size_t *needed);
/** A model from such text; builds it when the text has an input shape. Errors: FORMAT with the offset. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_from_json(nnopt_model **out, nnopt_context *context, const char *text, size_t length);

/** What a node of the graph is. @since 0.1 */
typedef struct nnopt_node_info {
	size_t struct_size;
	const char *name;        /**< the layer's, "conv2d1"; "input" for NNOPT_INPUT_NODE. Borrowed from the model. */
	const char *kind;        /**< "conv2d"; "input" for NNOPT_INPUT_NODE. Borrowed from the model. */
	int32_t rank;            /**< of `shape`: 3, or 1 for features; 0 before the model is built */
	int32_t input_count;     /**< of `inputs` */
	int64_t shape[NNOPT_MAX_RANK];    /**< of what comes out of it, without N: C, H, W or features */
	int32_t inputs[NNOPT_MAX_INPUTS]; /**< the nodes that it reads, all of lower numbers */
	int64_t parameters;      /**< elements of its parameters, state not counted; 0 before the model is built */
} nnopt_node_info;
/** Number of nodes, the input's and one a layer; they are numbered from 0 as nnopt_model_connect() did. 0 for NULL. @since 0.1 */
NNOPT_API int32_t nnopt_model_node_count(const nnopt_model *model);
/** Describes a node; set info->struct_size first. Errors: INVALID_ARGUMENT. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_node_info(const nnopt_model *model, int32_t node, nnopt_node_info *info);

/** What a tensor of the model is. @since 0.1 */
typedef struct nnopt_parameter_info {
	size_t struct_size;
	const char *name;        /**< "conv2d1.weight"; borrowed from the model */
	int32_t role;            /**< nnopt_parameter_role */
	int32_t trainable;       /**< 0 when frozen, and for state */
	int32_t rank;            /**< of the shape */
	int32_t first_axis_place; /**< which axis of storage axis 0 of `shape` (the outputs) is: 0 the outermost, rank - 1 the innermost */
	int64_t shape[NNOPT_MAX_RANK]; /**< as PyTorch's */
	int64_t count;           /**< elements */
	int64_t block_offset;    /**< first element in the parameter block (state: in the state block) */
	int32_t spent;           /**< 1: its gradient was used up by nnopt_optimizer_backward_step(), or its pass failed, and what the
	                              gradient block holds is none */
	int32_t reserved;
} nnopt_parameter_info;

/** Number of parameters and state tensors, in graph order; 0 before the model is built. @since 0.1 */
NNOPT_API int32_t nnopt_model_parameter_count(const nnopt_model *model);
/** Describes tensor `index`; set info->struct_size first. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_parameter_info(const nnopt_model *model, int32_t index, nnopt_parameter_info *info);
/** Index of the tensor called `name`; NOT_FOUND otherwise. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_find_parameter(const nnopt_model *model, const char *name, int32_t *index);
/** Copies a tensor out of or into the model; shapes as in its info, any dtype. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_get_parameter(const nnopt_model *model, int32_t index, nnopt_tensor *dst);
/** Copies a tensor into the model; shape as in its info, any dtype. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_set_parameter(nnopt_model *model, int32_t index, const nnopt_tensor *src);
/** Copies the gradient of parameter `index` out: zeros before the first backward pass. Errors: INVALID_ARGUMENT, also for state;
 *  STATE before a training plan was made, and where it was used up by nnopt_optimizer_backward_step() or its pass failed. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_get_gradient(const nnopt_model *model, int32_t index, nnopt_tensor *dst);
/** Freezes (0) or frees (1) every parameter whose name begins with `prefix` ("" is all); plans made before are stale and
 *  refuse to run. `changed` (may be NULL) gets the number of those that were not so already. Freezing a batch norm also stops its running statistics.
 *  @since 0.1 */
NNOPT_API nnopt_status nnopt_model_set_trainable(nnopt_model *model, const char *prefix, int32_t trainable, int32_t *changed);
/** Puts the batch norms whose name begins with `prefix` ("" is all) into the form of inference in training plans too (1): they
 *  use their running statistics and leave them alone, while weight and bias train on as set_trainable() says. For fine-tuning
 *  with few samples or small batches. 0 takes it back. Plans made before are stale and refuse to run. `changed` (may be NULL)
 *  gets the number of layers that were not so already. Like what is trainable, it is not saved with the model. As eval() on the BatchNorm2d modules of a
 *  model in training in PyTorch. Errors: INVALID_ARGUMENT, STATE before the model is built. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_set_frozen_norms(nnopt_model *model, const char *prefix, int32_t frozen, int32_t *changed);
/** Sets the weight of a convolution so that its results on pictures like `images` are uncorrelated: its filters become the
 *  eigenvectors of the patches' covariance (not centred), those of the largest eigenvalues first, each over
 *  sqrt(eigenvalue + epsilon), and then the negatives of all of them. As the first layer of airbench (Jordan 2024), whose 2x2
 *  convolution of 3 channels has 24 filters. The sign of an eigenvector is that which makes its largest element positive.
 *  Freeze the weight afterwards (nnopt_model_set_trainable()) to keep it.
 *  @param index of the weight: of a convolution without groups that has an even number of filters, 2 C kh kw or fewer.
 *  @param images f32, (N, C, H, W) with the convolution's C and pictures at least as large as its kernel; a few thousand will do.
 *  @param epsilon above 0, 1e30 at most; 5e-4 in airbench.
 *  Errors: INVALID_ARGUMENT (also where a filter is beyond a float), UNSUPPORTED for more than 512 values in a patch, OUT_OF_MEMORY; the weight is unchanged then.
 *  @since 0.1 */
NNOPT_API nnopt_status nnopt_model_initialise_whitening(nnopt_model *model, int32_t index, const nnopt_tensor *images,
                                                        double epsilon);
/** Gives all parameters fresh first values from `seed`, and resets the state. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_initialise(nnopt_model *model, uint64_t seed);

/** The four flat blocks, f32, in storage order: what optimizers, weight averaging and all-reduce walk over. Borrowed;
 *  valid while the model lives; the gradient block is NULL before a training plan was made. Storage order is the same on
 *  every machine and is described by nnopt_parameter_info::block_offset; inside a convolution it is (kh, kw, C/g, O),
 *  inside a linear (in, out). @since 0.1 */
typedef struct nnopt_model_blocks {
	size_t struct_size;
	float *parameters;          /**< all parameters, frozen ones included */
	float *gradients;           /**< of all parameters, at the same places */
	int64_t parameter_elements; /**< of both */
	float *state;               /**< running statistics */
	int64_t state_elements;     /**< of `state` */
	uint64_t identity;          /**< of these blocks: no other model of the process has or will have it, nor has this one after
	                                 nnopt_model_replace_layer(). What goes with the blocks tells by it that it still does. */
} nnopt_model_blocks;
/** Tells the blocks; set blocks->struct_size first. STATE before the model is built. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_get_blocks(nnopt_model *model, nnopt_model_blocks *blocks);

/** The counter of training forward passes, which dropout draws from; saved in checkpoints. @since 0.1 */
NNOPT_API uint64_t nnopt_model_step(const nnopt_model *model);
/** Sets the counter, as a resumed run does. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_set_step(nnopt_model *model, uint64_t step);

/** Saves parameters and state as safetensors (f32, PyTorch's shapes and names), with the architecture's JSON and a
 *  CRC-32C per tensor in __metadata__; atomic: the path holds the old or the new complete file. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_save(const nnopt_model *model, const char *path);
/** A model from such a file, architecture and weights. Checks every CRC-32C. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_load(nnopt_model **out, nnopt_context *context, const char *path);
/** Loads weights by name into a built model from a file of nnopt_weights_open(): safetensors, or PyTorch's .pth in either
 *  form. With `strict` every tensor of the model must be there and no other (num_batches_tracked is ignored); without, what
 *  both have is loaded. Shapes must agree. Nothing changes on failure. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_load_weights(nnopt_model *model, const char *path, int32_t strict);

/** Options of nnopt_model_load_weights_with(). A pattern that ends in '.' stands for all names that begin with it, "" for
 *  all names, any other for itself. Everything is borrowed during the call. @since 0.1 */
typedef struct nnopt_load_options {
	size_t struct_size;
	const char *root;         /**< as nnopt_weights_options::root; default NULL */
	const char *strip_prefix; /**< taken off the file's names that begin with it, first of all: "module." of PyTorch's
	                               DataParallel. NULL, the default: nothing */
	const char *const *rename_from; /**< patterns for the file's names; the first that fits renames: the part that fits */
	const char *const *rename_to;   /**< becomes this one, so that "" to "body." puts "body." in front */
	const char *const *skip;  /**< patterns for the model's names that are not loaded, such as "fc." of a new head */
	int32_t rename_count;     /**< of rename_from and rename_to; default 0 */
	int32_t skip_count;       /**< of `skip`; default 0 */
	int32_t strict;           /**< 1: a tensor of the model (but for `skip`) that the file has not, or one of the file that
	                               the model has not, is an error. Default 1. */
	int32_t skip_mismatched;  /**< 1: a tensor whose shape is not the model's is left out, as a head for other classes is;
	                               0: it is an error. Default 0. */
} nnopt_load_options;
/** Sets the defaults; pass sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_load_options_init(nnopt_load_options *options, size_t size);
/** How many tensors went which way. @since 0.1 */
typedef struct nnopt_load_result {
	size_t struct_size;
	int32_t loaded;     /**< tensors of the model that have the file's values */
	int32_t missing;    /**< of the model, not in the file */
	int32_t unexpected; /**< of the file, not in the model (without num_batches_tracked) */
	int32_t mismatched; /**< in both, with different shapes */
	int32_t skipped;    /**< of the model, named by `skip` */
	int32_t reserved;
} nnopt_load_result;
/** nnopt_model_load_weights() with renaming and with tensors left out, as pretrained weights need. Layouts are PyTorch's:
 *  convolutions (out, in / groups, kh, kw), linear layers (out, in). Tensors that are not loaded keep their values. `options`
 *  may be NULL. `result` (may be NULL, set its struct_size first) is also filled when names or shapes are what fails.
 *  Errors: INVALID_ARGUMENT, STATE (not built), NOT_FOUND (no such file), FORMAT (strict, a shape, two tensors of one name,
 *  a damaged file), UNSUPPORTED; nothing changes then. (torch.nn.Module.load_state_dict) @since 0.1 */
NNOPT_API nnopt_status nnopt_model_load_weights_with(nnopt_model *model, const char *path, const nnopt_load_options *options,
                                                     nnopt_load_result *result);
/** What the last nnopt_model_load_weights() or .._with() of the model found, name by name, a line each, the failed one too:
 *  "missing fc.bias", "unexpected head.weight", "mismatched fc.weight (1000, 512) (10, 512)" (the file's shape, the model's),
 *  "skipped ..", and first the counts. Text rule as in nnopt_model_to_json(). STATE before the first. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_load_report(const nnopt_model *model, char *text, size_t size, size_t *needed);

/** Puts `layer` in the place of the layer called `name`, with its inputs and readers: a head for other classes on a loaded
 *  network. It takes the name over unless it has its own. In a built model the new layer's parameters get first values from
 *  the context's seed; all others keep theirs, and whether they are frozen. Then plans made before are stale and refuse to
 *  run, pointers of nnopt_model_get_blocks() and parameter infos are void, and optimizers and averages must be made anew: those
 *  attached before say STATE. A new batch norm is not frozen (nnopt_model_set_frozen_norms()).
 *  Errors: INVALID_ARGUMENT (also: the number of inputs, a name that is taken, or another layer's parameters would change
 *  their shape), NOT_FOUND, OUT_OF_MEMORY, or what the shapes do not allow; nothing changes then. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_replace_layer(nnopt_model *model, const char *name, nnopt_layer *layer);

/** What a plan is for. @since 0.1 */
typedef enum nnopt_mode {
	NNOPT_INFERENCE = 0,
	NNOPT_TRAINING = 1,
	NNOPT_MODE_FORCE_32 = 0x7fffffff
} nnopt_mode;

/** How a plan stores activations and their gradients. Parameters, their gradients, running statistics, sums, normalisation
 *  statistics, softmax and losses are f32 in each; a 16-bit value is rounded to nearest even when it is stored: once, or at each
 *  addition where an input has several readers or windows of a pooling overlap. What the caller sees (input, output, their gradients) is f32. @since 0.1 */
typedef enum nnopt_precision {
	NNOPT_PRECISION_F32 = 0,
	NNOPT_PRECISION_BF16 = 1, /**< bfloat16: half the memory and its traffic; f32's range, 8 significant bits */
	NNOPT_PRECISION_F16 = 2,  /**< IEEE half: 11 significant bits, but 6e-8 to 65504: training scales the loss by itself, see
	                               nnopt_loss_scale */
	NNOPT_PRECISION_FORCE_32 = 0x7fffffff
} nnopt_precision;

/** Options of nnopt_plan_create(). @since 0.1 */
typedef struct nnopt_plan_options {
	size_t struct_size;
	int64_t batch;           /**< largest N that will be run; default 1 */
	int64_t shape[NNOPT_MAX_RANK]; /**< of the input without N; not needed when the model is built */
	int32_t rank;            /**< of `shape`; 0 when the model is built. Default 0. */
	int32_t mode;            /**< nnopt_mode, default NNOPT_INFERENCE */
	int32_t precision;       /**< nnopt_precision, default f32 */
	int32_t input_gradient;  /**< 1: backward also gives the gradient of the input. Default 0. */
	int32_t fuse;            /**< 0: apply no rewrite. Default 1. */
	int32_t winograd;        /**< 1: 3x3 convolutions of stride 1 run by Winograd's F(4x4, 3x3) (Lavin and Gray, 2016) where that
	                              is faster. An error of theirs is below 5e-6 of the largest sum of magnitudes, over all results,
	                              of what is added up in a result; that of plain sums is about ten times smaller. 0: always
	                              plain sums. Default 1. */
	uint64_t max_bytes;      /**< refuse a plan whose own memory would exceed it; 0: no limit. */
	int32_t constant;        /**< 1: an inference plan that takes the parameters as they are now and keeps them in the form it is
	                              fastest with, at the cost of that memory. It does not see later changes of the model. Default
	                              0: every forward reads the model's parameters. */
	int32_t batch_statistics; /**< 1: a training plan whose batch normalisations leave each batch's own mean and unbiased variance
	                              in the running statistics, whatever their momentum: nnopt_model_refresh_batch_norm() gathers
	                              them. Default 0. */
	const char *watch;       /**< name of a layer whose output an inference plan keeps, see nnopt_plan_watched(): it then has a
	                              backward pass too, from the network's output to there, in which nothing is as in training and no
	                              parameter's gradient is computed. Wants f32, and not `constant`. Read by nnopt_plan_create() only.
	                              Default NULL. */
} nnopt_plan_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_plan_options_init(nnopt_plan_options *options, size_t size);

/** Makes a plan; all errors and all allocations of training are here. @since 0.1 */
NNOPT_API nnopt_status nnopt_plan_create(nnopt_plan **out, nnopt_model *model, const nnopt_plan_options *options);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_plan_destroy(nnopt_plan *plan);

/** What a plan costs. @since 0.1 */
typedef struct nnopt_plan_info {
	size_t struct_size;
	int64_t parameters;           /**< elements of the model, frozen ones included */
	int64_t trainable_parameters; /**< elements that are not frozen */
	int64_t macs;                 /**< multiply-accumulates of one sample's forward pass */
	uint64_t parameter_bytes;     /**< parameters and gradients, shared by all plans of the model */
	uint64_t activation_bytes;    /**< the arena: activations, their gradients, what backward needs */
	uint64_t workspace_bytes;     /**< what ops need while they run, and a constant plan's packed parameters */
	uint64_t peak_bytes;          /**< all of the above; what running this plan needs */
	int32_t nodes;                /**< op nodes after rewriting */
	int32_t rewrites;             /**< rewrites applied */
	int32_t output_rank;          /**< with N */
	int32_t reserved;
	int64_t output_shape[NNOPT_MAX_RANK]; /**< with N = batch */
} nnopt_plan_info;
/** Tells what the plan costs; set info->struct_size first. This, the summary and the profile are STATE where a layer of the model
 *  was replaced since. @since 0.1 */
NNOPT_API nnopt_status nnopt_plan_get_info(const nnopt_plan *plan, nnopt_plan_info *info);
/** A table for people: a line per op node with output shape, parameters, MACs, bytes, and what was fused. Text rule as in
 *  nnopt_model_to_json(). @since 0.1 */
NNOPT_API nnopt_status nnopt_plan_summary(const nnopt_plan *plan, char *text, size_t size, size_t *needed);

/** What one op node of a plan has done while it was profiled: sums over all passes since profiling began. Bytes are those
 *  that a full batch cannot avoid, each value read or written once; with the seconds they tell how near an op is to the
 *  memory's limit, as the multiply-accumulates do for the arithmetic's. @since 0.1 */
typedef struct nnopt_op_profile {
	size_t struct_size;
	const char *layer;       /**< name of the layer it came from, "conv2d1"; borrowed from the model */
	const char *kind;        /**< the layer's kind, "conv2d"; borrowed from the model */
	const char *fused;       /**< what was fused into it and a special algorithm, "+relu winograd", or ""; borrowed from the plan */
	int64_t forward_macs;    /**< multiply-accumulates of one sample's forward pass */
	int64_t backward_macs;   /**< and of its backward pass: once for the input's gradient, once for the weights' */
	uint64_t forward_bytes;  /**< read and written by one forward pass of a full batch, at least */
	uint64_t backward_bytes; /**< and by one backward pass; 0 where there is none */
	int64_t forwards;        /**< forward passes measured */
	int64_t backwards;       /**< backward passes measured */
	double forward_seconds;  /**< of all of them together */
	double backward_seconds; /**< of all of them together, and of the updates that nnopt_optimizer_backward_step() made in them */
} nnopt_op_profile;
/** Begins (1) or ends (0) to measure each op of the plan. Beginning sets the sums to zero; after the end they can still be
 *  read. Off at first, and then free; on, it costs two looks at the clock an op and changes no result.
 *  Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_plan_set_profiling(nnopt_plan *plan, int32_t on);
/** The sums of op node `index`, 0 to nnopt_plan_info::nodes - 1, in the order of a forward pass; set profile->struct_size
 *  first. STATE when the plan was never profiled. @since 0.1 */
NNOPT_API nnopt_status nnopt_plan_get_op_profile(const nnopt_plan *plan, int32_t index, nnopt_op_profile *profile);
/** The profile as a table for people: microseconds a pass, share of the time, GFLOP/s and GB/s by op. Text rule as in
 *  nnopt_model_to_json(). STATE when the plan was never profiled. @since 0.1 */
NNOPT_API nnopt_status nnopt_plan_profile_text(const nnopt_plan *plan, char *text, size_t size, size_t *needed);

/** Runs the network on `input` (f32, N <= batch, the planned shape; NHWC memory is read in place, NCHW is converted).
 *  `output` gets a tensor borrowed from the plan, valid and overwritten at its next forward. A training plan counts the
 *  model's step on. Errors: INVALID_ARGUMENT, STATE for a plan made stale, CALLBACK where a layer of the caller's own fails,
 *  OUT_OF_MEMORY at the first NCHW input, which takes room for a batch. @since 0.1 */
NNOPT_API nnopt_status nnopt_plan_forward(nnopt_plan *plan, const nnopt_tensor *input, const nnopt_tensor **output);
/** Where a loss writes d(loss)/d(output) before nnopt_plan_backward(): a tensor of the output's current shape, borrowed.
 *  Training plans and those that watch a layer only, NULL otherwise. @since 0.1 */
NNOPT_API nnopt_tensor *nnopt_plan_output_gradient(nnopt_plan *plan);
/** Back-propagates the output gradient of the last forward into the model's gradient block. With `accumulate` 0 it
 *  overwrites the block, with 1 it adds to it. Errors: STATE (no forward pass since the last, an inference plan that watches nothing,
 *  a plan made stale, nothing to add to), CALLBACK where a layer of the caller's own fails: then all that was gathered is void, and
 *  wants a pass with `accumulate` 0 before it is used or added to. @since 0.1 */
NNOPT_API nnopt_status nnopt_plan_backward(nnopt_plan *plan, int32_t accumulate);
/** The input's gradient of the last backward, borrowed; NULL unless planned with input_gradient. @since 0.1 */
NNOPT_API const nnopt_tensor *nnopt_plan_input_gradient(nnopt_plan *plan);
/** What the watched layer gave in the last forward: f32 (N, C, H, W) in NHWC memory, or (N, features), borrowed; NULL unless planned
 *  with `watch`. It is what the layers behind it read, so features of a network are had this way. @since 0.1 */
NNOPT_API const nnopt_tensor *nnopt_plan_watched(const nnopt_plan *plan);
/** The gradient of that by the last nnopt_plan_backward(), whose output gradient the caller wrote to nnopt_plan_output_gradient()
 *  before: 1 for one class and 0 for the others gives the slope of that class's score. Borrowed; NULL likewise. @since 0.1 */
NNOPT_API const nnopt_tensor *nnopt_plan_watched_gradient(const nnopt_plan *plan);

/** The dynamic loss scaling of training plans in f16 (Micikevicius et al., 2018). nnopt_plan_backward() multiplies the
 *  output's gradient by `scale` and divides what comes out by it, so that callers only see true gradients. When one of
 *  them overflowed, they stay infinite or NaN, so nnopt_optimizer_step() skips the update and says finite 0; the scale is
 *  halved, and after 2,000 passes without overflow doubled. Part of what an exact resume needs. @since 0.1 */
typedef struct nnopt_loss_scale {
	size_t struct_size;
	double scale;      /**< of the next backward pass: a power of two, 65536 at first; 1 in plans without scaling */
	int64_t clean;     /**< passes without overflow since the scale changed */
	int64_t overflows; /**< passes with one, so far */
	int32_t overflow;  /**< 1: the last pass, or one that it added to, overflowed: its gradients are no good */
	int32_t active;    /**< 1: the plan scales, for it trains in f16. Not read when the scale is set. */
} nnopt_loss_scale;
/** Tells the loss scale; set scale->struct_size first. @since 0.1 */
NNOPT_API nnopt_status nnopt_plan_get_loss_scale(const nnopt_plan *plan, nnopt_loss_scale *scale);
/** Sets it, as a resumed run does. STATE for plans other than training in f16. @since 0.1 */
NNOPT_API nnopt_status nnopt_plan_set_loss_scale(nnopt_plan *plan, const nnopt_loss_scale *scale);

#ifdef __cplusplus
}
#endif

#endif
