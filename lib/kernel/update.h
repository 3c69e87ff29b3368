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

#endif
