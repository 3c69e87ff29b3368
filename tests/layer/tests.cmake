nnopt_public_test(layer/layer_golden)
