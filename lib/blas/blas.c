/* blas.c - the only file that includes <cblas.h>. OpenBLAS is not linked but loaded when first wanted: its loading
 * costs milliseconds and starts threads that spin, and most processes never call it. It stays loaded, because its
 * threads may not lose their code. */
#include "blas/blas.h"

#include "base/compiler.h"

#include <assert.h>
#include <cblas.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>

static NNO_TYPEOF(&cblas_sgemm) sgemm;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void)
{
	void *library = dlopen(NNO_BLAS_LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (library != NULL)
		sgemm = (NNO_TYPEOF(&cblas_sgemm))dlsym(library, "cblas_sgemm");
}

bool nno_blas_available(void) { return pthread_once(&once, load) == 0 && sgemm != NULL; }

void nno_blas_sgemm(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
		    const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	assert(sgemm != NULL);
	sgemm(CblasRowMajor, trans_a ? CblasTrans : CblasNoTrans, trans_b ? CblasTrans : CblasNoTrans, (blasint)m,
	      (blasint)n, (blasint)k, 1.0f, a, (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}
