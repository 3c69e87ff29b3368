#!/bin/sh
# Installs into an empty prefix, moves the prefix, and builds the program against it with pkg-config (shared and static)
# and with find_package.
# usage: prefix.sh SOURCE_DIR BUILD_DIR WORK_DIR CC
set -eu
source=$1 build=$2 work=$3 cc=$4
rm -rf "$work"
mkdir -p "$work"
program=$source/tests/install/program.c

cmake --install "$build" --prefix "$work/first" >"$work/install.log"
mv "$work/first" "$work/prefix"
prefix=$work/prefix
pc=$(find "$prefix" -name nnopt.pc)
[ -n "$pc" ] || { echo "no nnopt.pc under $prefix"; exit 1; }
libdir=$(dirname "$(dirname "$pc")")
if grep -rl "$work/first\|$build\|$source" "$prefix/include" "$libdir/pkgconfig" "$libdir/cmake"; then
	echo "these files name a directory of the build machine"
	exit 1
fi
for header in "$source"/include/nnopt/*.h; do
	cmp "$header" "$prefix/include/nnopt/$(basename "$header")"
done

PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
version=$(sed -n 's/^#define NNOPT_VERSION_[MP][A-Z]* //p' "$source/include/nnopt/version.h" | paste -sd.)
[ "$(pkg-config --modversion nnopt)" = "$version" ] || { echo "pkg-config says another version than $version"; exit 1; }

# shellcheck disable=SC2046
"$cc" -std=c11 -Wall -Wextra -pedantic -Werror "$program" $(pkg-config --cflags --libs nnopt) -lm -o "$work/shared"
LD_LIBRARY_PATH=$libdir "$work/shared"
abi=$(sed -n 's/^set(NNOPT_ABI \([0-9]*\))$/\1/p' "$source/CMakeLists.txt")
readelf -d "$work/shared" | grep -q "NEEDED.*\[libnnopt\.so\.$abi\]" || { echo "the program does not want libnnopt.so.$abi"; exit 1; }

# Both libraries stand in one directory: ask for the archive by its name.
# shellcheck disable=SC2046
"$cc" -std=c11 "$program" $(pkg-config --static --cflags --libs nnopt | sed 's/-lnnopt/-l:libnnopt.a/') -lm -o "$work/static"
"$work/static"
if readelf -d "$work/static" | grep 'NEEDED.*nnopt'; then
	echo "the static program still wants the shared library"
	exit 1
fi

cmake -S "$source/tests/install/project" -B "$work/project" -DCMAKE_C_COMPILER="$cc" -DCMAKE_PREFIX_PATH="$prefix" \
	-DPROGRAM="$program" -DWANTED_VERSION="${version%.*}" >"$work/project.log"
cmake --build "$work/project" >>"$work/project.log" || { cat "$work/project.log"; exit 1; }
"$work/project/with_shared"
"$work/project/with_static"
