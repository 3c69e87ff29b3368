nnopt_public_test(eval/metrics)
nnopt_public_test(eval/knn)
nnopt_public_test(eval/augmented)
nnopt_public_test(eval/ensemble)
