nnopt_test(file/safetensors)
nnopt_test(file/torch_files)
