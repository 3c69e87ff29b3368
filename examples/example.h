/* example.h - what the examples share: one way to end on an error. */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <stdio.h>
#include <stdlib.h>

#include <nnopt/nnopt.h>

/* A program may end on an error; a library may not, so every call says whether it worked and why not. */
#define CHECK(call)                                                                 \
	do {                                                                        \
		if ((call) != NNOPT_OK) {                                           \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, nnopt_last_error()); \
			exit(EXIT_FAILURE);                                         \
		}                                                                   \
	} while (0)

#endif
