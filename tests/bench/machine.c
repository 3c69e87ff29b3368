/* machine.c - what the machine can do, without the library: multiply-adds a second by instruction set, bytes a second
 * from memory, and how far apart two cores are. The loops keep twelve sums in registers, more than latency times width
 * of any CPU of today. Each is compiled for its own instruction set and called only where the CPU has it. */
#include "bench.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define SUMS 12
#define STEPS 2000
#define MAX_THREADS 256

/* Each returns something of its sums, so that none can be left out. x = x / 2 + 1 stays in [1, 2]. */
typedef float (*peak_loop)(void);

/* Whatever the compiler makes of it for the oldest CPU of this architecture: products and sums in separate
 * instructions. */
static float loop_scalar(void)
{
	float sums[4 * SUMS], total = 0.0f;
	for (int i = 0; i < 4 * SUMS; i++)
		sums[i] = 1.0f;
	for (int step = 0; step < STEPS; step++)
		for (int i = 0; i < 4 * SUMS; i++)
			sums[i] = sums[i] * 0.5f + 1.0f;
	for (int i = 0; i < 4 * SUMS; i++)
		total += sums[i];
	return total;
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static float loop_avx2(void)
{
	__m256 sums[SUMS], half = _mm256_set1_ps(0.5f), one = _mm256_set1_ps(1.0f);
	for (int i = 0; i < SUMS; i++)
		sums[i] = one;
	for (int step = 0; step < STEPS; step++) {
#pragma GCC unroll 12
		for (int i = 0; i < SUMS; i++)
			sums[i] = _mm256_fmadd_ps(sums[i], half, one);
	}
	for (int i = 1; i < SUMS; i++)
		sums[0] = _mm256_add_ps(sums[0], sums[i]);
	return _mm256_cvtss_f32(sums[0]);
}

__attribute__((target("avx512f"))) static float loop_avx512(void)
{
	__m512 sums[SUMS], half = _mm512_set1_ps(0.5f), one = _mm512_set1_ps(1.0f);
	for (int i = 0; i < SUMS; i++)
		sums[i] = one;
	for (int step = 0; step < STEPS; step++) {
#pragma GCC unroll 12
		for (int i = 0; i < SUMS; i++)
			sums[i] = _mm512_fmadd_ps(sums[i], half, one);
	}
	for (int i = 1; i < SUMS; i++)
		sums[0] = _mm512_add_ps(sums[0], sums[i]);
	return _mm512_cvtss_f32(sums[0]);
}

__attribute__((target("avx512f,avx512bf16"))) static float loop_bf16(void)
{
	__m512 sums[SUMS], one = _mm512_set1_ps(1.0f);
	__m512bh a = _mm512_cvtne2ps_pbh(one, one), b = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.25f), one);
	for (int i = 0; i < SUMS; i++)
		sums[i] = one;
	for (int step = 0; step < STEPS; step++) {
#pragma GCC unroll 12
		for (int i = 0; i < SUMS; i++)
			sums[i] = _mm512_dpbf16_ps(sums[i], a, b);
	}
	for (int i = 1; i < SUMS; i++)
		sums[0] = _mm512_add_ps(sums[0], sums[i]);
	return _mm512_cvtss_f32(sums[0]);
}
#elif defined(__aarch64__)
static float loop_neon(void)
{
	float32x4_t sums[2 * SUMS], half = vdupq_n_f32(0.5f), one = vdupq_n_f32(1.0f);
	for (int i = 0; i < 2 * SUMS; i++)
		sums[i] = one;
	for (int step = 0; step < STEPS; step++) {
#pragma GCC unroll 24
		for (int i = 0; i < 2 * SUMS; i++)
			sums[i] = vfmaq_f32(one, sums[i], half);
	}
	for (int i = 1; i < 2 * SUMS; i++)
		sums[0] = vaddq_f32(sums[0], sums[i]);
	return vgetq_lane_f32(sums[0], 0);
}
#endif

