nnopt_test(file/safetensors)
