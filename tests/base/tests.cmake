nnopt_test(base/base)
