nnopt_public_test(report/grad_cam)
