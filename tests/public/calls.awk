# Every function of the public headers as one line: STATUS(name, (0, 0)) or OTHER(name, (0, 0)), a 0 for each argument.
/^NNOPT_API/ { text = ""; open = 1 }
open {
	line = $0
	gsub(/\/\*[^*]*\*\//, "", line)
	gsub(/\/\*.*/, "", line)
	text = text " " line
	if (line ~ /;/) {
		open = 0
		sub(/;.*/, "", text)
		kind = text ~ /NNOPT_API nnopt_status nnopt_/ ? "STATUS" : "OTHER"
		at = match(text, /nnopt_[a-z0-9_]+\(/)
		name = substr(text, RSTART, RLENGTH - 1)
		parameters = substr(text, RSTART + RLENGTH)
		sub(/\)[^)]*$/, "", parameters)
		n = parameters ~ /^ *void *$/ ? 0 : gsub(/,/, ",", parameters) + 1
		zeros = ""
		for (i = 0; i < n; i++)
			zeros = zeros (i ? ", 0" : "0")
		printf "%s(%s, (%s))\n", kind, name, zeros
	}
}
