#!/bin/sh
# The binary interface against the last release's.
#
# A release commits tests/abi/nnopt-ABI.abi, a dump of its interface (ABI: NNOPT_ABI of CMakeLists.txt), made by
#   sh tests/abi/check.sh dump SOURCE_DIR LIBRARY >tests/abi/nnopt-ABI.abi
# from a library with debugging information. From then on
#   sh tests/abi/check.sh compare SOURCE_DIR LIBRARY
# fails when a program linked with that release could break. Additions pass; the next release commits a new dump. While
# NNOPT_ABI is 0 nothing is promised: there is no dump, and comparing exits with 77, as it does without abidiff.
#   sh tests/abi/check.sh self SOURCE_DIR LIBRARY CC
# shows that the comparison works: the library equals its own dump, and libraries that break their callers are caught.
set -eu
what=$1 source=$2 library=$3
suppressions=$source/tests/abi/growth.suppr

dump()
{
	abidw --headers-dir "$source/include/nnopt" --no-corpus-path --no-comp-dir-path "$1"
}

# Whether LIBRARY keeps the interface of DUMP. Of abidiff's status, 1 and 2 are failures of its own, 4 is any change and 8
# one that cannot be compatible; types private to the library (--headers-dir) do not count, nor do added symbols.
compatible()
{
	code=0
	abidiff --headers-dir1 "$source/include/nnopt" --headers-dir2 "$source/include/nnopt" --no-added-syms \
		--suppressions "$suppressions" "$1" "$2" || code=$?
	[ "$code" = 0 ]
}

if ! command -v abidiff >/dev/null || ! command -v abidw >/dev/null; then
	echo "skipped: abidiff and abidw (package abigail-tools) are not installed"
	exit 77
fi
case $what in
dump)
	dump "$library"
	;;
compare)
	abi=$(sed -n 's/^set(NNOPT_ABI \([0-9]*\))$/\1/p' "$source/CMakeLists.txt")
	if [ "$abi" = 0 ]; then
		echo "skipped: NNOPT_ABI is 0, no release has promised an interface"
		exit 77
	fi
	[ -f "$source/tests/abi/nnopt-$abi.abi" ] || { echo "tests/abi/nnopt-$abi.abi is missing"; exit 1; }
	compatible "$source/tests/abi/nnopt-$abi.abi" "$library"
	;;
self)
	cc=$4
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	dump "$library" >"$dir/now.abi"
	grep -q "name='nnopt_fit'" "$dir/now.abi" || { echo "the dump of $library lacks nnopt_fit"; exit 1; }
	grep -q "name='nnopt_conv2d_options'" "$dir/now.abi" || { echo "the dump of $library holds no types"; exit 1; }
	compatible "$dir/now.abi" "$library" || { echo "the library differs from its own dump"; exit 1; }

	# A library in miniature: old; with another private struct and one more function; and three that break their callers.
	source=$dir/source
	variant()
	{
		mkdir -p "$source/include/nnopt"
		echo "struct handle; struct options { long size; $2 }; int f(struct handle *h, $4 n); int g(struct options *o);" \
			>"$source/include/nnopt/mini.h"
		{
			echo '#include <nnopt/mini.h>'
			echo "struct handle { $3 }; int f(struct handle *h, $4 n) { return h->a + (int)n; }"
			echo "$5"
		} >"$dir/$1.c"
		"$cc" -g -shared -fPIC -I"$source/include" -o "$dir/$1.so" "$dir/$1.c"
	}
	g='int g(struct options *o) { return o->b; }'
	variant old 'int a, b;' 'int a;' int "$g"
	dump "$dir/old.so" >"$dir/old.abi"
	variant fine 'int a, b;' 'int z, a;' int "$g int h(void); int h(void) { return 1; }"
	compatible "$dir/old.abi" "$dir/fine.so" || { echo "a private struct and a new function were taken for a break"; exit 1; }
	variant grown 'int a, b; long c;' 'int a;' int "$g"
	compatible "$dir/old.abi" "$dir/grown.so" || { echo "a struct that grew at its end was taken for a break"; exit 1; }
	variant moved 'int z, a, b;' 'int a;' int "$g"
	variant argument 'int a, b;' 'int a;' long "$g"
	variant removed 'int a, b;' 'int a;' int ''
	for name in moved argument removed; do
		if compatible "$dir/old.abi" "$dir/$name.so" >"$dir/report"; then
			echo "\"$name\" went unnoticed"
			exit 1
		fi
	done
	;;
*)
	echo "unknown: $what"
	exit 2
	;;
esac
