#!/bin/sh
# The systemd units (OPS-4), as `make` wrote them: programs in their place, nothing left to fill in, as little exposed as
# was promised, and a configuration error ends in a failed unit, not in a restart every two seconds. tests/system has
# them at work.
units=${SOFTLAN_BUILD:-.}/systemd
set -- "$units"/*.service
[ -e "$1" ] || { echo "1..0 # SKIP this build installs no units"; exit 0; }
count=0

# check NAME CONDITION…: a test(1) expression or a command
check() {
	count=$((count + 1))
	name=$1
	shift
	if "$@"; then echo "ok $count - $name"; else echo "not ok $count - $name"; fi
}
has_not() { ! grep -nE "$1" "$2" | sed 's/^/# /' | grep .; }
# Those that add up may stand more than once.
twice() {
	sed 's/=.*//; /^[A-Z]/!d; /^\(Wants\|After\|ExecReload\|SystemCallFilter\|IPAddressAllow\)$/d' "$1" | sort | uniq -d | sed 's/^/# twice: /' | grep .
}
once_each() { ! twice "$1"; }
# exposed UNIT LIMIT: what `systemd-analyze security` gives, at most LIMIT (tenths)
exposed() {
	figure=$(systemd-analyze security --no-pager --offline=true "$1" | sed -n 's/.*Overall exposure level for .*: \([0-9.]*\) .*/\1/p')
	echo "# $(basename "$1"): $figure"
	[ -n "$figure" ] && [ "$(echo "$figure" | tr -d .)" -le "$2" ]
}
checks_before_reload() {
	[ "$(sed -n 's/^ExecReload=//p' "$1" | sed -n '1s/.* --check .*/check/p; 2s/.*kill -HUP .*/hup/p' | xargs)" = "check hup" ]
}

check "five units" test $# -eq 5
for unit; do
	base=$(basename "$unit" .service)
	program=${base%@}
	check "$base: nothing is left to fill in" has_not '@[a-z]+@' "$unit"
	check "$base: each setting once" once_each "$unit"
	check "$base: starts $program with a file" grep -qE "^ExecStart=/.*/$program -c /.*/${program#softlan-}[-%i]*\.conf" "$unit"
	check "$base: exit 2 is not tried again" grep -qE '^RestartPreventExitStatus=(1 )?2$' "$unit"
	# systemd looks at the main process's exit status only: a check before it would be repeated for ever.
	check "$base: the daemon itself checks its file" has_not '^ExecStartPre=' "$unit"
	check "$base: ready when the daemon says so" grep -qx 'Type=notify' "$unit"
	check "$base: the watchdog is on" grep -qE '^WatchdogSec=[1-9]' "$unit"
	check "$base: a reload checks the file first" checks_before_reload "$unit"
	check "$base: runs as $program" grep -qx "User=$program" "$unit"
	case $program in
	softlan-relay) limit=15 ;;
	*) limit=25 ;;
	esac
	if command -v systemd-analyze >/dev/null; then
		check "$base: exposed by at most $limit tenths" exposed "$unit" $limit
	else
		count=$((count + 1))
		echo "ok $count - $base: exposed by at most $limit tenths # SKIP needs systemd-analyze"
	fi
done
for file in "$units"/tmpfiles/*.conf "${SOFTLAN_SOURCE:-.}"/systemd/sysusers/*.conf; do
	check "${file##*/systemd/}: nothing is left to fill in" has_not '@[a-z]+@' "$file"
done
echo "1..$count"
