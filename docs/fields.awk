# For Doxygen: gives each of several fields of one declaration the comment behind them, and documents the two fields that
# every struct of the kind has.
/^\t(size_t|int32_t|int64_t|uint64_t|float|double|float \*|nnopt_[a-z_]+) [a-z_0-9, *]+;[ \t]*(\/\*\*<.*)?$/ {
	comment = ""
	line = $0
	if ((at = index(line, "/**<")) > 0) {
		comment = substr(line, at)
		line = substr(line, 1, at - 1)
	}
	gsub(/^[ \t]+|;[ \t]*$/, "", line)
	type = line
	sub(/ [*a-z_0-9, ]*$/, "", type)
	split(substr(line, length(type) + 2), names, /, */)
	for (i = 1; i in names; i++) {
		note = comment
		if (names[i] == "struct_size")
			note = "/**< sizeof this struct */"
		if (names[i] == "reserved")
			note = "/**< 0 */"
		printf "%s %s; %s ", type, names[i], note
	}
	print ""
	next
}
{ print }