typedef struct peak {
	const char *name;
	int isa;        /* nnopt_isa it belongs to */
	int bf16;       /* a dot product of bf16 pairs */
	double flops;   /* of one call */
	peak_loop loop; /* NULL: not on this CPU */
} peak;

static int peaks(peak out[4])
{
	int n = 0;
	out[n++] = (peak){ "scalar", NNOPT_ISA_SCALAR, 0, 2.0 * STEPS * SUMS * 4, loop_scalar };
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		out[n++] = (peak){ "avx2", NNOPT_ISA_AVX2, 0, 2.0 * STEPS * SUMS * 8, loop_avx2 };
	if (__builtin_cpu_supports("avx512f"))
		out[n++] = (peak){ "avx512", NNOPT_ISA_AVX512, 0, 2.0 * STEPS * SUMS * 16, loop_avx512 };
	if (__builtin_cpu_supports("avx512bf16"))
		out[n++] = (peak){ "avx512", NNOPT_ISA_AVX512, 1, 2.0 * STEPS * SUMS * 32, loop_bf16 };
#elif defined(__aarch64__)
	out[n++] = (peak){ "neon", NNOPT_ISA_NEON, 0, 2.0 * STEPS * SUMS * 8, loop_neon };
#endif
	return n;
}

/* --- threads that all do the same --- */

typedef struct gang {
	void (*work)(void *user, int thread);
	void *user;
	pthread_barrier_t start;
} gang;

typedef struct member {
	gang *all;
	int thread;
	pthread_t id;
	double begun, done;
} member;

static void *run_member(void *user)
{
	member *m = user;
	pthread_barrier_wait(&m->all->start);
	m->begun = now();
	m->all->work(m->all->user, m->thread);
	m->done = now();
	return NULL;
}

/* Seconds from the first thread's beginning to the last one's end, told by themselves: who waits for them may be late.
 */
static double together(int threads, void (*work)(void *user, int thread), void *user)
{
	member members[MAX_THREADS];
	gang all = { .work = work, .user = user };
	double begun = INFINITY, done = 0.0;
	if (pthread_barrier_init(&all.start, NULL, (unsigned)threads) != 0)
		exit(EXIT_FAILURE);
	for (int i = 0; i < threads; i++) {
		members[i] = (member){ .all = &all, .thread = i };
		if (pthread_create(&members[i].id, NULL, run_member, &members[i]) != 0)
			exit(EXIT_FAILURE);
	}
	for (int i = 0; i < threads; i++) {
		pthread_join(members[i].id, NULL);
		begun = members[i].begun < begun ? members[i].begun : begun;
		done = members[i].done > done ? members[i].done : done;
	}
	pthread_barrier_destroy(&all.start);
	return done - begun;
}

/* --- arithmetic --- */

typedef struct peak_run {
	const peak *what;
	long calls;
	float kept[MAX_THREADS];
} peak_run;

static void compute(void *user, int thread)
{
	peak_run *run = user;
	for (long i = 0; i < run->calls; i++)
		run->kept[thread] += run->what->loop();
}

/* GFLOP/s of the best of a few short runs, and of the worst. */
static double peak_rate(const peak *what, int threads, double *worst)
{
	double best = 0.0;
	peak_run run = { .what = what, .calls = 4000 };
	*worst = INFINITY;
	for (int round = 0; round < 10; round++) {
		double seconds = together(threads, compute, &run),
		       rate = (double)run.calls * threads * what->flops / seconds * 1e-9;
		best = rate > best ? rate : best;
		*worst = rate < *worst ? rate : *worst;
	}
	return best;
}

double machine_peak(int isa, int threads, nnopt_precision precision)
{
	static double known;
	peak all[4];
	double worst;
	(void)precision;
	for (int i = peaks(all) - 1; known == 0.0 && i >= 0; i--)
		if (all[i].isa == isa && !all[i].bf16)
			known = peak_rate(&all[i], threads, &worst);
	return known;
}

/* --- memory --- */

