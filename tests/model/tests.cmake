nnopt_test(model/graph)
nnopt_test(model/plan)
