/* loader.h - the loader's state: a ring of batches between workers and consumer. */
#ifndef NNO_DATA_LOADER_H
#define NNO_DATA_LOADER_H

#include "data/transform.h"
#include "tensor/tensor.h"

#include <pthread.h>

typedef struct nno_bad_sample {
	int64_t index;
	nnopt_status status;
	char error[500];
} nno_bad_sample;

typedef struct nno_slot {
	int64_t number; /* of the batch it holds ready, or -1 */
	nnopt_tensor *images, *labels;
	nnopt_tensor *targets; /* NULL: no mixing */
	int64_t *indices;
	int64_t count;
	nno_bad_sample *bad;
	int64_t bad_count;
} nno_slot;

typedef struct nno_worker_scratch {
	nno_room picture, transforms;
	float *spare; /* for a sample's values; NULL: no mixing */
} nno_worker_scratch;

/* The order of an epoch, with what it is made of; all arrays are NULL that a kind has no use for. */
typedef struct nno_sampler {
	int64_t population;            /* of the dataset */
	int64_t count, *order;         /* the samples of an epoch, of all shards */
	double *cumulative;            /* sums of the weights up to and with each sample */
	int64_t class_count, *classes; /* those that have samples */
	int64_t *starts, *members;     /* the samples of class c: members[starts[c] .. starts[c + 1]) */
	int64_t *shuffled, *at;        /* members in the order they are given in, and how far each class is */
	int64_t *picked;               /* the classes, those of the batch under way first */
} nno_sampler;

/* Checks what the options say of sampling and shards. To be freed also after a failure. */
nnopt_status nno_sampler_create(nno_sampler *sampler, const nno_alloc *alloc, const nnopt_dataset *dataset,
				const nnopt_loader_options *options);
void nno_sampler_free(nno_sampler *sampler, const nno_alloc *alloc);
/* Makes the order of an epoch. */
void nno_sampler_start(nno_sampler *sampler, const nnopt_loader_options *options, uint64_t seed, int64_t epoch);
/* Batches that every shard has, and where in the order item `item` of batch `number` of this shard is; at or past its
 * end where it has none. */
int64_t nno_sampler_batches(const nno_sampler *sampler, const nnopt_loader_options *options);
int64_t nno_sampler_place(const nnopt_loader_options *options, int64_t number, int64_t item);

/* Decoded pictures kept within a budget, filled in order of first use; shared by the workers. */
typedef struct nno_cache nno_cache;
/* *out stays NULL for a budget of 0. */
nnopt_status nno_cache_create(nno_cache **out, const nno_alloc *alloc, int64_t count, uint64_t budget);
void nno_cache_destroy(nno_cache *cache);
/* Whether sample `index` is kept; its pixels stay where they are as long as the cache lives. */
bool nno_cache_find(const nno_cache *cache, int64_t index, nno_picture *picture, int64_t *label);
/* Keeps a copy when the budget allows. */
void nno_cache_add(nno_cache *cache, int64_t index, const nno_picture *picture, int64_t label);

typedef struct nno_worker {
	nnopt_loader *loader;
	pthread_t thread;
	nno_worker_scratch scratch;
} nno_worker;

struct nnopt_loader {
	nnopt_context *context;
	nnopt_dataset *dataset;
	nnopt_transforms *transforms; /* a copy */
	nnopt_loader_options o;
	uint64_t seed;
	int64_t batches, c, h, w; /* sample shape after the transforms */
	int ring;                 /* slots: prefetch and the one the consumer holds */
	nno_value_table table;    /* of its normalisation */
	nno_cache *cache;         /* NULL: none */
	nno_worker *workers;
	int started;
	bool tried, begun;
	uint64_t starts;
	nno_slot *slots;
	nnopt_batch batch; /* what the consumer was given */
	nno_bad_sample *bad;
	int64_t bad_count, bad_room, bad_in_epoch;
	/* Under the lock; `sampler` and `epoch` change only while nothing is being filled. */
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	bool stop, pause;
	int filling;
	int64_t next_fill, next_give, epoch;
	nno_sampler sampler;
};

/* The failure of a sample by its name, where it has one. */
nnopt_status nno_loader_name_sample(const nnopt_loader *l, int64_t index, nnopt_status status);
/* Ends the workers, and waits for them. */
void nno_loader_stop(nnopt_loader *l);

#endif
