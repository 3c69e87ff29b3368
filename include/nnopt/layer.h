/**
 * @file layer.h
 * Layers: what a network computes. A layer is described by options, and takes its shapes, parameters and kernels when
 * a model it was added to is built and planned.
 *
 * Shapes are NCHW. Rank-2 values are (N, features). Every create function copies its options; NULL options are the
 * defaults (but for a layer of one's own, which has none). Destroy the handle when you like: a model keeps its own reference.
 *
 * Create functions fail with INVALID_ARGUMENT, naming the option, and OUT_OF_MEMORY; whether a layer suits its input is seen
 * when its model is built. A layer is used by one thread at a time. Everything here is since 0.1. Activations
 * and softmax treat infinities and NaNs as PyTorch's do, in their gradients too.
 */
#ifndef NNOPT_LAYER_H
#define NNOPT_LAYER_H

#include <nnopt/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A layer: options that say what it computes. @since 0.1 */
typedef struct nnopt_layer nnopt_layer;

/** How a parameter gets its first values. fan_in and fan_out are those of PyTorch's torch.nn.init. */
typedef enum nnopt_init {
	NNOPT_INIT_DEFAULT = 0,        /**< the layer's own: uniform(-1/sqrt(fan_in), 1/sqrt(fan_in)), as PyTorch's layers */
	NNOPT_INIT_HE_NORMAL = 1,      /**< N(0, 2/fan_in); He et al. 2015 */
	NNOPT_INIT_HE_UNIFORM = 2,     /**< U(+-sqrt(6/fan_in)) */
	NNOPT_INIT_XAVIER_NORMAL = 3,  /**< N(0, 2/(fan_in+fan_out)); Glorot and Bengio 2010 */
	NNOPT_INIT_XAVIER_UNIFORM = 4, /**< U(+-sqrt(6/(fan_in+fan_out))) */
	NNOPT_INIT_LECUN_NORMAL = 5,   /**< N(0, 1/fan_in); LeCun et al. 1998 */
	NNOPT_INIT_LECUN_UNIFORM = 6,  /**< U(+-sqrt(3/fan_in)) */
	NNOPT_INIT_ORTHOGONAL = 7,     /**< rows or columns orthonormal; Saxe et al. 2013 */
	NNOPT_INIT_CONSTANT = 8,       /**< the value given beside it */
	NNOPT_INIT_DIRAC = 9,          /**< of a convolution's weight alone: in each group the first C / groups filters pass their
	                                    channel on unchanged (torch.nn.init.dirac_), those left have the layer's own values;
	                                    Zagoruyko and Komodakis 2017, in this form Jordan 2024 (airbench) */
	NNOPT_INIT_TRUNCATED_NORMAL = 10, /**< N(0, s^2), drawn again beyond 2 s, with s the value given beside it, which is above
	                                    0; 0.02 in ViT and ConvNeXt */
	NNOPT_INIT_FORCE_32 = 0x7fffffff
} nnopt_init;

/** What a tensor of the model is for. */
typedef enum nnopt_parameter_role {
	NNOPT_ROLE_WEIGHT = 0, /**< weights of convolutions, linear and recurrent layers */
	NNOPT_ROLE_BIAS = 1,   /**< biases, those of normalisations too */
	NNOPT_ROLE_SCALE = 2,  /**< scales of normalisations, weights of weighted sums */
	NNOPT_ROLE_OTHER = 3,  /**< parameters of the caller's own layers */
	NNOPT_ROLE_STATE = 4,  /**< not trained: running statistics */
	NNOPT_ROLE_FORCE_32 = 0x7fffffff
} nnopt_parameter_role;

