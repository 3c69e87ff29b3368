nnopt_test(base/base)
nnopt_test(base/eigen)
