/* signals.h - the library's threads leave the host's signals to the host's threads. */
#ifndef NNO_BASE_SIGNALS_H
#define NNO_BASE_SIGNALS_H

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

/* Blocks them for threads that are started now; `old` is for pthread_sigmask() afterwards. Signals of a fault belong to
 * the thread that makes it, and those of a profiler to all. */
static inline void nno_block_signals(sigset_t *old)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGPROF };
	sigset_t blocked;
	sigfillset(&blocked);
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		sigdelset(&blocked, own[i]);
	pthread_sigmask(SIG_SETMASK, &blocked, old);
}

#endif