/** How a convolution pads. @since 0.1 */
typedef enum nnopt_padding_mode {
	NNOPT_PADDING_EXPLICIT = 0, /**< padding_h and padding_w on both sides */
	NNOPT_PADDING_SAME = 1,     /**< dilation * (kernel - 1) / 2 on both sides, which must be whole: same size at stride 1 */
	NNOPT_PADDING_SAME_UPPER = 2, /**< H' = H / stride rounded up, any kernel; of an odd number of zeros the end gets one more.
	                               As TensorFlow's SAME and ONNX's SAME_UPPER. */
	NNOPT_PADDING_FORCE_32 = 0x7fffffff
} nnopt_padding_mode;

/** Convolution: (N, C, H, W) to (N, out_channels, H', W'), H' = (H + 2 pad - dilation (kernel - 1) - 1) / stride + 1.
 *  Parameters: weight (out_channels, C / groups, kernel_h, kernel_w), bias (out_channels). As torch.nn.Conv2d. */
typedef struct nnopt_conv2d_options {
	size_t struct_size;
	int64_t kernel_h, kernel_w;     /**< 0: the `kernel` argument */
	int64_t stride_h, stride_w;     /**< default 1 */
	int64_t padding_h, padding_w;   /**< zeros on both sides, default 0 */
	int64_t dilation_h, dilation_w; /**< default 1 */
	int64_t groups;                 /**< default 1; equal to C for a depthwise convolution */
	int32_t padding_mode;           /**< nnopt_padding_mode, default NNOPT_PADDING_EXPLICIT */
	int32_t use_bias;               /**< default 1 */
	int32_t weight_init;            /**< nnopt_init */
	int32_t bias_init;              /**< nnopt_init */
	float weight_value, bias_value; /**< of NNOPT_INIT_CONSTANT and NNOPT_INIT_TRUNCATED_NORMAL */
} nnopt_conv2d_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_conv2d_options_init(nnopt_conv2d_options *options, size_t size);
/** `kernel` is the size both ways where the options do not say another. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_conv2d_create(nnopt_layer **out, nnopt_context *context, int64_t out_channels, int64_t kernel,
                                           const nnopt_conv2d_options *options);

/** Fully connected: (N, in) to (N, out_features), y = x W^T + b. Parameters: weight (out, in), bias (out). A rank-4 input
 *  is an error: put a flatten before it. As torch.nn.Linear. */
typedef struct nnopt_linear_options {
	size_t struct_size;
	int32_t use_bias; /**< default 1 */
	int32_t weight_init; /**< nnopt_init */
	int32_t bias_init;   /**< nnopt_init */
	float weight_value, bias_value; /**< of NNOPT_INIT_CONSTANT and NNOPT_INIT_TRUNCATED_NORMAL */
	int32_t reserved; /**< 0 */
} nnopt_linear_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_linear_options_init(nnopt_linear_options *options, size_t size);
/** A fully connected layer of `out_features`. @since 0.1 */
NNOPT_API nnopt_status nnopt_linear_create(nnopt_layer **out, nnopt_context *context, int64_t out_features,
                                           const nnopt_linear_options *options);

/** Batch normalisation over (N, H, W) of each channel, or over N of each feature; Ioffe and Szegedy 2015, as
 *  torch.nn.BatchNorm2d / BatchNorm1d: running = (1 - momentum) running + momentum batch, with the unbiased variance.
 *  Parameters: weight (C), bias (C); state: running_mean (C), running_var (C). A channel that has a single value in training
 *  (N H W = 1, which PyTorch refuses) has variance 0: the result is the bias, and running_var takes in 0. */
typedef struct nnopt_batch_norm_options {
	size_t struct_size;
	float momentum;   /**< default 0.1 */
	float epsilon;    /**< default 1e-5 */
	int32_t use_scale; /**< default 1: weight, first scale_value */
	int32_t use_bias;  /**< default 1: bias, first bias_value */
	float scale_value; /**< default 1; 0 in the last one of a residual branch makes the block begin as the identity (Goyal et al. 2017) */
	float bias_value;  /**< default 0 */
} nnopt_batch_norm_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_batch_norm_options_init(nnopt_batch_norm_options *options, size_t size);
/** For (N, C, H, W). */
NNOPT_API nnopt_status nnopt_batch_norm2d_create(nnopt_layer **out, nnopt_context *context, const nnopt_batch_norm_options *options);
/** For (N, features). */
NNOPT_API nnopt_status nnopt_batch_norm1d_create(nnopt_layer **out, nnopt_context *context, const nnopt_batch_norm_options *options);

