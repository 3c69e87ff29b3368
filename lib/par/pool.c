/* pool.c - a pool of pthreads around one loop at a time. Each thread begins with a share of the tasks that is its own:
 * loops over the same images, or the same weights, find them in the caches of the core that had them before. Who is
 * done helps the others; who finds nothing to do spins for some microseconds, because training issues many short loops,
 * and then sleeps.
 *
 * Who does not sleep takes no lock. The caller fills in the loop, opens it and counts `ticket` on; a worker that sees
 * that counts itself into `active` and only then looks whether the loop is open; the caller closes it and waits until
 * `active` is 0. So either the worker sees it closed, or the caller sees the worker. `sleepers` and `waiting` work the
 * same way: each side says what it is about to do before it looks at what the other has said. */
#include "par/par.h"

#include "base/error.h"
#include "base/signals.h"

#include <pthread.h>

#include <stdatomic.h>
#include <stdbool.h>

#define MAX_THREADS 256
#define SPINS 2000

/* The tasks of a thread's share that are not taken, alone in its cache line. */
typedef struct share {
	_Alignas(NNO_ALIGNMENT) atomic_llong next;
	int64_t begin, end;
} share;

/* What a worker is born with. */
typedef struct birth {
	nno_pool *pool;
	int slot;
	unsigned seen;
} birth;

struct nno_pool {
	nno_alloc alloc;
	int threads; /* the caller's included */
	nnopt_parallel_fn parallel;
	void *parallel_user;
	pthread_mutex_t entrance; /* one loop at a time */
	pthread_mutex_t lock;     /* of going to sleep and waking up */
	pthread_cond_t wake, done;
	pthread_t workers[MAX_THREADS];
	birth births[MAX_THREADS];
	int started;
	unsigned generation; /* of forks: workers of an older one are gone */
	/* The loop: written while it is closed and nobody is active. */
	bool backward; /* each share from its last task to its first */
	nno_task task;
	void *user;
	int64_t count;
	share *shares; /* one a thread */
	atomic_bool open, stop;
	atomic_uint ticket;                  /* number of loops so far */
	atomic_int active;                   /* workers inside the loop, or looking whether it is open */
	atomic_int sleepers;                 /* workers that sleep, or are about to */
	atomic_bool waiting;                 /* the caller sleeps until nobody is active, or is about to */
	atomic_bool slot_taken[MAX_THREADS]; /* for the caller's hook */
};

/* Inside a task: its pool and slot, so that nested loops run here with the same slot. */
static _Thread_local nno_pool *current_pool;
static _Thread_local int current_slot;

static atomic_uint forks;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void count_fork(void) { atomic_fetch_add(&forks, 1); }

static void watch_forks(void) { (void)pthread_atfork(NULL, NULL, count_fork); }

