nnopt_test(tune/search)
nnopt_test(tune/lr_find)
