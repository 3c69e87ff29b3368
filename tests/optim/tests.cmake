nnopt_test(optim/update)
nnopt_public_test(optim/schedule)
