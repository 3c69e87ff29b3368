nnopt_test(tensor/tensor)
nnopt_test(tensor/exchange)
# Against NumPy and PyTorch themselves, where there are some.
find_program(NNOPT_PYTHON NAMES python3)
if(NNOPT_PYTHON AND NOT NNOPT_SANITIZE)
  add_test(NAME tensor/exchange_python COMMAND ${NNOPT_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/tensor/exchange.py $<TARGET_FILE:nnopt> ${CMAKE_CURRENT_BINARY_DIR})
  set_tests_properties(tensor/exchange_python PROPERTIES SKIP_RETURN_CODE 77)
endif()
