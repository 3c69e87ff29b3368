nnopt_test(par/pool)
