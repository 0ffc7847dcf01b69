#!/bin/sh
# SPDX-License-Identifier: ISC
#
# check-format.sh [ROOT] - every C file as clang-format 14 writes it
#
# Other versions disagree about details, so the version is part of the law.

. "$(dirname "$0")/gate.sh"

format=$(command -v clang-format-14 || echo clang-format)
gate_need "$format"
case $("$format" --version) in
*" 14."*) ;;
*) echo "$0: clang-format 14 is needed" >&2; exit 2 ;;
esac

gate_files '*.c' '*.h' | while read -r file; do
	"$format" --style=file "$file" | cmp -s - "$file" ||
		echo "$file:1: not as clang-format writes it (clang-format -i)"
done | gate_end
