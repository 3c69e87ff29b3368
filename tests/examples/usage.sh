#!/bin/sh
# Every example tells its usage when asked, and refuses what it does not know: usage.sh PROGRAM...
set -u
failed=0
refuse() { echo "$1" && failed=1; }
for program in "$@"; do
	text=$("$program" --help) || refuse "$program --help failed"
	case $text in
	"usage: $(basename "$program")"*) ;;
	*) refuse "$program --help says: $text" ;;
	esac
	for wrong in --zzz --help=x; do
		"$program" $wrong >/dev/null 2>&1 && refuse "$program $wrong was taken"
	done
	"$program" a b c d e f g h >/dev/null 2>&1 && refuse "$program took eight words"
done
exit $failed
