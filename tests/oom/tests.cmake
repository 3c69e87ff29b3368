nnopt_public_test(oom/oom)
nnopt_test(oom/io)
