#!/bin/sh
# SPDX-License-Identifier: ISC
#
# check-gates.sh [ROOT] - each gate catches what it is there for
#
# A small clean tree passes every gate; then each violation is put into it
# alone, and its gate must name it.

. "$(dirname "$0")/gate.sh"

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
wrong=0

plant() { # a clean tree
	rm -rf "${tree:?}"/* "$tree"/.[!.]*
	mkdir -p "$tree/src/base" "$tree/src/model" "$tree/src/loop" \
		"$tree/src/conf" "$tree/tools" "$tree/doc" "$tree/tests"
	cp "$gate_root/tools/layers" "$tree/tools/"
	cp "$gate_root/.clang-format" "$tree/"
	printf 'int base_answer(void);\n' >"$tree/src/base/answer.h"
	printf '#include "base/answer.h"\n' >"$tree/src/model/question.h"
	printf 'void\na_test(void)\n{\n}\n' >"$tree/tests/test_a.c"
	printf 'def test_b():\n    pass\n' >"$tree/tests/test_b.py"
	printf '#!/bin/sh\nexec true\n' >"$tree/dev"
	{
		echo '| promise | test | figure |'
		echo '|---|---|---|'
		echo '| a | `tests/test_a.c::a_test` | 1 ms |'
		echo '| b | `tests/test_b.py::test_b` | none asked |'
	} >"$tree/doc/promises.md"
}

run() { # run GATE: its words in $said, its status in $status
	status=0
	said=$("$gate_tools/check-$1.sh" "$tree" 2>&1) || status=$?
}

clean() { # clean GATE
	plant
	run "$1"
	[ "$status" = 0 ] && return
	echo "$gate_tools/check-$1.sh: refuses a clean tree: $said"
	wrong=1
}

caught() { # caught GATE WHAT: WHAT is in its words
	run "$1"
	case $status:$said in
	1:*"$2"*) ;;
	*)
		echo "$gate_tools/check-$1.sh: does not catch '$2': $status $said"
		wrong=1
		;;
	esac
	plant
}

long_function() {
	printf 'void\nlong_one(void)\n{\n'
	seq 60 | sed 's/.*/\tone();/'
	printf '}\n'
}

knotted_function() {
	printf 'void\nknot(int a)\n{\n'
	seq 16 | sed 's/.*/\tif (a == &) one();/'
	printf '}\n'
}

clean layers
echo '#include "model/question.h"' >"$tree/src/base/up.c"
caught layers 'src/base/up.c:1: base may not include from model'
echo '#include <hiredis/hiredis.h>' >"$tree/src/model/redis.c"
caught layers 'model may not include <hiredis/>'
mkdir "$tree/src/attic"
echo '#include "base/answer.h"' >"$tree/src/attic/old.c"
caught layers 'directory attic is no floor'
echo 'early: late' >>"$tree/tools/layers"
caught layers 'early names late, which is not below it'

clean sizes
long_function >"$tree/src/base/long.c"
caught sizes 'src/base/long.c:long_one has 64 lines'
knotted_function >"$tree/src/base/knot.c"
caught sizes 'src/base/knot.c:knot has complexity 17'
seq 601 | sed 's|.*|/* & */|' >"$tree/src/base/thick.c"
caught sizes 'src/base/thick.c:* has 601 lines'
long_function >"$tree/src/base/long.c"
echo 'src/base/long.c:long_one' >"$tree/tools/sizes.allow"
caught sizes 'an exception without a reason'

clean banned
echo 'int a(char *b) { return strcpy (b, "c") != b; }' >"$tree/src/base/b.c"
caught banned 'src/base/b.c:strcpy is banned, in line 1'
printf '/* sprintf(x) is\n * gets(x) */ int c = atoi("4");\n' \
	>"$tree/src/base/c.c"
caught banned 'src/base/c.c:atoi is banned, in line 2'
printf '/* gets(x) */\nconst char *d = "system(x)";\nint e = s.system(1);\n' \
	>"$tree/src/base/d.c"
run banned
[ "$status" = 0 ] || { echo "banned: takes words for calls: $said"; wrong=1; }

clean format
echo 'int  base_answer( void );' >"$tree/src/base/answer.h"
caught format 'src/base/answer.h:1: not as clang-format writes it'

clean shell
printf '#!/bin/sh\nrm $1\n' >"$tree/dev"
caught shell 'SC2086'

clean promises
echo '| c | `tests/test_b.py::test_gone` | 1 |' >>"$tree/doc/promises.md"
caught promises 'no test test_gone in tests/test_b.py'
echo '| c | `tests/test_c.py::test_c` | 1 |' >>"$tree/doc/promises.md"
caught promises 'no test test_c in tests/test_c.py'
echo '| c | `tests/test_b.py::test_b` |  |' >>"$tree/doc/promises.md"
caught promises 'doc/promises.md:5: an empty cell'
echo '| c | somewhere | 1 |' >>"$tree/doc/promises.md"
caught promises 'doc/promises.md:5: names no test'
rm "$tree/doc/promises.md"
caught promises 'is missing'

clean words
mine=/home
echo "see $mine/me/notes" >"$tree/README"
caught words "README:_$mine/me does not belong here, in line 1"
scheme=https
echo "get $scheme://packages.invalid/x" >"$tree/README"
caught words 'README:packages.invalid does not belong here'
mark=TO
echo "int a; /* ${mark}DO */" >"$tree/src/base/t.c"
caught words "src/base/t.c:${mark}DO does not belong here"

exit "$wrong"
