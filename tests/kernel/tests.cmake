nnopt_test(kernel/check)
