nnopt_test(data/loader)
