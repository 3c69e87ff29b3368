/**
 * @file nnopt.h
 * libnnopt: training image-recognition networks from C. This header includes all others.
 *
 * Conventions: objects are pointers to incomplete structs; destroy exactly what you created, once, in any order. Every
 * fallible function returns nnopt_status; a _create or _open function gives its object by the first parameter. Out parameters
 * are untouched on failure unless a comment says otherwise (what is given all the same is to be destroyed); the reason is in
 * nnopt_last_error(). Option structs begin with struct_size and are filled by their _init function.
 */
#ifndef NNOPT_NNOPT_H
#define NNOPT_NNOPT_H

#include <nnopt/status.h>
#include <nnopt/version.h>
#include <nnopt/context.h>
#include <nnopt/tensor.h>
#include <nnopt/layer.h>
#include <nnopt/model.h>
#include <nnopt/loss.h>
#include <nnopt/optimizer.h>
#include <nnopt/schedule.h>
#include <nnopt/average.h>
#include <nnopt/data.h>
#include <nnopt/audit.h>
#include <nnopt/file.h>
#include <nnopt/eval.h>
#include <nnopt/ensemble.h>
#include <nnopt/train.h>
#include <nnopt/events.h>
#include <nnopt/tune.h>
#include <nnopt/report.h>
#include <nnopt/zoo.h>

#endif