/** Layer normalisation; Ba et al. 2016, as torch.nn.LayerNorm: each of the runs of values named below has the mean 0 and the
 *  (biased) variance 1, then y = x weight + bias. In training and inference alike, for each sample by itself.
 *  Parameters: weight and bias, both of the shape that is normalised: (C, H, W), (H, W), (W), (features), or (C) with `channels`. */
typedef struct nnopt_layer_norm_options {
	size_t struct_size;
	float epsilon;     /**< added to the variance, default 1e-5 */
	int32_t extents;   /**< how many of the last extents are normalised together, as the length of PyTorch's normalized_shape: 0,
	                        the default, is all of a sample; of (C, H, W) 1 is W, 2 is (H, W) and 3 is all */
	int32_t channels;  /**< 1: over the channels at each position instead, as LayerNorm2d of ConvNeXt (Liu et al. 2022), with
	                        `extents` 0. Default 0. The fastest form of pictures, with extents 0. */
	int32_t use_scale; /**< default 1: weight, first 1 */
	int32_t use_bias;  /**< default 1: bias, first 0 */
	int32_t reserved;  /**< 0 */
} nnopt_layer_norm_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_layer_norm_options_init(nnopt_layer_norm_options *options, size_t size);
/** For (N, C, H, W) and (N, features). @since 0.1 */
NNOPT_API nnopt_status nnopt_layer_norm_create(nnopt_layer **out, nnopt_context *context, const nnopt_layer_norm_options *options);

/** Group normalisation; Wu and He 2018, as torch.nn.GroupNorm: in each sample the channels are cut into `groups` of equal
 *  size, and each group with all its pixels has the mean 0 and the (biased) variance 1, then y = x weight + bias. In training
 *  and inference alike. Parameters: weight (C), bias (C). */
typedef struct nnopt_group_norm_options {
	size_t struct_size;
	float epsilon;     /**< added to the variance, default 1e-5 */
	int32_t use_scale; /**< default 1: weight, first 1 */
	int32_t use_bias;  /**< default 1: bias, first 0 */
	int32_t reserved;  /**< 0 */
} nnopt_group_norm_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_group_norm_options_init(nnopt_group_norm_options *options, size_t size);
/** For (N, C, H, W) and (N, features). @param groups a divisor of C; 0: as many as channels, which is instance normalisation
 *  (Ulyanov et al. 2016; torch.nn.InstanceNorm2d has use_scale and use_bias 0). @since 0.1 */
NNOPT_API nnopt_status nnopt_group_norm_create(nnopt_layer **out, nnopt_context *context, int64_t groups,
                                               const nnopt_group_norm_options *options);

/** Dropout: in training each element is 0 with probability p, else scaled by 1 / (1 - p). Srivastava et al. 2014.
 *  @param p in [0, 1). */
NNOPT_API nnopt_status nnopt_dropout_create(nnopt_layer **out, nnopt_context *context, float p);

/** Dropout of whole channels: in training each channel of each sample is 0 with probability p, else scaled by 1 / (1 - p).
 *  Tompson et al. 2015, as torch.nn.Dropout2d. For (N, C, H, W). @param p in [0, 1). @since 0.1 */
NNOPT_API nnopt_status nnopt_dropout2d_create(nnopt_layer **out, nnopt_context *context, float p);
/** DropBlock; Ghiasi et al. 2018: in training squares of block_size x block_size pixels of each channel are 0, so that about
 *  a share p of all pixels is in one, and the rest is scaled by pixels / pixels kept. Blocks begin at random places with the
 *  paper's rate gamma = p / block_size^2 * H W / ((H - block_size + 1) (W - block_size + 1)) and lie inside the picture, as in
 *  torchvision.ops.drop_block2d; there the scale is of the whole batch, here of each sample, whose mask so depends on nothing
 *  else. Larger blocks than the picture are cut to its shorter side. For (N, C, H, W).
 *  @param block_size at least 1; 7 in the paper. @param p in [0, 1). @since 0.1 */
