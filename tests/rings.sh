# SPDX-License-Identifier: ISC
# shellcheck shell=sh disable=SC2154
#
# rings.sh - the test rings of ./dev test (sourced by it)
#
# A ring is a function ring_NAME that shows what it does, adds to $passed and
# $failed, and returns nothing. Whatever could not run has failed: there is no
# skipping.

rings='unit integration drills sanitizers valgrind fuzz system'

rings_run() {
	long=
	chosen=
	for word; do
		case " $rings " in
		*" $word "*) chosen="$chosen $word"; continue ;;
		esac
		[ "$word" = --long ] || { usage >&2; fail 2 "test: what is $word?"; }
		long=1
	done
	passed=0
	failed=0
	times=
	for ring in ${chosen:-$rings}; do
		echo "=== $ring"
		began=$(date +%s)
		"ring_$ring"
		times="$times$(printf '%-12s %s' "$ring" "$(minutes "$began")")
"
	done
	[ ! -s "$here/build/figures" ] || { echo "=== figures"; cat "$here/build/figures"; }
	echo "=== minutes"
	printf '%s' "$times"
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}

minutes() { # since $1
	awk -v s="$(($(date +%s) - $1))" 'BEGIN { printf "%.1f", s / 60 }'
}

verdict() { # verdict STATUS NAME
	if [ "$1" = 0 ]; then
		echo "PASS: $2"
		passed=$((passed + 1))
	else
		echo "FAIL: $2"
		failed=$((failed + 1))
	fi
}

# make check in $1, counted by the single test where a program says how many
# it holds, else by the program.
check_in() {
	status=0
	find "$1" -path "$1/sanitizers" -prune -o -path "$1/fuzz" -prune -o \
		-name '*.trs' -exec rm {} +
	make -s -C "$1" -k -j "$(nproc)" check >"$1/check.out" 2>&1 || status=$?
	grep -E '^(PASS|FAIL|ERROR|SKIP|XPASS): ' "$1/check.out" || true
	if [ "$status" != 0 ]; then
		cat "$1/test-suite.log" 2>/dev/null || tail -n 60 "$1/check.out"
	fi
	find "$1" -path "$1/sanitizers" -prune -o -path "$1/fuzz" -prune -o \
		-name '*.trs' -print >"$scratch/trs"
	good=0
	bad=0
	while read -r trs; do
		log=${trs%.trs}.log
		good=$((good + $(count PASSED "$log")))
		bad=$((bad + $(count FAILED "$log")))
		case $(grep -c '^\[=*\] .*Running' "$log" || true):$(cat "$trs") in
		0:*':test-result: PASS'*) good=$((good + 1)) ;;
		*':test-result: PASS'*) ;;
		0:*) bad=$((bad + 1)) ;;
		*) [ "$(count FAILED "$log")" != 0 ] || bad=$((bad + 1)) ;;
		esac
	done <"$scratch/trs"
	[ "$status" = 0 ] || [ "$bad" != 0 ] || bad=1
	passed=$((passed + good))
	failed=$((failed + bad))
}

count() { # the sum over cmocka's `[  PASSED  ] 12 test(s).`
	awk -v what="$1" '$1 == "[" && $2 == what && $3 == "]" && $5 ~ /^test/ { n += $4 }
		END { print n + 0 }' "$2"
}

# pytest over the paths in $1 with the programs of $2; more arguments follow.
pytest_in() {
	paths=$1
	programs=$2
	shift 2
	status=0
	rm -f "$scratch/junit.xml"
	# shellcheck disable=SC2086  # a list is meant
	(cd "$here" && DROVER_BUILD=$programs DROVER_LONG=$long \
		DROVER_FIGURES=$here/build/figures \
		/usr/bin/python3 -m pytest -q -p no:cacheprovider --color=no \
		--durations=5 --junitxml="$scratch/junit.xml" \
		--basetemp="$scratch/p" "$@" $paths) </dev/null || status=$?
	good=0
	bad=0
	if [ -s "$scratch/junit.xml" ]; then
		all=$(junit tests)
		bad=$(($(junit errors) + $(junit failures) + $(junit skipped)))
		good=$((all - bad))
	fi
	[ "$status" = 0 ] || [ "$bad" != 0 ] || bad=1
	passed=$((passed + good))
	failed=$((failed + bad))
}

junit() {
	grep -o "<testsuite [^>]*" "$scratch/junit.xml" |
		sed -n "s/.* $1=\"\([0-9]*\)\".*/\1/p"
}

built() { # built RING FOLDER OPTIONS TARGET...: or the ring has failed
	ring_name=$1
	shift
	if (build_as "$@"); then
		return 0
	fi
	verdict 1 "$ring_name: it does not build"
	return 1
}

