#!/bin/sh
# SPDX-License-Identifier: ISC
#
# check-words.sh [ROOT] - nothing in the tree that is true on one machine only
#
# No path into somebody's home or checkout, no ticket number where the reason
# belongs, no unfinished work, and no address but those that documentation and
# loopback own. An exception is a line of tools/words.allow: `file:word reason`.

. "$(dirname "$0")/gate.sh"

hosts='127\.0\.0\.1|localhost|\[::1\]|([a-z0-9-]+\.)*example(\.(org|com|net))?|www\.w3\.org|json-schema\.org|[A-Za-z][A-Za-z0-9-]*'

{
	gate_files '*' | grep -v -e '^tools/check-' -e '^tests/fuzz/corpus/' |
		xargs -r grep -nIoE \
		-e '(^|[^A-Za-z0-9_.-])/(work|root|home)/[A-Za-z0-9]+' \
		-e '\b(TODO|FIXME|XXX)\b' \
		-e '\b[Ii]ssue #?[0-9]+' \
		-e 'https?://[^]/ "'"'"'`<>)$%{}\\:]+'
} | awk -v hosts="^($hosts)\$" '
	{
		split($0, part, ":")
		word = substr($0, length(part[1]) + length(part[2]) + 3)
		if (match(word, /^https?:\/\//)) {
			word = substr(word, RLENGTH + 1)
			# In tests an address is what is tested.
			if (word ~ hosts || part[1] ~ /^tests\//)
				next
		}
		gsub(/[ \t]+/, "_", word)
		print part[1] ":" word " does not belong here, in line " part[2]
	}
' | gate_allowed tools/words.allow | gate_end