NNOPT_API nnopt_status nnopt_drop_block_create(nnopt_layer **out, nnopt_context *context, int64_t block_size, float p);
/** Stochastic depth (drop path): in training each sample is all 0 with probability p, else scaled by 1 / (1 - p). Put it at
 *  the end of a residual branch, before the sum. Huang et al. 2016, as torchvision.ops.StochasticDepth in mode "row".
 *  @param p in [0, 1). @since 0.1 */
NNOPT_API nnopt_status nnopt_stochastic_depth_create(nnopt_layer **out, nnopt_context *context, float p);

/** Pooling windows; as torch.nn.MaxPool2d / AvgPool2d. */
typedef struct nnopt_pool2d_options {
	size_t struct_size;
	int64_t kernel_h, kernel_w;   /**< 0: the `kernel` argument */
	int64_t stride_h, stride_w;   /**< 0: equal to the kernel */
	int64_t padding_h, padding_w; /**< at most half the kernel, default 0 */
	int32_t ceil_mode;            /**< default 0: windows that start inside but reach past the end are dropped */
	int32_t count_include_pad;    /**< average only, default 1 */
} nnopt_pool2d_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_pool2d_options_init(nnopt_pool2d_options *options, size_t size);
/** The maximum of each window. @since 0.1 */
NNOPT_API nnopt_status nnopt_max_pool2d_create(nnopt_layer **out, nnopt_context *context, int64_t kernel, const nnopt_pool2d_options *options);
/** The mean of each window. @since 0.1 */
NNOPT_API nnopt_status nnopt_avg_pool2d_create(nnopt_layer **out, nnopt_context *context, int64_t kernel, const nnopt_pool2d_options *options);
/** (N, C, H, W) to (N, C, 1, 1), the mean. */
NNOPT_API nnopt_status nnopt_global_avg_pool2d_create(nnopt_layer **out, nnopt_context *context);
/** (N, C, H, W) to (N, C, 1, 1), the maximum. */
NNOPT_API nnopt_status nnopt_global_max_pool2d_create(nnopt_layer **out, nnopt_context *context);
/** (N, C, H, W) to (N, C, out_h, out_w) with windows as torch.nn.AdaptiveAvgPool2d / AdaptiveMaxPool2d. */
NNOPT_API nnopt_status nnopt_adaptive_avg_pool2d_create(nnopt_layer **out, nnopt_context *context, int64_t out_h, int64_t out_w);
/** As the mean, with the maximum. @since 0.1 */
NNOPT_API nnopt_status nnopt_adaptive_max_pool2d_create(nnopt_layer **out, nnopt_context *context, int64_t out_h, int64_t out_w);

