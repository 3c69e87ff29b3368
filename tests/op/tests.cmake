nnopt_test(op/conv_exact)
nnopt_test(op/conv_winograd)
nnopt_test(op/linear_exact)
nnopt_test(op/pool_exact)
