#!/bin/sh
# Every struct in the public headers keeps the rule of sized structs, and structs.inc lists it.
# usage: structs.sh SOURCE_DIR
set -eu
LC_ALL=C
export LC_ALL
source=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for header in "$source"/include/nnopt/*.h; do
	awk -f "$source/tests/arch/strip.awk" "$header" | awk -f "$source/tests/public/structs.awk"
done >"$dir/found"
if grep '^wrong' "$dir/found"; then
	exit 1
fi
sort "$dir/found" >"$dir/declared"
sed -n 's/^[A-Z]*(\([a-z0-9_]*\),.*/\1/p' "$source/tests/public/structs.inc" | sort >"$dir/listed"
[ -s "$dir/declared" ]
diff "$dir/declared" "$dir/listed" || { echo "declared in the headers (<) against listed in tests/public/structs.inc (>)"; exit 1; }
