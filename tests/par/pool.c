/* pool.c - every task once, slots that do not meet, nesting, several callers, the caller's own pool, fork. */
#include "check.h"

#include "par/par.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TASKS = 1000, SLOTS = 8 };

typedef struct work {
	nno_pool *pool;
	atomic_int done[TASKS], busy[SLOTS], meetings;
	int64_t nested;
	atomic_llong sum;
} work;

static void inner(void *user, int64_t index, int slot)
{
	(void)slot;
	atomic_fetch_add(&((work *)user)->sum, index);
}

static void task(void *user, int64_t index, int slot)
{
	work *w = user;
	assert_true(slot >= 0 && slot < nno_pool_slots(w->pool));
	if (atomic_fetch_add(&w->busy[slot], 1) != 0)
		atomic_fetch_add(&w->meetings, 1);
	atomic_fetch_add(&w->done[index], 1);
	if (w->nested > 0)
		nno_parallel_for(w->pool, w->nested, inner, w);
	atomic_fetch_sub(&w->busy[slot], 1);
}

static void run(nno_pool *pool, int64_t nested)
{
	static work w;
	memset(&w, 0, sizeof w);
	w.pool = pool;
	w.nested = nested;
	for (int round = 1; round <= 20; round++) {
		(round % 2 ? nno_parallel_for : nno_parallel_for_backward)(pool, TASKS, task, &w);
		for (int i = 0; i < TASKS; i++)
			assert_int_equal(atomic_load(&w.done[i]), round);
	}
	assert_int_equal(atomic_load(&w.meetings), 0);
	assert_true(atomic_load(&w.sum) == 20 * TASKS * (nested * (nested - 1) / 2));
	nno_parallel_for(pool, 0, task, &w);
}

static void every_task_once(void **state)
{
	(void)state;
	for (int threads = 1; threads <= SLOTS; threads++) {
		nno_pool *pool = NULL;
		assert_ok(nno_pool_create(&pool, &nno_alloc_default, threads, NULL, NULL));
		assert_int_equal(nno_pool_slots(pool), threads);
		run(pool, 0);
		run(pool, 5);
		nno_pool_destroy(pool);
	}
	nno_pool_destroy(NULL);
}

enum { THREADS = 3, EACH = 4 };

/* The first tasks of all threads, which wait for each other there. */
typedef struct firsts {
	atomic_int arrived;
	int64_t first[THREADS];
	bool taken[THREADS];
} firsts;

static void note_first(void *user, int64_t index, int slot)
{
	firsts *f = user;
	if (f->taken[slot])
		return;
	f->taken[slot] = true;
	f->first[slot] = index;
	atomic_fetch_add(&f->arrived, 1);
	while (atomic_load(&f->arrived) < THREADS)
		sched_yield();
}

static void threads_begin_with_their_shares(void **state)
{
	(void)state;
	nno_pool *pool = NULL;
	assert_ok(nno_pool_create(&pool, &nno_alloc_default, THREADS, NULL, NULL));
	for (int round = 0; round < 20; round++) {
		firsts f = { 0 }, b = { 0 };
		nno_parallel_for(pool, THREADS * EACH, note_first, &f);
		nno_parallel_for_backward(pool, THREADS * EACH, note_first, &b);
		for (int i = 0; i < THREADS; i++) {
			assert_int_equal(f.first[i], i * EACH);
			assert_int_equal(b.first[i], i * EACH + EACH - 1);
		}
	}
	nno_pool_destroy(pool);
}

static void *call(void *user)
{
	work *w = user;
	for (int i = 0; i < 50; i++)
		nno_parallel_for(w->pool, 100, inner, w);
	return NULL;
}

static void several_callers(void **state)
{
	(void)state;
	nno_pool *pool = NULL;
	pthread_t threads[4];
	static work w[4];
	assert_ok(nno_pool_create(&pool, &nno_alloc_default, 3, NULL, NULL));
	for (int i = 0; i < 4; i++) {
		w[i].pool = pool;
		assert_int_equal(pthread_create(&threads[i], NULL, call, &w[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_true(atomic_load(&w[i].sum) == 50 * 4950);
	}
	nno_pool_destroy(pool);
}

static void backwards(int64_t count, nnopt_task_fn each, void *task_user, void *user)
{
	(*(int *)user)++;
	for (int64_t i = count - 1; i >= 0; i--)
		each(i, task_user);
}

static void the_callers_pool(void **state)
{
	(void)state;
	nno_pool *pool = NULL;
	int calls = 0;
	assert_ok(nno_pool_create(&pool, &nno_alloc_default, 4, backwards, &calls));
	run(pool, 0);
	assert_true(calls >= 20);
	nno_pool_destroy(pool);
}

static void a_child_has_threads_of_its_own(void **state)
{
	(void)state;
#if defined(__SANITIZE_THREAD__)
	skip(); /* the sanitizer starts no threads after a fork */
#endif
	nno_pool *pool = NULL;
	assert_ok(nno_pool_create(&pool, &nno_alloc_default, 4, NULL, NULL));
	run(pool, 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		(void)alarm(30);
		run(pool, 3);
		nno_pool_destroy(pool);
		_exit(0);
	}
	int status = 1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	run(pool, 0);
	nno_pool_destroy(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_task_once),
		cmocka_unit_test(threads_begin_with_their_shares),
		cmocka_unit_test(several_callers),
		cmocka_unit_test(the_callers_pool),
		cmocka_unit_test(a_child_has_threads_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
