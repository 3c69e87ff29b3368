nnopt_public_test(train/fit)
nnopt_public_test(train/kill_resume)
nnopt_public_test(train/out_of_fold)
nnopt_public_test(train/teacher)
