#!/bin/sh
# SPDX-License-Identifier: ISC
#
# check-sizes.sh [ROOT] - functions and files that a reader can hold
#
# No function over 60 lines or a complexity of 15, no file over 600 lines. An
# exception is a line of tools/sizes.allow: `file:function reason`, with * for
# the file itself.

. "$(dirname "$0")/gate.sh"
gate_need pmccabe

gate_files 'src/*.[ch]' 'services/*.[ch]' 'tests/*.[ch]' >"${TMPDIR:-/tmp}/sizes.$$"
trap 'rm -f "${TMPDIR:-/tmp}/sizes.$$"' EXIT

{
	xargs -r pmccabe <"${TMPDIR:-/tmp}/sizes.$$" | awk -F '\t' '
		{
			file = $6
			sub(/\(.*/, "", file)
			name = $6
			sub(/.*: /, "", name)
		}
		$5 > 60 { print file ":" name, "has", $5, "lines, 60 are allowed" }
		$1 > 15 { print file ":" name, "has complexity", $1 ", 15 is allowed" }'
	xargs -r awk '
		{ lines[FILENAME] = FNR }
		END {
			for (file in lines)
				if (lines[file] > 600)
					print file ":* has", lines[file], "lines, 600 are allowed"
		}' <"${TMPDIR:-/tmp}/sizes.$$"
} | gate_allowed tools/sizes.allow | gate_end
