# The structs that a public header lays open, one a line, from text that tests/arch/strip.awk has freed of comments. What
# breaks the rule of docs (struct_size first; then fixed-width integers, float, double and pointers only) is printed as
# "wrong: ..." lines.
function member(text)
{
	gsub(/^[ \t]+|[ \t]+$/, "", text)
	gsub(/[ \t]+/, " ", text)
	if (text == "")
		return
	if (first) {
		if (text != "size_t struct_size")
			print "wrong: " name " begins with \"" text "\" instead of size_t struct_size"
		first = 0
		return
	}
	if (text ~ /\*/ || text ~ /^nnopt_[a-z0-9_]*_fn /)
		return
	if (text !~ /^(u?int(8|16|32|64)_t|float|double) [a-z]/)
		print "wrong: " name ": \"" text "\" is neither a fixed-width number nor a pointer"
	if (text ~ /:/)
		print "wrong: " name ": \"" text "\" is a bit-field"
}
/^[ \t]*#/ { next }
/^(typedef )?(struct|union)[^;(]*\{/ {
	if ($1 != "typedef" || $2 != "struct")
		print "wrong: " $0 " is no typedef struct"
	name = $3
	print name
	inside = first = 1
	buffer = ""
	next
}
inside && /^\}/ {
	inside = 0
	if ($2 != name ";")
		print "wrong: struct " name " and its typedef differ"
	next
}
inside {
	buffer = buffer " " $0
	while ((at = index(buffer, ";")) > 0) {
		member(substr(buffer, 1, at - 1))
		buffer = substr(buffer, at + 1)
	}
}
