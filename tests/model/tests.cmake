nnopt_test(model/fusion)
nnopt_test(model/graph)
nnopt_test(model/plan)
nnopt_test(model/profile)
