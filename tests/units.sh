#!/bin/sh
# The systemd units (OPS-4), as `make` wrote them: programs in their place, nothing left to fill in, and a
# configuration error ends in a failed unit, not in a restart every two seconds.
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
twice() { sed 's/=.*//; /^[A-Z]/!d; /^\(Wants\|After\)/d' "$1" | sort | uniq -d | sed 's/^/# twice: /' | grep .; }
once_each() { ! twice "$1"; }

check "five units" test $# -eq 5
for unit; do
	base=$(basename "$unit" .service)
	program=${base%@}
	check "$base: nothing is left to fill in" has_not '@[a-z]+@' "$unit"
	check "$base: each setting once" once_each "$unit"
	check "$base: starts $program with a file" grep -qE "^ExecStart=/.*/$program -c /.*/${program#softlan-}[-%i]*\.conf" "$unit"
	check "$base: exit 2 is not tried again" grep -qx 'RestartPreventExitStatus=2' "$unit"
	# systemd looks at the main process's exit status only: a check before it would be repeated for ever.
	check "$base: the daemon itself checks its file" has_not '^ExecStartPre=' "$unit"
	check "$base: ready when the daemon says so" grep -qx 'Type=notify' "$unit"
	check "$base: the watchdog is on" grep -qE '^WatchdogSec=[1-9]' "$unit"
done
echo "1..$count"
