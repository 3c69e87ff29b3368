nnopt_public_test(zoo/zoo_counts)
nnopt_public_test(zoo/zoo_logits)
nnopt_public_test(zoo/zoo_rules)
