nnopt_test(context/context)
