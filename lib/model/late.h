/* late.h - weights whose gradients are made after the backward pass, each when whoever updates it is there to take it,
 * so that it never goes to memory. */
#ifndef NNO_MODEL_LATE_H
#define NNO_MODEL_LATE_H

#include "nnopt/model.h"
#include "op/op.h"

/* nnopt_plan_backward(), which may leave out the gradients that can come late. */
nnopt_status nno_plan_backward(nnopt_plan *plan, bool accumulate, bool leave_late);
/* The model of the plan, borrowed. */
nnopt_model *nno_plan_model(const nnopt_plan *plan);

/* The weight number `index`, from 0, whose gradient can come late: where it begins in the parameter block; -1 past the
 * last one. */
int64_t nno_plan_late_weight(const nnopt_plan *plan, int index);
/* After a backward pass that left them out: whether these gradients are all sure to be finite. */
bool nno_plan_late_finite(const nnopt_plan *plan);
/* Then: makes that of the weight `index`, into the gradient block, or for the sink. With one that wants it: the sum of
 * its squares, in the same order at any thread count. */
double nno_plan_late_gradient(nnopt_plan *plan, int index, const nno_sink *sink);

/* STATE where a gradient of the model went to a sink or its pass failed, and no backward pass has been since; `what`
 * begins the text. */
nnopt_status nno_model_check_gradients(const char *what, const nnopt_model *model);

#endif
