nnopt_public_test(oom/oom)
