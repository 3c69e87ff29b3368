/* update.h - the numbers of one optimizer step, as its kernel wants them. All kernels first turn the raw gradient g
 * into g' = clamp(g * scale, -limit, limit) + decay * w + l1 * sign(w). */
#ifndef NNO_KERNEL_UPDATE_H
#define NNO_KERNEL_UPDATE_H

typedef struct nno_gradient_step {
	float scale; /* of the gradient: accumulation and clipping by norm */
	float limit; /* clipping by value, INFINITY for none */
	float decay; /* coupled (L2) weight decay */
	float l1;
} nno_gradient_step;

/* m = momentum * m + keep * g';  w -= lr * (nesterov ? g' + momentum * m : m).  Without m: w -= lr * g'. */
typedef struct nno_sgd_step {
	nno_gradient_step gradient;
	float lr, momentum, keep;
	int nesterov;
} nno_sgd_step;

/* m += (1 - beta1) (g' - m);  v = beta2 v + (1 - beta2) g'^2;
 * w = w * shrink - rate * m / (sqrt(v) * root + epsilon). */
typedef struct nno_adam_step {
	nno_gradient_step gradient;
	float one_minus_beta1, beta2, one_minus_beta2;
	float rate; /* lr / (1 - beta1^t) */
	float root; /* 1 / sqrt(1 - beta2^t) */
	float epsilon;
	float shrink; /* 1 - lr * decoupled decay */
} nno_adam_step;

/* s = alpha s + (1 - alpha) g'^2;  a += (1 - alpha) (g' - a), where a is not NULL, and then a^2 is taken off s below;
 * d = g' / (sqrt(s) + epsilon);  m = momentum m + d, where m is not NULL;  w -= lr * (m or d). */
typedef struct nno_rmsprop_step {
	nno_gradient_step gradient;
	float lr, alpha, one_minus_alpha, epsilon, momentum;
	int centered; /* for the caller: whether there is an a */
} nno_rmsprop_step;

/* s += g'^2;  w -= rate * g' / (sqrt(s) + epsilon). */
typedef struct nno_adagrad_step {
	nno_gradient_step gradient;
	float rate; /* lr / (1 + (t - 1) lr_decay) */
	float epsilon;
} nno_adagrad_step;

/* m and v as in nno_adam_step;  w = w * shrink - (rate_g * g' + rate_m * m) / (sqrt(v) * root + epsilon). */
typedef struct nno_nadam_step {
	nno_gradient_step gradient;
	float one_minus_beta1, beta2, one_minus_beta2;
	float rate_g; /* lr (1 - mu_t) / (1 - mu_1 ... mu_t) */
	float rate_m; /* lr mu_t+1 / (1 - mu_1 ... mu_t+1) */
	float root, epsilon, shrink;
} nno_nadam_step;

/* c = beta1 m + (1 - beta1) g';  w = w * shrink - lr * sign(c);  m = beta2 m + (1 - beta2) g'. */
typedef struct nno_lion_step {
	nno_gradient_step gradient;
	float lr, beta1, one_minus_beta1, beta2, one_minus_beta2, shrink;
} nno_lion_step;

/* m and v as in nno_adam_step; the direction is u = m * first / (sqrt(v) * root + epsilon) + decay * w;  w -= rate * u.
 */
typedef struct nno_lamb_step {
	nno_gradient_step gradient;
	float one_minus_beta1, beta2, one_minus_beta2;
	float first; /* 1 / (1 - beta1^t) */
	float root;  /* 1 / sqrt(1 - beta2^t) */
	float epsilon, decay;
	float lr;
	int adapt; /* for the caller: whether the rate is lr times the trust ratio |w| / |u| of the tensor */
} nno_lamb_step;

/* m += (1 - momentum) (g' - m);  u = nesterov ? g' + momentum (m - g') : m. What follows is done to whole matrices of
 * u, and then w = w * shrink - lr * u. */
typedef struct nno_muon_step {
	nno_gradient_step gradient;
	float lr, momentum, one_minus_momentum, shrink;
	int nesterov;
} nno_muon_step;

#endif
