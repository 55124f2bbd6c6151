# Counting and telling. Sourced on the host and, beside every topic, in the machine.

passed=0 failed=0 skipped=0
begun=$(date +%s%N)

say() { printf '%6.1fs  %s\n' "$((($(date +%s%N) - begun) / 100000000))e-1" "$*"; }

ok() {
	passed=$((passed + 1))
	say "ok      $*"
}

not_ok() {
	failed=$((failed + 1))
	say "FAILED  $*"
}

# skip NAME REASON
skip() {
	skipped=$((skipped + 1))
	say "skipped $1: $2"
}

# check NAME COMMAND…: runs the command, which fails with the first of its commands
# that does, and shows what it did if so.
check() {
	local name=$1 log status errexit=$-
	shift
	log=$(mktemp)
	set +e # and not "|| status=$?", under which bash ignores -e in the subshell too
	(
		set -exuo pipefail
		"$@"
	) > "$log" 2>&1 < /dev/null
	status=$?
	[[ $errexit != *e* ]] || set -e
	if [ "$status" -eq 0 ]; then
		ok "$name"
	else
		not_ok "$name"
		tail -n 40 "$log" | cut -c1-300 | sed 's/^/        | /'
	fi
	rm -f "$log"
}

# fails COMMAND…: bash does not end a function for a command after "!".
fails() { if "$@"; then return 1; fi; }

# until_true SECONDS COMMAND…: tries until it works.
until_true() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.1
	done
}

# The last line, which is what people and programs look at.
total() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ]
}

# skip_all REASON: nothing can be tested here.
skip_all() {
	echo "skipped: system tests need $1"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
}

# count_reported: reads what a machine wrote with the functions above, shows it, and
# adds it to our counts.
count_reported() {
	local line
	while IFS= read -r line; do
		line=${line%$'\r'}
		case $line in
		*'s  ok      '*) passed=$((passed + 1)) ;;
		*'s  FAILED  '*) failed=$((failed + 1)) ;;
		*'s  skipped '*) skipped=$((skipped + 1)) ;;
		*'        | '*) ;;
		*) continue ;;
		esac
		printf '%s\n' "$line"
	done
}
