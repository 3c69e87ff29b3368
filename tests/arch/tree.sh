#!/bin/sh
# File names, file lengths, lists that must be complete.
# usage: tree.sh SOURCE_DIR
set -eu
LC_ALL=C
export LC_ALL
cd "$1"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
status=0
complain()
{
	echo "$1:"
	sed 's/^/  /' "$2"
	status=1
}

# A room and its public header share a name, as do a room and its tests; else a name is given once.
for top in 'lib examples' 'tests' 'include'; do
	# shellcheck disable=SC2086
	find $top -type f ! -name CMakeLists.txt ! -name tests.cmake ! -name kinds.inc | sed 's|.*/||' | sort | uniq -d >"$dir/twice"
	[ ! -s "$dir/twice" ] || complain "file names used twice under $top" "$dir/twice"
done

find lib include examples tests -name '*.[ch]' -o -name '*.sh' -o -name '*.inc' -path 'lib/*' | sort | while read -r file; do
	awk -v file="$file" 'END { if (NR > 600) print file ": " NR " lines, 600 at most" }' "$file"
done >"$dir/long"
[ ! -s "$dir/long" ] || complain "files that want to be two" "$dir/long"

for header in include/nnopt/*.h; do
	awk -f tests/arch/strip.awk "$header" | awk -f tests/abi/declared.awk
done | sort >"$dir/declared"
uniq -d "$dir/declared" >"$dir/twice"
[ ! -s "$dir/twice" ] || complain "declared twice" "$dir/twice"
# A function that is named nnopt_ but is no part of the API would be one by accident.
find lib -name '*.c' | sort | while read -r file; do
	awk -f tests/arch/strip.awk "$file" | sed -n 's/^[a-z][A-Za-z0-9_ ]*[ *]\(nnopt_[a-z0-9_]*\)(.*/\1/p'
done | sort -u >"$dir/defined"
comm -13 "$dir/declared" "$dir/defined" >"$dir/private"
[ ! -s "$dir/private" ] || complain "named nnopt_ but declared in no public header" "$dir/private"

for header in include/nnopt/*.h; do
	name=$(basename "$header")
	[ "$name" = nnopt.h ] || grep -q "^#include <nnopt/$name>" include/nnopt/nnopt.h || echo "$name"
done >"$dir/absent"
[ ! -s "$dir/absent" ] || complain "public headers that nnopt.h leaves out" "$dir/absent"

# Each class constant of a room of kinds has its line in kinds.inc, and the other way round.
for room in data layer loss optim; do
	sed -n 's/^NNO_[A-Z]*(\([a-z0-9_]*\))$/\1/p' "lib/$room/kinds.inc" | sort >"$dir/listed"
	cat "lib/$room"/*.c | sed -n 's/^const nno_[a-z]*_class nno_[a-z]*_\([a-z0-9]*[a-z0-9_]*\) = .*/\1/p' | sort >"$dir/classes"
	diff "$dir/listed" "$dir/classes" >"$dir/diff" || complain "lib/$room/kinds.inc (<) against its classes (>)" "$dir/diff"
	[ -s "$dir/listed" ] || { echo "lib/$room/kinds.inc names nothing"; status=1; }
done
sed -n 's/^NNO_LAYER(\(.*\))$/nnopt_\1_create/p' lib/layer/kinds.inc | sort >"$dir/wanted"
comm -23 "$dir/wanted" "$dir/declared" >"$dir/absent"
[ ! -s "$dir/absent" ] || complain "layer kinds without a public constructor" "$dir/absent"
# Sums, products and concatenations have several inputs, hence no place in the sequential form.
sed -n 's/^NNO_LAYER(\(.*\))$/nnopt_add_\1/p' lib/layer/kinds.inc | grep -v -x -e nnopt_add_add -e nnopt_add_multiply -e nnopt_add_concat -e nnopt_add_weighted_sum | sort >"$dir/wanted"
comm -23 "$dir/wanted" "$dir/declared" >"$dir/absent"
[ ! -s "$dir/absent" ] || complain "layer kinds without their short way into a model" "$dir/absent"

sed -n 's/^NNO_TRANSFORM(\(.*\))$/nnopt_transforms_add_\1/p' lib/data/kinds.inc | sort >"$dir/wanted"
comm -23 "$dir/wanted" "$dir/declared" >"$dir/absent"
[ ! -s "$dir/absent" ] || complain "transforms without a public constructor" "$dir/absent"

# A source file that no list names is built by nobody.
find lib -name '*.c' ! -path 'lib/kernel/body/*' | sort | while read -r file; do
	grep -q -w "$(basename "$file")" "$(dirname "$file")/CMakeLists.txt" || echo "$file"
done >"$dir/unbuilt"
find lib/kernel/body -name '*.c' | while read -r file; do
	grep -q "body/$(basename "$file")" lib/kernel/CMakeLists.txt || echo "$file"
done >>"$dir/unbuilt"
[ ! -s "$dir/unbuilt" ] || complain "in no CMakeLists.txt" "$dir/unbuilt"
find tests -mindepth 2 -name '*.c' ! -path 'tests/install/*' | sort | while read -r file; do
	room=$(basename "$(dirname "$file")") name=$(basename "$file" .c)
	grep -q -E "(^|[^A-Za-z0-9_])$name([^A-Za-z0-9_]|$)" "tests/$room"/*.cmake "tests/$room/CMakeLists.txt" 2>/dev/null || echo "$file"
done >"$dir/unrun"
[ ! -s "$dir/unrun" ] || complain "tests that nothing registers" "$dir/unrun"
exit $status
