# The benchmark; ctest only sees that it runs.
add_executable(nnopt-bench ${CMAKE_CURRENT_SOURCE_DIR}/bench/nnopt_bench.c ${CMAKE_CURRENT_SOURCE_DIR}/bench/networks.c)
target_link_libraries(nnopt-bench PRIVATE nnopt nnopt_flags m)
set_target_properties(nnopt-bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/bench)
add_test(NAME bench/runs COMMAND nnopt-bench --json --filter baseline --seconds 0.01)
