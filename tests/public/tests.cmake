find_program(NNOPT_CXX NAMES c++ g++ clang++)
if(NNOPT_CXX)
  set(cxx ${NNOPT_CXX})
else()
  set(cxx none)
endif()
add_test(NAME public/headers COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/public/headers.sh ${PROJECT_SOURCE_DIR} ${CMAKE_C_COMPILER} ${cxx})
set_tests_properties(public/headers PROPERTIES SKIP_RETURN_CODE 77)
add_test(NAME public/struct_list COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/public/structs.sh ${PROJECT_SOURCE_DIR})
nnopt_public_test(public/structs)
add_test(NAME public/snippets COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/public/snippets.sh ${PROJECT_SOURCE_DIR} ${CMAKE_C_COMPILER} ${CMAKE_CURRENT_BINARY_DIR}/snippets)

file(GLOB public_headers ${PROJECT_SOURCE_DIR}/include/nnopt/*.h)
add_custom_command(OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/public/calls.inc
                   COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_CURRENT_BINARY_DIR}/public
                   COMMAND awk -f ${CMAKE_CURRENT_SOURCE_DIR}/public/calls.awk ${public_headers} > ${CMAKE_CURRENT_BINARY_DIR}/public/calls.inc
                   DEPENDS ${public_headers} ${CMAKE_CURRENT_SOURCE_DIR}/public/calls.awk VERBATIM)
nnopt_public_test(public/misuse)
target_sources(test_public_misuse PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/public/calls.inc)
target_include_directories(test_public_misuse PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/public)
nnopt_public_test(public/lifetime)
target_link_libraries(test_public_lifetime PRIVATE Threads::Threads)

if(NOT NNOPT_SANITIZE)
  add_executable(test_public_reload ${CMAKE_CURRENT_SOURCE_DIR}/public/reload.c)
  target_include_directories(test_public_reload PRIVATE ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(test_public_reload PRIVATE nnopt_flags ${CMAKE_DL_LIBS})
  add_test(NAME public/reload COMMAND test_public_reload $<TARGET_FILE:nnopt>)
endif()

find_program(NNOPT_DOXYGEN doxygen)
if(NNOPT_DOXYGEN)
  add_test(NAME public/reference
    COMMAND sh -c "{ cat docs/Doxyfile && echo 'OUTPUT_DIRECTORY = ${CMAKE_BINARY_DIR}/reference'; } | '${NNOPT_DOXYGEN}' -"
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endif()
