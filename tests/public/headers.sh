#!/bin/sh
# Every public header compiles on its own, as C99, C11 and C++17, without a warning.
# usage: headers.sh SOURCE_DIR CC [CXX]; exits 77 when all is well but there was no C++ compiler to ask.
set -u
source=$1 cc=$2 cxx=${3-}
strict='-Wall -Wextra -Wpedantic -pedantic-errors -Werror'
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

# compile COMPILER SUFFIX OPTIONS...: a file that includes one header twice, for each header in turn.
compile()
{
	compiler=$1 suffix=$2
	shift 2
	for header in "$source"/include/nnopt/*.h; do
		name=nnopt/$(basename "$header")
		printf '#include <%s>\n#include <%s>\nextern int nothing_else;\n' "$name" "$name" >"$dir/one.$suffix"
		# shellcheck disable=SC2086
		"$compiler" "$@" $strict -fsyntax-only -I"$source/include" "$dir/one.$suffix" 2>"$dir/text" || {
			echo "$compiler $*: $name"
			cat "$dir/text"
			failed=1
		}
	done
}

compile "$cc" c -std=c99 -Wstrict-prototypes -Wc++-compat
compile "$cc" c -std=c11 -Wstrict-prototypes
if [ -n "$cxx" ] && [ "$cxx" != none ]; then
	compile "$cxx" cpp -std=c++17 -Wold-style-cast
fi
[ $failed = 0 ] || exit 1
if [ -z "$cxx" ] || [ "$cxx" = none ]; then
	echo "C99 and C11 are well; no C++ compiler, so C++17 was not checked"
	exit 77
fi
