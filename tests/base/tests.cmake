nnopt_test(base/base)
nnopt_test(base/eigen)
nnopt_test(base/replace)
nnopt_test(base/svg)
