# Flags of every target of ours, on the interface target nnopt_flags.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(standalone AND CMAKE_C_FLAGS_RELEASE STREQUAL "-O3 -DNDEBUG") # CMake's default, and nobody's wish
  set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG" CACHE STRING "" FORCE)
endif()

add_library(nnopt_flags INTERFACE)
target_compile_definitions(nnopt_flags INTERFACE _GNU_SOURCE _FILE_OFFSET_BITS=64)
# Results must not depend on where the compiler contracts a*b+c, nor on errno of libm.
target_compile_options(nnopt_flags INTERFACE
  -Wall -Wextra -Wformat=2 -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wimplicit-fallthrough
  -ffp-contract=off -fno-math-errno -fstack-protector-strong)
if(NNOPT_WERROR)
  target_compile_options(nnopt_flags INTERFACE -Werror)
endif()
if(NNOPT_SANITIZE)
  target_compile_options(nnopt_flags INTERFACE -fsanitize=${NNOPT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  target_link_options(nnopt_flags INTERFACE -fsanitize=${NNOPT_SANITIZE})
else()
  target_compile_definitions(nnopt_flags INTERFACE $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
endif()
