#!/bin/sh
# What no source file under lib/ may hold. Rules are matched against code without comments and texts.
# usage: source.sh SOURCE_DIR
set -eu
LC_ALL=C
export LC_ALL
cd "$1"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
status=0

# file:line:code of everything under lib/ and include/, to grep.
find lib include -name '*.[ch]' -o -name '*.inc' | sort | while read -r file; do
	awk -f tests/arch/strip.awk "$file" | awk -v file="$file" 'NF { print file ":" NR ":" $0 }'
done >"$dir/code"
[ "$(wc -l <"$dir/code")" -gt 1000 ] || { echo "too little code found under lib/"; exit 1; }

# refuse WHY PATTERN [EXCEPT]: no line of code matches PATTERN, but for those that match EXCEPT (file and line together).
refuse()
{
	if grep -E "$2" "$dir/code" | grep -v -E "${3-^$}" >"$dir/found"; then
		echo "$1:"
		sed 's/^/  /' "$dir/found"
		status=1
	fi
}
call='(^|[^A-Za-z0-9_.>])'

refuse 'the library ends no process' "$call(abort|_?exit|_Exit|quick_exit|atexit|raise|kill) *\\("
refuse 'the library does not print' "$call(v?printf|puts|putchar|perror|v?fprintf|fputs|fputc|putc|fwrite|psignal) *\\(" \
	'^lib/(context/context|train/progress)\.c:.*(fprintf|fputs)\(.*stderr'
refuse 'stdout is the host program'"'"'s' '[^A-Za-z0-9_]stdout([^A-Za-z0-9_]|$)'
refuse 'the library installs no handlers and changes no locale' "$call(signal|sigaction|setlocale|uselocale|setenv|putenv|unsetenv|chdir|umask) *\\("
refuse 'OpenBLAS is not configured for the whole process' "$call(openblas_set|goto_set)[a-z_]* *\\("
refuse 'memory comes from the context' "$call(malloc|calloc|realloc|reallocarray|free|posix_memalign|aligned_alloc|memalign|valloc|strdup|strndup|asprintf|vasprintf|alloca|getline|mmap) *\\(" \
	'^lib/base/alloc\.c:'
refuse 'files are reached through the I/O table' "$call(fopen|fdopen|freopen|open|openat|creat|fread|fgets|pread|pwrite|stat|fstat|lstat|opendir|readdir|unlink|rename|gzopen) *\\(" \
	'^lib/base/'
refuse 'numbers are read and written without the locale' "$call(strtod|strtof|strtold|atof|atoi|atol|sscanf|scanf|fscanf) *\\("
refuse 'random numbers come from base/rng.h' "$call(rand|srand|random|srandom|drand48|rand_r|getrandom|arc4random) *\\("
refuse 'no OpenMP' '#[ \t]*pragma[ \t]+omp'
refuse 'no flag or pragma that relaxes arithmetic' '(fast-math|Ofast|associative-math|unsafe-math|GCC[ \t]+optimize|FP_CONTRACT[ \t]+ON)'
refuse 'no disabled code' '#[ \t]*if[ \t]+0([^-9x]|$)'
refuse 'a status is made by nno_fail() and nnopt_fail() alone, with its text' \
	'(return|[^=!<>]=|[?:]) *\(?(nnopt_status\))? *NNOPT_ERROR_[A-Z]+' '^lib/base/posix_io\.c:.*nnopt_status status = error == ENOENT'
refuse 'casts into a status go through base/' '\(nnopt_status\) *-?[0-9]'

if grep -rniE '(TODO|FIXME|XXX|not (yet )?implemented)' lib include examples cmake pkgconfig CMakeLists.txt; then
	echo "something is left to do"
	status=1
fi
if grep -rnE '(-ffast-math|-Ofast|-fassociative-math|-funsafe-math-optimizations|-fopenmp)' CMakeLists.txt cmake $(find lib tests examples -name CMakeLists.txt -o -name '*.cmake'); then
	echo "a flag that is not used here"
	status=1
fi
exit $status
