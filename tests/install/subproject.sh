#!/bin/sh
# Builds the library as part of another project (FetchContent, hence add_subdirectory), in Debug, and runs its program.
# usage: subproject.sh SOURCE_DIR WORK_DIR CC
set -eu
source=$1 work=$2 cc=$3
cmake -S "$source/tests/install/fetch" -B "$work" -DCMAKE_C_COMPILER="$cc" -DCMAKE_BUILD_TYPE=Debug \
	-DNNOPT_SOURCE="$source" -DPROGRAM="$source/tests/install/program.c" >"$work.log" || { cat "$work.log"; exit 1; }
cmake --build "$work" -j 2 >>"$work.log" 2>&1 || { cat "$work.log"; exit 1; }
"$work/program"
