nnopt_public_test(report/grad_cam)
nnopt_public_test(report/events)
nnopt_test(report/events_files)
# Against TensorBoard itself, where there is one.
find_program(NNOPT_PYTHON NAMES python3)
if(NNOPT_PYTHON AND NOT NNOPT_SANITIZE)
  add_test(NAME report/events_tensorboard COMMAND ${NNOPT_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/report/events_tensorboard.py $<TARGET_FILE:nnopt> ${CMAKE_CURRENT_BINARY_DIR})
  set_tests_properties(report/events_tensorboard PROPERTIES SKIP_RETURN_CODE 77)
endif()
