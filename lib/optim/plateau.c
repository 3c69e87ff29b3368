/* plateau.c - a factor of the learning rate that falls when a number stops improving, as torch's ReduceLROnPlateau. Not
 * a schedule, because it has a state. */
#include "context/context.h"
#include "nnopt/schedule.h"

#include <math.h>

struct nnopt_plateau {
	nnopt_context *context;
	nnopt_plateau_options o;
	nnopt_plateau_state state;
};

static const nnopt_plateau_options defaults = {
	.struct_size = sizeof defaults, .factor = 0.1, .threshold = 1e-4, .patience = 10
};

nnopt_status nnopt_plateau_options_init(nnopt_plateau_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "plateau_options");
}

static nnopt_status check_options(const nnopt_plateau_options *o)
{
	if (!(o->factor >= 0.0 && o->factor < 1.0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plateau: factor %g, at least 0 and below 1 wanted",
				o->factor);
	if (!(isfinite(o->threshold) && o->threshold >= 0.0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plateau: threshold %g, finite and at least 0 wanted",
				o->threshold);
	if (!(o->minimum >= 0.0 && o->minimum <= 1.0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plateau: minimum %g, 0 to 1 wanted", o->minimum);
	if (o->patience < 0 || o->cooldown < 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"plateau: patience %lld and cooldown %lld, at least 0 wanted", (long long)o->patience,
				(long long)o->cooldown);
	return NNOPT_OK;
}

nnopt_status nnopt_plateau_create(nnopt_plateau **out, nnopt_context *context, const nnopt_plateau_options *options)
{
	if (out == NULL || context == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plateau_create: %s is NULL",
				out == NULL ? "out" : "context");
	nnopt_plateau_options o = defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "plateau_options"));
	NNO_TRY(check_options(&o));
	nnopt_plateau *p = nno_new(&context->alloc, sizeof *p);
	if (p == NULL)
		return nno_fail_memory("plateau", sizeof *p);
	p->context = nno_context_take(context);
	p->o = o;
	p->state = (nnopt_plateau_state){ .struct_size = sizeof p->state,
					  .factor = 1.0,
					  .best = o.maximise ? -INFINITY : INFINITY };
	*out = p;
	return NNOPT_OK;
}

void nnopt_plateau_destroy(nnopt_plateau *plateau)
{
	if (plateau == NULL)
		return;
	nnopt_context *context = plateau->context;
	nno_delete(&context->alloc, plateau);
	nno_context_drop(context);
}

static int is_better(const nnopt_plateau_options *o, double value, double best)
{
	if (o->maximise)
		return value > (o->absolute ? best + o->threshold : best * (1.0 + o->threshold));
	return value < (o->absolute ? best - o->threshold : best * (1.0 - o->threshold));
}

nnopt_status nnopt_plateau_step(nnopt_plateau *plateau, double value)
{
	if (plateau == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plateau_step: plateau is NULL");
	nnopt_plateau_state *s = &plateau->state;
	const nnopt_plateau_options *o = &plateau->o;
	if (is_better(o, value, s->best)) {
		s->best = value;
		s->stale = 0;
	} else {
		s->stale++;
	}
	if (s->cooldown > 0) {
		s->cooldown--;
		s->stale = 0;
	}
	if (s->stale > o->patience) {
		s->factor = fmin(s->factor, fmax(s->factor * o->factor, o->minimum));
		s->cooldown = o->cooldown;
		s->stale = 0;
	}
	return NNOPT_OK;
}

double nnopt_plateau_factor(const nnopt_plateau *plateau) { return plateau == NULL ? 1.0 : plateau->state.factor; }

int32_t nnopt_plateau_maximises(const nnopt_plateau *plateau) { return plateau != NULL && plateau->o.maximise != 0; }

nnopt_status nnopt_plateau_get_state(const nnopt_plateau *plateau, nnopt_plateau_state *state)
{
	if (plateau == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plateau_get_state: plateau is NULL");
	NNO_TRY(nnopt_result_check(state, "plateau_state"));
	nnopt_result_give(state, &plateau->state, sizeof plateau->state);
	return NNOPT_OK;
}

nnopt_status nnopt_plateau_set_state(nnopt_plateau *plateau, const nnopt_plateau_state *state)
{
	if (plateau == NULL || state == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plateau_set_state: %s is NULL",
				plateau == NULL ? "plateau" : "state");
	nnopt_plateau_state s = plateau->state;
	NNO_TRY(nnopt_options_read(&s, sizeof s, state, "plateau_state"));
	if (!(s.factor >= 0.0 && s.factor <= 1.0) || s.stale < 0 || s.cooldown < 0)
		return nno_fail(
		    NNOPT_ERROR_INVALID_ARGUMENT,
		    "plateau_set_state: factor %g, stale %lld, cooldown %lld, a factor of 0 to 1 and counts "
		    "of at least 0 wanted",
		    s.factor, (long long)s.stale, (long long)s.cooldown);
	plateau->state = s;
	return NNOPT_OK;
}