build_options='--enable-image --enable-video --enable-gates --enable-werror'
test_programs='tests/tools/blast tests/tools/herdling tests/tools/load
	tests/tools/mini_control tests/tools/origin tests/tools/worker'

ring_unit() {
	built unit "$here/build" "$build_options" all || return 0
	check_in "$here/build"
}

ring_integration() {
	rm -f "$here/build/figures"
	# shellcheck disable=SC2086  # a list is meant
	built integration "$here/build" "$build_options" all $test_programs ||
		return 0
	pytest_in tests/integration "$here/build" \
		-m 'not measured and not alone' -n "$(nproc)"
	pytest_in tests/integration "$here/build" -m 'measured or alone'
}

# Named faults under load that is checked, response by response.
ring_drills() {
	# shellcheck disable=SC2086  # a list is meant
	built drills "$here/build" "$build_options" all $test_programs ||
		return 0
	pytest_in tests/drills "$here/build"
}

# The unit ring again, and the real daemon, with every access watched. What
# is measured there would say nothing, so those tests stay out.
ring_sanitizers() {
	# shellcheck disable=SC2086  # a list is meant
	built sanitizers "$here/build/sanitizers" \
		"--enable-sanitizers --enable-image --enable-video --enable-werror --disable-gates" \
		all $test_programs || return 0
	check_in "$here/build/sanitizers"
	pytest_in tests/integration "$here/build/sanitizers" -m 'not measured' \
		-n "$(nproc)"
}

# Workers under memcheck, which sees what the sanitizers do not: what is read
# before it was written, in our libraries too. An error is a worker's exit with
# 99, which no test takes for an end. memcheck runs as the worker, so the one
# test that looks at its title stays out.
ring_valgrind() {
	# shellcheck disable=SC2086  # a list is meant
	built valgrind "$here/build" "$build_options" all $test_programs ||
		return 0
	chosen_tests='tests/integration/test_conformance.py
		tests/integration/test_fuzzed_connections.py
		tests/integration/test_worker_strict.py
		tests/integration/test_worker_upgrade.py'
	[ -z "$long" ] || chosen_tests="$chosen_tests
		tests/integration/test_worker.py
		tests/integration/test_worker_herd.py"
	DROVER_WRAP='valgrind -q --error-exitcode=99 --leak-check=full
		--errors-for-leak-kinds=definite,indirect,possible'
	export DROVER_WRAP
	pytest_in "$chosen_tests" "$here/build" \
		-m 'not measured' -k 'not shows_what_it_is'
	unset DROVER_WRAP
}

ring_fuzz() {
	targets=
	for source in "$here"/tests/fuzz/fuzz_*.c; do
		targets="$targets tests/fuzz/$(basename "$source" .c)"
	done
	# shellcheck disable=SC2086  # a list is meant
	built fuzz "$here/build/fuzz" \
		"CC=clang --enable-fuzz --enable-sanitizers --disable-image --disable-video --disable-gates" \
		$targets || return 0
	seconds=5
	[ -z "$long" ] || seconds=60
	fuzzed=0
	for target in $targets; do
		fuzz_one "$target" &
		fuzzed=$((fuzzed + 1))
		[ $((fuzzed % $(nproc))) != 0 ] || wait
	done
	wait
	for target in $targets; do
		name=${target##*/fuzz_}
		status=$(cat "$scratch/fuzz-$name.status")
		[ "$status" = 0 ] || cat "$scratch/fuzz-$name.out"
		verdict "$status" "fuzz_$name, $seconds s"
	done
}

fuzz_one() {
	name=${1##*/fuzz_}
	status=0
	mkdir -p "$scratch/corpus/$name"
	"$here/build/fuzz/$1" -max_total_time="$seconds" \
		-rss_limit_mb=1024 -timeout=10 -verbosity=0 \
		-artifact_prefix="$here/build/fuzz/$name-" \
		"$scratch/corpus/$name" "$here/tests/fuzz/corpus/$name" \
		</dev/null >"$scratch/fuzz-$name.out" 2>&1 || status=$?
	echo "$status" >"$scratch/fuzz-$name.status"
}

# Each program here prints `PASS: name` or `FAIL: name` for what it looked at.
ring_system() {
	# shellcheck disable=SC2086  # a list is meant
	built system "$here/build" "$build_options" all $test_programs ||
		return 0
	for program in "$here"/tests/system/*; do
		[ -f "$program" ] || continue
		status=0
		"$program" </dev/null >"$scratch/system.out" 2>&1 || status=$?
		cat "$scratch/system.out"
		good=$(grep -c '^PASS: ' "$scratch/system.out" || true)
		bad=$(grep -c '^FAIL: ' "$scratch/system.out" || true)
		[ "$status" = 0 ] || [ "$bad" != 0 ] || bad=1
		[ "$good$bad" != 00 ] || bad=1
		passed=$((passed + good))
		failed=$((failed + bad))
	done
}
