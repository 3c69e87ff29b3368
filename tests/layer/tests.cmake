nnopt_public_test(layer/dropout)
nnopt_test(layer/gradcheck)
nnopt_public_test(layer/initialise)
nnopt_public_test(layer/layer_golden)
