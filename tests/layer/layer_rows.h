/* layer_rows.h - the cases of make_layers.py and make_recurrent.py in tests/golden/: networks of every layer kind, and
 * how they are run. */
#ifndef TESTS_LAYER_ROWS_H
#define TESTS_LAYER_ROWS_H

#include <stdint.h>

typedef struct row {
	const char *name, *model;
	int batch, training, steps;
	double scale, offset;
	int ties, given, frozen;
	int64_t numbers;
} row;

static const row rows[] = {
#include "golden/layers.inc"
#include "golden/recurrent.inc"
};
enum { ROWS = sizeof rows / sizeof *rows };

#endif
