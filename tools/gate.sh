# SPDX-License-Identifier: ISC
# shellcheck shell=sh
#
# gate.sh - what every check-*.sh begins with (sourced, never run)
#
# A gate looks at the tree in $1, else $srcdir, else the one it stands in, and
# says `file:line: what is wrong`. It ends 0 if nothing was said, 1 if something
# was, 2 if it could not look.

set -eu
LC_ALL=C
export LC_ALL
gate_tools=$(cd "$(dirname "$0")" && pwd)
gate_root=$(cd "${1:-${srcdir:-$gate_tools/..}}" && pwd)
cd "$gate_root"

# gate_files PATTERN...: the files of the project, from git where there is git,
# else from what was unpacked; never what was built.
gate_files() {
	if [ -e .git ]; then
		git ls-files --cached --others --exclude-standard -- "$@"
	else
		gate_find "$@"
	fi | while read -r gate_file; do
		[ ! -f "$gate_file" ] || printf '%s\n' "$gate_file"
	done
}

gate_find() {
	find . \( -name build -o -name 'build-*' -o -name var \) -prune -o \
		-type f -print | sed 's|^\./||' | while read -r gate_file; do
		for gate_pattern; do
			# shellcheck disable=SC2254  # a pattern is meant
			case $gate_file in
			$gate_pattern) printf '%s\n' "$gate_file"; break ;;
			esac
		done
	done
}

# gate_need PROGRAM: a gate without its tool has not looked.
gate_need() {
	command -v "$1" >/dev/null && return
	echo "$0: $1 is not installed" >&2
	exit 2
}

# gate_allowed FILE: standard input without what FILE allows, by the first
# word; each exception has to give its reason after it.
gate_allowed() {
	if [ ! -f "$1" ]; then
		cat
		return
	fi
	awk -v allow="$1" '
		FNR == NR {
			if ($0 ~ /^#/ || NF == 0)
				next
			if (NF < 3)
				printf "%s:%d: an exception without a reason\n",
				    allow, FNR
			may[$1] = 1
			next
		}
		!($1 in may)
	' "$1" -
}

# gate_end: 1 if anything is on standard input, which is shown.
gate_end() {
	! grep .
}
