# What `cmake --install` puts under a prefix: libraries, headers, pkg-config file, CMake package. Every path in them is
# relative to the file it stands in, so that the prefix can be moved.
include(CMakePackageConfigHelpers)

set(NNOPT_CMAKEDIR ${CMAKE_INSTALL_LIBDIR}/cmake/nnopt)

install(TARGETS nnopt EXPORT nnopt-shared
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT nnopt-shared NAMESPACE nnopt:: DESTINATION ${NNOPT_CMAKEDIR})
if(NNOPT_BUILD_STATIC)
  install(TARGETS nnopt_static EXPORT nnopt-static
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT nnopt-static NAMESPACE nnopt:: DESTINATION ${NNOPT_CMAKEDIR})
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/nnopt DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/nnopt-config.cmake.in ${PROJECT_BINARY_DIR}/nnopt-config.cmake
                              INSTALL_DESTINATION ${NNOPT_CMAKEDIR} NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may change anything.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/nnopt-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/nnopt-config.cmake ${PROJECT_BINARY_DIR}/nnopt-config-version.cmake
        DESTINATION ${NNOPT_CMAKEDIR})

# Appends -lNAME for a library or an imported target, with -L when the linker would not look there by itself.
function(link_flags out file)
  if(TARGET ${file})
    get_target_property(location ${file} IMPORTED_LOCATION)
    if(NOT location)
      get_target_property(location ${file} IMPORTED_LOCATION_RELEASE)
    endif()
    set(file ${location})
  endif()
  get_filename_component(dir ${file} DIRECTORY)
  get_filename_component(name ${file} NAME)
  string(REGEX REPLACE "^lib(.*)\\.(so|a|dylib)[.0-9]*$" "\\1" name ${name})
  get_filename_component(real_dir ${dir} REALPATH)
  set(flags "-l${name}")
  if(NOT dir IN_LIST CMAKE_C_IMPLICIT_LINK_DIRECTORIES AND NOT real_dir IN_LIST CMAKE_C_IMPLICIT_LINK_DIRECTORIES)
    set(flags "-L${dir} ${flags}")
  endif()
  set(${out} "${${out}} ${flags}" PARENT_SCOPE)
endfunction()

# A path under the prefix as the .pc file states it; an absolute one stays as it is.
function(pc_path out path)
  if(IS_ABSOLUTE ${path})
    set(${out} ${path} PARENT_SCOPE)
  else()
    set(${out} "\${prefix}/${path}" PARENT_SCOPE)
  endif()
endfunction()

set(pc_libs_private "")
if(JPEG_FOUND)
  link_flags(pc_libs_private JPEG::JPEG)
endif()
if(PNG_FOUND)
  link_flags(pc_libs_private PNG::PNG)
endif()
link_flags(pc_libs_private ZLIB::ZLIB)
foreach(name ${CMAKE_DL_LIBS} m)
  string(APPEND pc_libs_private " -l${name}")
endforeach()
string(APPEND pc_libs_private " -pthread")
string(STRIP "${pc_libs_private}" pc_libs_private)

pc_path(pc_libdir ${CMAKE_INSTALL_LIBDIR})
pc_path(pc_includedir ${CMAKE_INSTALL_INCLUDEDIR})
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
  set(pc_prefix ${CMAKE_INSTALL_PREFIX})
else()
  file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  string(REGEX REPLACE "/$" "" up ${up})
  set(pc_prefix "\${pcfiledir}/${up}")
endif()
configure_file(${PROJECT_SOURCE_DIR}/pkgconfig/nnopt.pc.in ${PROJECT_BINARY_DIR}/nnopt.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/nnopt.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
