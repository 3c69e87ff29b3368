#!/bin/sh
# The C programs in README.md and docs/ compile as they stand: snippets.sh SOURCE COMPILER DIR. Blocks marked `c fragment` are
# parts of programs and are left out; the Python ones are checked for their syntax where there is a Python.
set -eu
source=$1 cc=$2 dir=$3
mkdir -p "$dir"
rm -f "$dir"/snippet*
awk -v dir="$dir" '
	/^ *```c$/ { file = sprintf("%s/snippet%d.c", dir, ++n); printf "/* %s:%d */\n", FILENAME, FNR > file; next }
	/^ *```python$/ { file = sprintf("%s/snippet%d.py", dir, ++n); next }
	/^ *```/ { if (file != "") close(file); file = ""; next }
	file != "" { print > file }
' "$source/README.md" "$source"/docs/*.md
found=0
for file in "$dir"/snippet*.c; do
	"$cc" -std=c11 -Wall -Wextra -Werror -fsyntax-only -I"$source/include" "$file" || { head -1 "$file"; exit 1; }
	found=$((found + 1))
done
[ "$found" -ge 2 ] || { echo "only $found programs found"; exit 1; }
if command -v python3 >/dev/null 2>&1; then
	for file in "$dir"/snippet*.py; do
		python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' "$file"
	done
fi
echo "$found programs compile"
