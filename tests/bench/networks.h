/* networks.h - the networks that the benchmark runs. */
#ifndef TESTS_BENCH_NETWORKS_H
#define TESTS_BENCH_NETWORKS_H

#include <nnopt/nnopt.h>

enum { PICTURE = 32 }; /* 3 x 32 x 32 */

typedef struct network {
	const char *name;
	const char *zoo;                         /* its name there; NULL: */
	nnopt_status (*build)(nnopt_model *net); /* built here, with the public graph API alone */
	int64_t batch;                           /* of training */
	double dropout;
} network;

extern const network networks[];
extern const int network_count;

nnopt_status make_network(nnopt_model **out, nnopt_context *context, const network *what);

#endif
