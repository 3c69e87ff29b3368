/* eigen.h - eigenvectors of small symmetric matrices. */
#ifndef NNO_BASE_EIGEN_H
#define NNO_BASE_EIGEN_H

#include <stdint.h>

/* Of the symmetric n x n matrix `a`, whose numbers are finite: row i of `vectors` is the eigenvector, of norm 1, of
 * values[i], the largest first. `a` is used up. By cyclic Jacobi rotations, in the same order on every machine; some
 * n^3 multiplications a sweep, about ten sweeps. */
void nno_eigen_symmetric(double *a, int64_t n, double *values, double *vectors);

#endif
