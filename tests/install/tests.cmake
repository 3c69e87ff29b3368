# An instrumented library wants the same flags in the programs that use it, so these tests are for ordinary builds.
if(NNOPT_INSTALL AND NNOPT_BUILD_STATIC AND NOT NNOPT_SANITIZE)
  set(dir ${CMAKE_CURRENT_SOURCE_DIR}/install)
  add_test(NAME install/prefix COMMAND sh ${dir}/prefix.sh ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}
           ${CMAKE_CURRENT_BINARY_DIR}/install-prefix ${CMAKE_C_COMPILER})
  add_test(NAME install/subproject COMMAND sh ${dir}/subproject.sh ${PROJECT_SOURCE_DIR}
           ${CMAKE_CURRENT_BINARY_DIR}/install-subproject ${CMAKE_C_COMPILER})
  set_tests_properties(install/subproject PROPERTIES FIXTURES_SETUP debug_library)
endif()
