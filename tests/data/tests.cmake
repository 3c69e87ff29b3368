nnopt_test(data/loader)
nnopt_test(data/pictures)
nnopt_public_test(data/folder)