/* Each thread has its part of blocks that no cache holds. */
typedef struct memory_run {
	char *from, *to;
	size_t part; /* bytes a thread */
	uint64_t kept[MAX_THREADS];
} memory_run;

typedef uint64_t eight __attribute__((vector_size(64)));

static void read_part(void *user, int thread)
{
	memory_run *run = user;
	const char *at = run->from + (size_t)thread * run->part, *end = at + run->part;
	eight a = { 0 }, b = { 0 };
	for (; at < end; at += 2 * sizeof a) {
		a ^= *(const eight *)(const void *)at;
		b ^= *(const eight *)(const void *)(at + sizeof a);
	}
	a ^= b;
	run->kept[thread] += a[0] ^ a[1] ^ a[2] ^ a[3] ^ a[4] ^ a[5] ^ a[6] ^ a[7];
}

static void copy_part(void *user, int thread)
{
	memory_run *run = user;
	memcpy(run->to + (size_t)thread * run->part, run->from + (size_t)thread * run->part, run->part);
}

static void memory_case(const char *name, int threads, void (*work)(void *user, int thread), double bytes_moved,
			memory_run *run)
{
	double best = INFINITY, worst = 0.0;
	for (int round = 0; round < 10; round++) {
		double seconds = together(threads, work, run);
		best = seconds < best ? seconds : best;
		worst = seconds > worst ? seconds : worst;
	}
	char full[64];
	snprintf(full, sizeof full, "machine/memory/%s/%d", name, threads);
	report(full, "GB/s", bytes_moved / best * 1e-9, bytes_moved / worst * 1e-9, NULL, 0);
}

static void memory_cases(int threads)
{
	size_t bytes = (size_t)256 << 20;
	memory_run run = { .part = bytes / (size_t)threads / 4096 * 4096,
			   .from = aligned_alloc(4096, bytes),
			   .to = aligned_alloc(4096, bytes) };
	if (run.from == NULL || run.to == NULL)
		exit(EXIT_FAILURE);
	memset(run.from, 1, bytes);
	memset(run.to, 2, bytes);
	memory_case("read", threads, read_part, (double)run.part * threads, &run);
	memory_case("copy", threads, copy_part, 2.0 * (double)run.part * threads, &run);
	free(run.from);
	free(run.to);
}

/* --- two cores --- */

enum { BALLS = 50000 };

static void play(void *user, int thread)
{
	atomic_int *ball = user;
	for (int i = 0; i < BALLS; i++) {
		while (atomic_load_explicit(ball, memory_order_acquire) != 2 * i + thread)
			;
		atomic_store_explicit(ball, 2 * i + thread + 1, memory_order_release);
	}
}

/* Nanoseconds until one core sees what another has written: some 20 to 60 where they share a cache, 100 to 300 where
 * they do not; on a virtual machine that changes from minute to minute. */
static void distance_case(void)
{
	double best = INFINITY, worst = 0.0;
	for (int round = 0; round < 5; round++) {
		static _Alignas(256) atomic_int ball;
		atomic_store(&ball, 0);
		double each = together(2, play, &ball) / (2.0 * BALLS) * 1e9;
		best = each < best ? each : best;
		worst = each > worst ? each : worst;
	}
	report("machine/cores/apart", "ns", best, worst, NULL, 0);
}

void machine_cases(int threads)
{
	peak all[4];
	int count = wanted_part("machine/") ? peaks(all) : 0;
	for (int i = 0; i < count; i++)
		for (int t = 1; t <= threads; t = t < threads ? threads : t + 1) {
			char name[64];
			double worst;
			snprintf(name, sizeof name, "machine/peak/%s%s/%d", all[i].name, all[i].bf16 ? "-bf16" : "", t);
			if (!wanted(name))
				continue;
			double best = peak_rate(&all[i], t, &worst);
			report(name, "GFLOP/s", best, worst, NULL, 0);
		}
	if (wanted("machine/memory/"))
		memory_cases(threads);
	if (threads > 1 && wanted("machine/cores/apart"))
		distance_case();
}
