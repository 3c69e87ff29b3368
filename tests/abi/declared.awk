# The functions that a header declares NNOPT_API, one a line, from text that tests/arch/strip.awk has freed of comments.
/^[ \t]*#/ { next }
/(^|[ \t])NNOPT_API[ \t]/ { open = 1 }
open && match($0, /nnopt_[a-z0-9_]+\(/) {
	print substr($0, RSTART, RLENGTH - 1)
	open = 0
}