/** Element-wise activations, any shape. */
NNOPT_API nnopt_status nnopt_relu_create(nnopt_layer **out, nnopt_context *context);
/** x > 0 ? x : slope x. PyTorch's default slope is 0.01. */
NNOPT_API nnopt_status nnopt_leaky_relu_create(nnopt_layer **out, nnopt_context *context, float slope);
/** min(max(x, 0), 6). @since 0.1 */
NNOPT_API nnopt_status nnopt_relu6_create(nnopt_layer **out, nnopt_context *context);
/** x Phi(x); the exact erf form, or the tanh form of Hendrycks and Gimpel 2016 when `tanh_form` is 1. */
NNOPT_API nnopt_status nnopt_gelu_create(nnopt_layer **out, nnopt_context *context, int32_t tanh_form);
/** x sigmoid(x). */
NNOPT_API nnopt_status nnopt_silu_create(nnopt_layer **out, nnopt_context *context);
/** 1 / (1 + e^-x). @since 0.1 */
NNOPT_API nnopt_status nnopt_sigmoid_create(nnopt_layer **out, nnopt_context *context);
/** Hyperbolic tangent. @since 0.1 */
NNOPT_API nnopt_status nnopt_tanh_create(nnopt_layer **out, nnopt_context *context);
/** min(max(x + 3, 0), 6) / 6; Howard et al. 2019, as torch.nn.Hardsigmoid. @since 0.1 */
NNOPT_API nnopt_status nnopt_hard_sigmoid_create(nnopt_layer **out, nnopt_context *context);
/** x min(max(x + 3, 0), 6) / 6; Howard et al. 2019, as torch.nn.Hardswish. @since 0.1 */
NNOPT_API nnopt_status nnopt_hard_swish_create(nnopt_layer **out, nnopt_context *context);
/** factor x, any shape. @param factor finite. @since 0.1 */
NNOPT_API nnopt_status nnopt_scale_create(nnopt_layer **out, nnopt_context *context, float factor);
/** Over the channels of each position. */
NNOPT_API nnopt_status nnopt_softmax_create(nnopt_layer **out, nnopt_context *context);

/** (N, C, H, W) to (N, C H W), in C, H, W order. */
NNOPT_API nnopt_status nnopt_flatten_create(nnopt_layer **out, nnopt_context *context);
/** Sum of two or more inputs of equal shape. */
NNOPT_API nnopt_status nnopt_add_create(nnopt_layer **out, nnopt_context *context);
/** Product of two inputs: of equal shape, element by element; or of (N, C, H, W) and a factor for each channel, (N, C, 1, 1) or
 *  (N, C), as squeeze-and-excitation wants it (Hu et al. 2018). @since 0.1 */
NNOPT_API nnopt_status nnopt_multiply_create(nnopt_layer **out, nnopt_context *context);
/** Two or more inputs joined along the channels. */
NNOPT_API nnopt_status nnopt_concat_create(nnopt_layer **out, nnopt_context *context);

/** What of a picture (N, C, H, W) a recurrent layer takes for its steps. Features of a step are numbered as said here, which are
 *  the columns of weight_ih; x is the picture as a PyTorch tensor, and what PyTorch's layer with batch_first reads is given
 *  with each. A tensor (N, C, T, 1) is a sequence of T steps of C features by rows, one (N, C, 1, T) by columns, both by
 *  pixels. @since 0.1 */
typedef enum nnopt_sequence {
	NNOPT_SEQUENCE_ROWS = 0,    /**< H steps of W C features, feature w C + c: x.permute(0, 2, 3, 1).flatten(2) */
	NNOPT_SEQUENCE_COLUMNS = 1, /**< W steps of H C features, feature h C + c: x.permute(0, 3, 2, 1).flatten(2) */
	NNOPT_SEQUENCE_PIXELS = 2,  /**< H W steps of C features, row by row: x.flatten(2).transpose(1, 2) */
	NNOPT_SEQUENCE_FORCE_32 = 0x7fffffff
} nnopt_sequence;

/** What a recurrent layer gives, D being 2 for both directions and else 1. @since 0.1 */
typedef enum nnopt_recurrent_output {
	/** (N, D hidden_size): the last hidden state; of the direction that begins at the end, the one that has reached the
	 *  beginning. PyTorch's h_n, its directions side by side. */
	NNOPT_RECURRENT_LAST = 0,
	/** The hidden state at each step, at the place of the step: (N, D hidden_size, H, 1) by rows, (N, D hidden_size, 1, W)
	 *  by columns, (N, D hidden_size, H, W) by pixels. PyTorch's output. Another recurrent layer with the same `sequence`
	 *  reads it as it is: so layers are stacked. */
	NNOPT_RECURRENT_ALL = 1,
	NNOPT_RECURRENT_FORCE_32 = 0x7fffffff
} nnopt_recurrent_output;

