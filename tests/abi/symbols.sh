#!/bin/sh
# The symbols that the headers declare, that the map lists and that the library exports are the same ones; the static
# library defines no global name outside nnopt_ and nno_, which a program linking it could meet.
# usage: symbols.sh SOURCE_DIR LIBNNOPT_SO [LIBNNOPT_A]
set -eu
LC_ALL=C
export LC_ALL
source=$1 shared=$2 static=${3-}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

for header in "$source"/include/nnopt/*.h; do
	awk -f "$source/tests/arch/strip.awk" "$header" | awk -f "$source/tests/abi/declared.awk"
done | sort >"$dir/declared"
sed -n 's/^    \([a-z0-9_]*\);$/\1/p' "$source/lib/nnopt.map" >"$dir/map"
nm -D --defined-only "$shared" | awk '$2 != "A" { print $3 }' | sort >"$dir/versioned"
sed 's/@.*//' "$dir/versioned" | sort >"$dir/exported"

status=0
same()
{
	if ! diff "$dir/$1" "$dir/$2" >"$dir/diff"; then
		echo "$3"
		cat "$dir/diff"
		status=1
	fi
}
[ -s "$dir/declared" ] || { echo "no declaration found in $source/include/nnopt"; status=1; }
sort -u "$dir/map" >"$dir/ordered"
same ordered map "lib/nnopt.map is not in byte order, or names a symbol twice:"
same declared map "declared NNOPT_API (<) against listed in lib/nnopt.map (>):"
same map exported "listed in lib/nnopt.map (<) against exported by $shared (>):"
if grep -v '@@NNOPT_[0-9]*\.[0-9]*$' "$dir/versioned"; then
	echo "exported without a version"
	status=1
fi
if [ -n "$static" ]; then
	nm -g --defined-only "$static" | awk 'NF == 3 && $3 !~ /^nnopt_/ && $3 !~ /^nno_/ { print $3 }' | sort -u >"$dir/foreign"
	if [ -s "$dir/foreign" ]; then
		echo "global in $static, outside nnopt_ and nno_:"
		cat "$dir/foreign"
		status=1
	fi
fi
exit $status