static void pause_briefly(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

static void run_task(nno_pool *pool, int64_t index, int slot)
{
	nno_pool *outer_pool = current_pool;
	int outer_slot = current_slot;
	current_pool = pool;
	current_slot = slot;
	pool->task(pool->user, index, slot);
	current_pool = outer_pool;
	current_slot = outer_slot;
}

/* Its own share first, then what is left of the others'. */
static void run_tasks(nno_pool *pool, int slot)
{
	for (int k = 0; k < pool->threads; k++) {
		share *s = &pool->shares[(slot + k) % pool->threads];
		for (int64_t i; (i = atomic_fetch_add(&s->next, 1)) < s->end;)
			run_task(pool, pool->backward ? s->begin + s->end - 1 - i : i, slot);
	}
}

static void share_out(nno_pool *pool, int64_t count)
{
	int64_t at = 0, each = count / pool->threads, more = count % pool->threads;
	for (int i = 0; i < pool->threads; i++) {
		atomic_store_explicit(&pool->shares[i].next, at, memory_order_relaxed);
		pool->shares[i].begin = at;
		at += each + (i < more);
		pool->shares[i].end = at;
	}
}

static void wait_for_ticket(nno_pool *pool, unsigned seen)
{
	for (int i = 0; i < SPINS; i++) {
		if (atomic_load_explicit(&pool->ticket, memory_order_relaxed) != seen)
			return;
		pause_briefly();
	}
	pthread_mutex_lock(&pool->lock);
	atomic_fetch_add(&pool->sleepers, 1);
	while (atomic_load(&pool->ticket) == seen)
		pthread_cond_wait(&pool->wake, &pool->lock);
	atomic_fetch_sub(&pool->sleepers, 1);
	pthread_mutex_unlock(&pool->lock);
}

static void *work(void *user)
{
	birth s = *(const birth *)user;
	nno_pool *pool = s.pool;
	for (;;) {
		wait_for_ticket(pool, s.seen);
		s.seen = atomic_load(&pool->ticket);
		if (atomic_load(&pool->stop))
			return NULL;
		atomic_fetch_add(&pool->active, 1);
		if (atomic_load(&pool->open))
			run_tasks(pool, s.slot);
		if (atomic_fetch_sub(&pool->active, 1) == 1 && atomic_load(&pool->waiting)) {
			pthread_mutex_lock(&pool->lock);
			pthread_cond_signal(&pool->done);
			pthread_mutex_unlock(&pool->lock);
		}
	}
}

static void start_workers(nno_pool *pool)
{
	if (pool->started == pool->threads - 1)
		return;
	sigset_t old;
	nno_block_signals(&old);
	while (pool->started < pool->threads - 1) {
		birth *b = &pool->births[pool->started];
		*b = (birth){ .pool = pool, .slot = pool->started + 1, .seen = atomic_load(&pool->ticket) };
		if (pthread_create(&pool->workers[pool->started], NULL, work, b) != 0)
			break;
		pool->started++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void init_locks(nno_pool *pool)
{
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->wake, NULL);
	pthread_cond_init(&pool->done, NULL);
}

/* In a child of fork() the workers are gone, and the locks may be held by them for ever. */
static void after_fork(nno_pool *pool)
{
	unsigned now = atomic_load(&forks);
	if (pool->generation == now)
		return;
	pool->generation = now;
	pool->started = 0;
	atomic_store(&pool->open, false);
	atomic_store(&pool->active, 0);
	atomic_store(&pool->sleepers, 0);
	atomic_store(&pool->waiting, false);
	init_locks(pool);
}

/* Counts the ticket on, for those who spin, and wakes those who sleep. */
static void call_workers(nno_pool *pool)
{
	atomic_fetch_add(&pool->ticket, 1);
	if (atomic_load(&pool->sleepers) == 0)
		return;
	pthread_mutex_lock(&pool->lock);
	pthread_cond_broadcast(&pool->wake);
	pthread_mutex_unlock(&pool->lock);
}

static void wait_until_idle(nno_pool *pool)
{
	for (int i = 0; i < SPINS; i++) {
		if (atomic_load(&pool->active) == 0)
			return;
		pause_briefly();
	}
	pthread_mutex_lock(&pool->lock);
	atomic_store(&pool->waiting, true);
	while (atomic_load(&pool->active) > 0)
		pthread_cond_wait(&pool->done, &pool->lock);
	atomic_store(&pool->waiting, false);
	pthread_mutex_unlock(&pool->lock);
}

static void loop_with_workers(nno_pool *pool)
{
	start_workers(pool);
	share_out(pool, pool->count);
	atomic_store(&pool->open, true);
	call_workers(pool);
	run_tasks(pool, 0);
	atomic_store(&pool->open, false);
	wait_until_idle(pool);
}

static int take_slot(nno_pool *pool)
{
	for (;;) {
		for (int i = 0; i < pool->threads; i++)
			if (!atomic_exchange(&pool->slot_taken[i], true))
				return i;
		pause_briefly();
	}
}

static void hooked_task(int64_t index, void *user)
{
	nno_pool *pool = user;
	int slot = take_slot(pool);
	run_task(pool, pool->backward ? pool->count - 1 - index : index, slot);
	atomic_store(&pool->slot_taken[slot], false);
}

nnopt_status nno_pool_create(nno_pool **out, const nno_alloc *alloc, int threads, nnopt_parallel_fn parallel,
			     void *parallel_user)
{
	nno_pool *pool = nno_new(alloc, sizeof *pool);
	if (pool == NULL)
		return nno_fail_memory("thread pool", sizeof *pool);
	pthread_once(&fork_once, watch_forks);
	pool->alloc = *alloc;
	pool->threads = threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads;
	size_t count = (size_t)pool->threads;
	pool->shares = nno_new_array(alloc, count, sizeof *pool->shares);
	if (pool->shares == NULL) {
		nno_delete(alloc, pool);
		return nno_fail_memory("thread pool", count * sizeof(share));
	}
	pool->parallel = parallel;
	pool->parallel_user = parallel_user;
	pool->generation = atomic_load(&forks);
	pthread_mutex_init(&pool->entrance, NULL);
	init_locks(pool);
	*out = pool;
	return NNOPT_OK;
}

void nno_pool_destroy(nno_pool *pool)
{
	if (pool == NULL)
		return;
	after_fork(pool);
	atomic_store(&pool->stop, true);
	call_workers(pool);
	for (int i = 0; i < pool->started; i++)
		pthread_join(pool->workers[i], NULL);
	pthread_cond_destroy(&pool->wake);
	pthread_cond_destroy(&pool->done);
	pthread_mutex_destroy(&pool->lock);
	pthread_mutex_destroy(&pool->entrance);
	nno_alloc alloc = pool->alloc;
	nno_delete(&alloc, pool->shares);
	nno_delete(&alloc, pool);
}

int nno_pool_slots(const nno_pool *pool) { return pool->threads; }

static void loop(nno_pool *pool, int64_t count, nno_task task, void *user, bool backward)
{
	if (current_pool == pool) {
		for (int64_t i = 0; i < count; i++)
			task(user, backward ? count - 1 - i : i, current_slot);
		return;
	}
	pthread_mutex_lock(&pool->entrance);
	after_fork(pool);
	pool->task = task;
	pool->user = user;
	pool->count = count;
	pool->backward = backward;
	if (pool->parallel != NULL)
		pool->parallel(count, hooked_task, pool, pool->parallel_user);
	else if (count > 1 && pool->threads > 1)
		loop_with_workers(pool);
	else
		for (int64_t i = 0; i < count; i++)
			run_task(pool, backward ? count - 1 - i : i, 0);
	pthread_mutex_unlock(&pool->entrance);
}

void nno_parallel_for(nno_pool *pool, int64_t count, nno_task task, void *user)
{
	loop(pool, count, task, user, false);
}

void nno_parallel_for_backward(nno_pool *pool, int64_t count, nno_task task, void *user)
{
	loop(pool, count, task, user, true);
}
