/* par.h - a small pthread pool, or the caller's own. Knows nothing of what it runs.
 * Work is cut by shape, never by thread count: parallel_for runs task(i) for each i once, in any order, on any thread;
 * which thread ran it must not matter to the result. Loops of as many tasks mostly have the same task on the same
 * thread: cut what follows alike, and it is in that core's caches. `slot` tells a task which per-thread scratch it may
 * use. */
#ifndef NNO_PAR_H
#define NNO_PAR_H

#include "base/alloc.h"
#include "nnopt/context.h"

#include <stdint.h>

typedef struct nno_pool nno_pool;

/* `slot` is in [0, nno_pool_slots): no two tasks running at the same time have the same. */
typedef void (*nno_task)(void *user, int64_t index, int slot);

/* `threads` >= 1, the caller's thread included. With `parallel` not NULL that hook runs the loops instead, and slots
 * are claimed from `threads` of them (a task waits for none: the hook may run more tasks at once than slots only by
 * blocking). No thread is started before the first parallel_for that has more than one task. */
nnopt_status nno_pool_create(nno_pool **out, const nno_alloc *alloc, int threads, nnopt_parallel_fn parallel,
			     void *parallel_user);
/* Joins all threads. NULL is allowed. */
void nno_pool_destroy(nno_pool *pool);
int nno_pool_slots(const nno_pool *pool);
/* Returns when all `count` tasks are done. Calls from several threads run one after the other; a call from inside a
 * task runs its tasks on the calling thread, with the calling task's slot. Threads that cannot be started are done
 * without. After fork() the child starts its own threads at its first loop. */
void nno_parallel_for(nno_pool *pool, int64_t count, nno_task task, void *user);
/* The same, and every thread goes through its tasks from the last to the first: after a loop over the same memory it
 * finds the last in its caches. */
void nno_parallel_for_backward(nno_pool *pool, int64_t count, nno_task task, void *user);

#endif
