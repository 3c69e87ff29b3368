nnopt_public_test(eval/metrics)
