/* blas.h - the one room that includes <cblas.h>. Called from one thread, outside parallel regions; never touches
 * OpenBLAS's process-wide settings. Used when the context is not deterministic. */
#ifndef NNO_BLAS_H
#define NNO_BLAS_H

#include <stdbool.h>
#include <stdint.h>

/* Whether OpenBLAS is there; the first call loads it, for the process's whole life. May be called from any thread. */
bool nno_blas_available(void);

/* Row-major c[m][n] = op(a) op(b) + beta c, op(x) = x or its transpose; leading dimensions of the stored matrices.
 * Only where nno_blas_available(). */
void nno_blas_sgemm(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
		    const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

#endif
