nnopt_public_test(loss/loss_golden)
nnopt_public_test(loss/loss_rules)
nnopt_public_test(loss/losses_golden)
nnopt_public_test(loss/losses_rules)
