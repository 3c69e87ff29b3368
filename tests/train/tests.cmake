nnopt_public_test(train/fit)
