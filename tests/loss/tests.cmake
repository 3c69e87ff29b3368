nnopt_public_test(loss/loss_golden)
nnopt_public_test(loss/loss_rules)
