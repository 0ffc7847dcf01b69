#!/bin/sh
# SPDX-License-Identifier: ISC
#
# check-banned.sh [ROOT] - calls that cannot be used safely, or hide what they do
#
# Strings and comments are not calls. An exception is a line of
# tools/banned.allow: `file:call reason`.

. "$(dirname "$0")/gate.sh"

gate_files 'src/*.[ch]' 'services/*.[ch]' 'tests/*.[ch]' |
xargs -r awk '
	BEGIN {
		n = split("strcpy strcat sprintf vsprintf strtok atoi atol " \
		    "atoll system gets alloca popen", names, " ")
		for (i = 1; i <= n; i++)
			banned[names[i]] = 1
	}
	FNR == 1 { comment = 0 }
	{
		line = $0
		gsub(/\\./, "", line)
		gsub(/"[^"]*"/, "\"\"", line)
		gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, " ", line)
		if (comment && !sub(/^.*\*\//, "", line))
			next
		comment = sub(/\/\*.*$/, "", line)
		sub(/\/\/.*$/, "", line)
		while (match(line, /[A-Za-z_][A-Za-z_0-9]*[ \t]*\(/)) {
			call = substr(line, RSTART, RLENGTH - 1)
			sub(/[ \t]+$/, "", call)
			before = substr(line, RSTART - 1, 1)
			line = substr(line, RSTART + RLENGTH)
			if ((call in banned) && before != "." && before != ">")
				print FILENAME ":" call " is banned, in line " FNR
		}
	}
' | gate_allowed tools/banned.allow | gate_end
