#!/bin/sh
# The #include lines under lib/ against tests/arch/rooms.txt; system headers that belong to one room stay in it.
# usage: includes.sh SOURCE_DIR
set -eu
cd "$1"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
find lib -name '*.[ch]' -o -name '*.inc' | LC_ALL=C sort | while read -r file; do
	sed -n "s|^[ 	]*#[ 	]*include[ 	]*[\"<]\([^\">]*\)[\">].*|$file \1|p" "$file"
done >"$dir/includes"
[ -s "$dir/includes" ] || { echo "no #include found under lib/"; exit 1; }
if grep -rn '^[ 	]*#[ 	]*include[ 	]*"[^/"]*"' lib; then
	echo 'a header of ours is included as "room/file.h"'
	exit 1
fi

awk '
FNR == NR {
	if ($0 ~ /^#/ || NF == 0)
		next
	room[$1] = 1
	kind = ""
	for (i = 2; i <= NF; i++) {
		if ($i == "lib:" || $i == "public:")
			kind = $i
		else
			may[$1, kind, $i] = 1
	}
	next
}
{
	split($1, path, "/")
	from = path[2]
	if (!(from in room)) {
		print $1 ": room " from " is not in rooms.txt"
		bad = 1
		next
	}
	n = split($2, to, "/")
	own["cblas.h"] = "blas"
	own["jsmn.h"] = "base"
	own["zlib.h"] = "data file"
	own["stb_image.h"] = own["jpeglib.h"] = own["png.h"] = "data"
	own["immintrin.h"] = own["arm_neon.h"] = own["cpuid.h"] = "kernel"
	if (n == 2 && to[1] == "nnopt") {
		name = to[2]
		sub(/\.h$/, "", name)
		if (!((from, "public:", name) in may)) {
			print $1 " includes " $2 ", which " from "/ may not"
			bad = 1
		}
	} else if (to[1] in room) {
		if (to[1] != from && !((from, "lib:", to[1]) in may) && !((from, "lib:", $2) in may)) {
			print $1 " includes " $2 ": no arrow from " to[1] " to " from
			bad = 1
		}
	} else if (($2 in own) && index(" " own[$2] " ", " " from " ") == 0) {
		print $1 " includes <" $2 ">, which belongs to " own[$2]
		bad = 1
	} else if ($2 == "omp.h" || $2 == "signal.h" && from != "base") {
		print $1 " includes <" $2 ">"
		bad = 1
	}
}
END { exit bad }
' tests/arch/rooms.txt "$dir/includes"
