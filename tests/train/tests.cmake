nnopt_public_test(train/fit)
nnopt_public_test(train/fit_averages)
nnopt_public_test(train/kill_resume)
