# Required: threads, zlib, OpenBLAS (any CBLAS of it; loaded at run time, not linked), stb_image and jsmn (headers).
# Optional: libjpeg-turbo, libpng.
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)

find_path(NNOPT_CBLAS_INCLUDE cblas.h PATH_SUFFIXES openblas x86_64-linux-gnu x86_64-linux-gnu/openblas-pthread REQUIRED)
find_library(NNOPT_OPENBLAS NAMES openblas REQUIRED)
# The name that a program linked with it would ask the system for.
execute_process(COMMAND ${CMAKE_READELF} -d ${NNOPT_OPENBLAS} OUTPUT_VARIABLE dynamic ERROR_QUIET)
if(dynamic MATCHES "SONAME[^\n]*\\[([^]\n]+)\\]")
  set(NNOPT_OPENBLAS_SONAME ${CMAKE_MATCH_1})
else()
  set(NNOPT_OPENBLAS_SONAME libopenblas.so)
endif()
find_path(NNOPT_STB_INCLUDE stb_image.h PATH_SUFFIXES stb REQUIRED)
find_path(NNOPT_JSMN_INCLUDE jsmn.h REQUIRED)

# A project above this one may have found what is not wanted here.
foreach(optional JPEG PNG)
  if(NNOPT_WITH_${optional})
    find_package(${optional})
  else()
    set(${optional}_FOUND FALSE)
  endif()
endforeach()
