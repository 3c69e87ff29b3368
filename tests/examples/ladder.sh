#!/bin/sh
# ladder.sh PROGRAM DIR: all rungs run, and a second call goes on from what the first kept: the same table without training.
set -eu
rm -rf "$2"
"$1" --quick --seeds 2 --out "$2" >"$2.first" 2>"$2.log"
"$1" --quick --seeds 2 --out "$2" >"$2.second" 2>"$2.log"
! grep epoch "$2.log"
cut -d '|' -f 1-6 "$2.first" >"$2.first.cut"
cut -d '|' -f 1-6 "$2.second" >"$2.second.cut"
diff "$2.first.cut" "$2.second.cut"
test "$(grep -c '^|' "$2.first")" = $(($("$1" --list | wc -l) + 2))
# A result of another recipe, here of twice the epochs, does not count.
"$1" --quick --seeds 2 --epochs 2 --rungs none --out "$2" >"$2.second" 2>"$2.log"
test "$(grep -c '^epoch 2/2' "$2.log")" = 2
