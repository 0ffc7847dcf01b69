#!/bin/sh
# SPDX-License-Identifier: ISC
#
# check-layers.sh [ROOT] - every #include points to a floor below
#
# The law is tools/layers.

. "$(dirname "$0")/gate.sh"

{
	gate_files 'src/*.[ch]' 'services/*.[ch]'
} | xargs -r grep -Hn '^[[:space:]]*#[[:space:]]*include' | awk '
	function floor_of(path,   dir) {
		dir = path
		if (!sub(/\/[^\/]*$/, "", dir))
			return ""
		sub(/^src\/?/, "", dir)
		return dir
	}
	function exists(path,   line, n) {
		n = (getline line < path)
		close(path)
		return n >= 0
	}
	function refuse(text) {
		print where ": " text
	}
	FNR == NR && /^#/ { next }
	FNR == NR && /^</ {
		lib = substr($1, 2, length($1) - 2)
		libs[lib] = 1
		for (i = 2; i <= NF; i++)
			home[lib, $i] = 1
		next
	}
	FNR == NR {
		if (NF == 0)
			next
		from = $1
		sub(/:$/, "", from)
		may[from, from] = known[from] = 1
		for (i = 2; i <= NF; i++) {
			where = FILENAME ":" FNR
			if (!($i in known))
				refuse(from " names " $i ", which is not below it")
			may[from, $i] = 1
		}
		next
	}
	{
		split($0, part, ":")
		file = part[1]
		where = file ":" part[2]
		from = floor_of(file)
		if (from == "")
			next
		if (!(from in known)) {
			refuse("directory " from " is no floor of tools/layers")
			next
		}
	}
	/include[[:space:]]*</ {
		header = $0
		sub(/^[^<]*</, "", header)
		for (lib in libs)
			if (index(header, lib) == 1 && !((lib, from) in home))
				refuse(from " may not include <" lib ">")
		next
	}
	{
		split($0, quote, "\"")
		target = quote[2]
		if (index(target, "/") == 0)
			next	# a neighbour, or what configure made
		if (exists("src/" target))
			to = floor_of("src/" target)
		else if (exists("services/" target))
			to = floor_of("services/" target)
		else
			to = floor_of(target)
		if (!((from, to) in may))
			refuse(from " may not include from " to)
	}
' tools/layers - | gate_end
