nnopt_test(kernel/check_training)
