#!/bin/sh
# SPDX-License-Identifier: ISC
#
# check-shell.sh [ROOT] - shellcheck finds nothing in any shell script
#
# SC2016 is left out: awk and sed programs are full of dollar signs.

. "$(dirname "$0")/gate.sh"
gate_need shellcheck

gate_files '*' | while read -r file; do
	case $file in
	*.sh) echo "$file" ;;
	*) head -n 1 "$file" | grep -aEq '^#!.*(/| )(ba|da)?sh( |$)' && echo "$file" ;;
	esac
done | xargs -r shellcheck --external-sources --source-path=SCRIPTDIR \
	--exclude=SC2016 --format=gcc | gate_end
