/* networks.h - the networks that the benchmark runs. */
#ifndef TESTS_BENCH_NETWORKS_H
#define TESTS_BENCH_NETWORKS_H

#include <nnopt/nnopt.h>

typedef struct network {
	const char *name, *zoo; /* here, and in the zoo; NULL: not in the zoo, but built by */
	nnopt_status (*build)(nnopt_model *net);
	int64_t batch; /* of training */
	int64_t size;  /* pictures are 3 x size x size */
	double dropout;
} network;

extern const network networks[];
extern const int network_count;

nnopt_status network_create(nnopt_model **out, nnopt_context *context, const network *what);

#endif