/** Recurrent layers: semantics, parameters and first values of torch.nn.LSTM and torch.nn.GRU with num_layers=1. States begin
 *  at zero. Parameters, G being 4 for LSTM and 3 for GRU: weight_ih_l0 (G hidden_size, features), weight_hh_l0 (G hidden_size,
 *  hidden_size), bias_ih_l0 and bias_hh_l0 (G hidden_size); with `bidirectional` the same once more with "_reverse" behind
 *  their names. The layer k of a stack in PyTorch, "..._lk", is here the k-th layer's "..._l0". */
typedef struct nnopt_recurrent_options {
	size_t struct_size;
	int32_t sequence;       /**< nnopt_sequence, default NNOPT_SEQUENCE_ROWS */
	int32_t output;         /**< nnopt_recurrent_output, default NNOPT_RECURRENT_LAST */
	int32_t bidirectional;  /**< default 0; 1: a second one that begins at the last step, its results behind the first's */
	int32_t use_bias;       /**< default 1 */
	int32_t input_init;     /**< nnopt_init of weight_ih; the default is uniform(-1/sqrt(hidden_size), 1/sqrt(hidden_size)) */
	int32_t recurrent_init; /**< nnopt_init of weight_hh, same default */
	int32_t bias_init;      /**< nnopt_init of both biases, same default */
	float weight_value, bias_value; /**< of NNOPT_INIT_CONSTANT */
	int32_t reserved;       /**< 0 */
} nnopt_recurrent_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_recurrent_options_init(nnopt_recurrent_options *options, size_t size);
/** Long short-term memory over a picture's rows, columns or pixels: i, f, o = sigmoid(.), g = tanh(.), c = f c' + i g,
 *  h = o tanh(c); rows of the parameters are i, f, g, o. Hochreiter and Schmidhuber 1997, Gers et al. 2000; as torch.nn.LSTM.
 *  @param hidden_size 1 to 2^24. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_lstm_create(nnopt_layer **out, nnopt_context *context, int64_t hidden_size,
                                         const nnopt_recurrent_options *options);
/** Gated recurrent unit: r, z = sigmoid(.), n = tanh(W_in x + b_in + r (W_hn h' + b_hn)), h = (1 - z) n + z h'; rows of the
 *  parameters are r, z, n. Cho et al. 2014; as torch.nn.GRU.
 *  @param hidden_size 1 to 2^24. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_gru_create(nnopt_layer **out, nnopt_context *context, int64_t hidden_size,
                                        const nnopt_recurrent_options *options);

/** Weighted sum of two to eight inputs of equal shape: the fusion of several networks' decisions. Fixed weights are part of
 *  the layer. Learned ones are its parameter weight (inputs), of which those that count are softmax(weight) with `normalise`;
 *  they start equal. Put softmax layers before it for a mean of probabilities; for training by cross-entropy, which takes
 *  logits, join the logits. */
typedef struct nnopt_weighted_sum_options {
	size_t struct_size;
	const double *weights; /**< one for each input; copied. NULL: 1 / inputs each, or learned */
	int64_t weight_count;  /**< of `weights`; 0 with NULL */
	int32_t learned;       /**< default 0 */
	int32_t normalise;     /**< default 1: weights add up to 1, given ones are divided by their sum and may not be negative */
} nnopt_weighted_sum_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_weighted_sum_options_init(nnopt_weighted_sum_options *options, size_t size);
/** A weighted sum. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY; when the model is built INVALID_ARGUMENT where the inputs' shapes
 *  or number differ from what it wants. @since 0.1 */
NNOPT_API nnopt_status nnopt_weighted_sum_create(nnopt_layer **out, nnopt_context *context,
                                                 const nnopt_weighted_sum_options *options);

/** What a caller's own layer is given at run time. Tensors are borrowed for the call; activations are f32 in NHWC
 *  memory order (rank 2: row-major), parameters row-major. `batch` samples of the planned batch are in use, and the
 *  tensors have that many. */
