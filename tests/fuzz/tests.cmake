nnopt_test(fuzz/fuzz)
