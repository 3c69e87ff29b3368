foreach(check includes source tree)
  add_test(NAME arch/${check} COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/arch/${check}.sh ${PROJECT_SOURCE_DIR})
endforeach()