typedef struct nnopt_own_call {
	size_t struct_size;
	int32_t training;                             /**< 1 in a training plan; 0 in inference, also on the way back to a layer
	                                                   that a plan watches */
	int32_t input_count;                          /**< of `inputs` */
	int32_t parameter_count;                      /**< of `parameters` */
	int32_t accumulate_parameters;                /**< 1: add to parameter_gradients; 0: overwrite them */
	const nnopt_tensor *const *inputs;            /**< what comes in */
	nnopt_tensor *output;                         /**< forward writes it, backward reads it */
	nnopt_tensor *const *parameters;              /**< to be read only */
	const nnopt_tensor *output_gradient;          /**< backward only */
	nnopt_tensor *const *input_gradients;         /**< backward only: overwrite; an entry is NULL when not wanted */
	nnopt_tensor *const *parameter_gradients;     /**< backward only; an entry is NULL when frozen */
} nnopt_own_call;

/** A caller's own layer. Functions return NNOPT_OK or any failure, which stops the step with NNOPT_ERROR_CALLBACK; they
 *  run on the calling thread and may use `threads` of their own. */
typedef struct nnopt_own_layer_options {
	size_t struct_size;
	const char *kind;          /**< nnopt_layer_kind() of it, in summaries and profiles; copied. Default "own". */
	int32_t input_count;       /**< default 1 */
	int32_t parameter_count;   /**< 0..4, default 0 */
	/** Shape of the output (without N) from those of the inputs (without N). NULL: equal to the first input's.
	 *  in_shapes[i] has in_ranks[i] extents; write at most 3 to out_shape and their number to out_rank. */
	nnopt_status (*shape)(int32_t input_count, const int64_t *const *in_shapes, const int32_t *in_ranks,
	                      int64_t *out_shape, int32_t *out_rank, void *user);
	/** Shape of parameter `index` (at most 4 extents) from those of the inputs; NULL without parameters. */
	nnopt_status (*parameter_shape)(int32_t index, int32_t input_count, const int64_t *const *in_shapes,
	                                const int32_t *in_ranks, int64_t *shape, int32_t *rank, void *user);
	const char *parameter_names[4]; /**< copied */
	int32_t parameter_inits[4];     /**< nnopt_init */
	float parameter_values[4];      /**< of NNOPT_INIT_CONSTANT and NNOPT_INIT_TRUNCATED_NORMAL */
	nnopt_status (*forward)(const nnopt_own_call *call, void *user);  /**< writes the output */
	nnopt_status (*backward)(const nnopt_own_call *call, void *user); /**< NULL: inference only */
	void (*destroy)(void *user);   /**< NULL or called once with the last reference */
	void *user;                    /**< given to all of them */
} nnopt_own_layer_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_own_layer_options_init(nnopt_own_layer_options *options, size_t size);
/** A layer whose functions are the caller's. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_own_layer_create(nnopt_layer **out, nnopt_context *context, const nnopt_own_layer_options *options);

/** Names the layer; its parameters are then "name.weight" and so on. Default: the kind ("own" for all of a caller's own)
 *  and its number among that kind in the model, such as "conv2d1". Only before it is added to a model; letters, digits, '_', '-' and '.'. @since 0.1 */
NNOPT_API nnopt_status nnopt_layer_set_name(nnopt_layer *layer, const char *name);
/** "conv2d", "relu", ... @since 0.1 */
NNOPT_API const char *nnopt_layer_kind(const nnopt_layer *layer);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_layer_destroy(nnopt_layer *layer);

/** Number of built-in layer kinds, and their names in alphabetical order; NULL past the end. @since 0.1 */
NNOPT_API int32_t nnopt_layer_kind_count(void);
/** Name of kind `index` in alphabetical order; NULL past the end. @since 0.1 */
NNOPT_API const char *nnopt_layer_kind_name(int32_t index);

#ifdef __cplusplus
}
#endif

#endif
