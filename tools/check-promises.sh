#!/bin/sh
# SPDX-License-Identifier: ISC
#
# check-promises.sh [ROOT] - every promise of doc/promises.md has its test
#
# The page is tables of `promise | test | figure`. No cell is empty, and each
# test, `path::name` in backquotes, exists: a function of that name in C or
# Python, or `name` said by a script.

. "$(dirname "$0")/gate.sh"

page=doc/promises.md
[ -f "$page" ] || { echo "$page is missing"; exit 1; }

cells() {
	awk -F '|' -v page="$page" '
		!/^\|/ || /^\|[-| :]*$/ { next }
		/^\| *promise/ { rows = 0; next }
		{
			if (NF != 5)
				print page ":" FNR ": " NF - 2 " cells, 3 are wanted"
			for (i = 2; i < NF; i++)
				if ($i ~ /^[ \t-]*$/)
					print page ":" FNR ": an empty cell"
			if ($3 !~ /`[^`]+::[^`]+`/)
				print page ":" FNR ": names no test"
			rows++
		}
		END {
			if (rows == 0)
				print page ":1: holds no promise"
		}
	' "$page"
}

# exists PATH NAME: whether the test stands there.
exists() {
	[ -f "$1" ] || return 1
	case $1 in
	*.py) grep -Eq "^[[:space:]]*(async )?def $2\(" "$1" ;;
	*.c) grep -Eq "^$2\(" "$1" ;;
	*) grep -Fqw -e "$2" "$1" ;;
	esac
}

tests() {
	awk '/^\|/ {
		while (match($0, /`[^` ]*::[^` ]*`/)) {
			print FNR ":" substr($0, RSTART + 1, RLENGTH - 2)
			$0 = substr($0, RSTART + RLENGTH)
		}
	}' "$page" | while IFS=: read -r line path _ name; do
		exists "$path" "$name" ||
			echo "$page:$line: no test $name in $path"
	done
}

{ cells; tests; } | gate_end
