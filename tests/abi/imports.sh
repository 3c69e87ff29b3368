#!/bin/sh
# What the library asks of others: nothing that ends the process, prints to stdout, installs handlers, changes the locale
# or sets OpenBLAS up for everybody; and no library beside the documented ones.
# usage: imports.sh LIBNNOPT_SO BUILD_TYPE
set -eu
shared=$1 type=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
status=0

nm -D --undefined-only "$shared" | awk '{ print $NF }' | sed 's/@.*//' | sort -u >"$dir/imports"
[ -s "$dir/imports" ]
# libm's and libc's checks of assert() are for debugging builds.
forbidden='abort|_?exit|_Exit|quick_exit|atexit|raise|kill|(__)?printf(_chk)?|(__)?vprintf(_chk)?|puts|putchar|perror|stdout'
forbidden="$forbidden|signal|sigaction|setlocale|uselocale|setenv|putenv|chdir|umask|openblas_set_.*|goto_set_.*|GOMP_.*|omp_.*|fork|system|popen"
[ "$type" != Release ] || forbidden="$forbidden|__assert_fail"
if grep -x -E "$forbidden" "$dir/imports"; then
	echo "imported by $shared"
	status=1
fi
readelf -d "$shared" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' >"$dir/needed"
if grep -v -E '^(libc|libc\.musl-[a-z0-9_]+|libm|libpthread|libdl|libz|libjpeg|libpng16|ld-linux[-a-z0-9_]*|libgcc_s)\.so(\.[0-9]+)?$' "$dir/needed"; then
	echo "needed by $shared"
	status=1
fi
if readelf -lW "$shared" | grep -E 'GNU_STACK.*E +0x|LOAD.*RWE'; then
	echo "executable stack, or a segment both writable and executable, in $shared"
	status=1
fi
if readelf -d "$shared" | grep -E 'TEXTREL|RPATH|RUNPATH'; then
	echo "in $shared"
	status=1
fi
exit $status
