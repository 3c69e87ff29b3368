nnopt_public_test(oom/oom)
nnopt_test(oom/io)
nnopt_public_test(oom/oom_training)
nnopt_public_test(oom/oom_report)
