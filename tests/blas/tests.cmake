nnopt_test(blas/on_demand)
nnopt_test(blas/absent)
