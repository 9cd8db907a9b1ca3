#!/bin/sh
# What people read is what the programs do (OPS-1, OPS-3): the samples and the manual's list of keys are those of
# the option tables; pages are well-formed and have every verb and every option; docs/operating.md has every
# reason and every log line.
build=${SOFTLAN_BUILD:-.}
source=${SOFTLAN_SOURCE:-$(dirname "$0")/..}
LC_ALL=C.UTF-8
export LC_ALL
count=0
list=$(mktemp) || exit 1
trap 'rm -f "$list"' EXIT

# check NAME OFFENDERS
check() {
	count=$((count + 1))
	if [ -z "$2" ]; then
		echo "ok $count - $1"
	else
		echo "not ok $count - $1"
		echo "$2" | head -n 30 | sed 's/^/# /'
	fi
}
# missing FILE BEFORE AFTER <WORDS: those that do not stand in FILE between BEFORE and AFTER
missing() {
	while read -r word; do
		grep -qF -e "$2$word$3" "$1" || echo "$(basename "$1") has no $2$word$3"
	done
}
some() { [ "$(printf '%s\n' "$1" | grep -c .)" -ge "$2" ] || echo "only found: $1"; }

for name in relay gateway client; do
	check "etc/$name.conf is made from the table [OPS-1]" "$("$build/man/generate" sample "$name" 2>&1 |
		diff "$source/etc/$name.conf" - || echo "run make update-docs")"
	# One line of facts for each setting of the sample.
	in_sample=$(grep -c '^	*//' "$source/etc/$name.conf")
	in_page=$(sed -n "/keys of $name/,/end of keys/p" "$source/man/softlan.conf.5" | grep -cE '; (restart|reload)\)$')
	check "softlan.conf(5) has all $in_sample keys of $name.conf [OPS-1]" \
		"$([ "$in_sample" -gt 10 ] && [ "$in_sample" = "$in_page" ] || echo "$in_page keys")"
done
check "softlan.conf(5) is made from the tables [OPS-1]" "$("$build/man/generate" man <"$source/man/softlan.conf.5" 2>&1 |
	diff "$source/man/softlan.conf.5" - || echo "run make update-docs")"

for page in "$source"/man/*.[1-8]; do
	check "$(basename "$page") is well-formed" "$(mandoc -T lint -W warning "$page" 2>&1)"
	check "$(basename "$page") is installed" "$(grep -qF "man/$(basename "$page")" "$source/Makefile.am" || echo "not in Makefile.am")"
done

for page in "$source"/docs/*.md; do
	check "docs/$(basename "$page") is installed" \
		"$(grep -qF "docs/$(basename "$page")" "$source/Makefile.am" || echo "not in Makefile.am")"
done

verbs=$("$build/softlanctl" --help | sed -n '/^Verbs/,/^$/s/^  \([a-z]*\) .*/\1/p')
check "softlanctl --help lists verbs" "$(some "$verbs" 6)"
check "softlanctl(8) has every verb [OPS-3]" "$(echo "$verbs" | missing "$source/man/softlanctl.8" '.It Cm ' '')"
for program in softlan-relay softlan-gateway softlan-client softlanctl; do
	options=$("$build/$program" --help | grep -oE -e '--[a-z][a-z-]*' | sed 's/^-//' | sort -u)
	check "$program --help lists options" "$(some "$options" 5)"
	check "$program(8) has every option [OPS-1]" "$(for option in $options; do
		grep -qE -e "Fl \\\\$option( |\$)" "$source/man/$program.8" || echo "no $option"
	done)"
done

operating=$source/docs/operating.md
drops=$(sed -n 's/^	X([A-Z0-9_]*, "\([a-z0-9_]*\)").*/\1/p' "$source/src/common/counters.h")
rejects=$(sed -n '/SL_REJECT_REASONS/,/^$/s/^	X([A-Z_]*, "\([a-z_]*\)", .*/\1/p' "$source/src/ctrl/msg.h")
check "the source has its drop reasons" "$(some "$drops" 29)"
check "the source has its reject reasons" "$(some "$rejects" 12)"
for reasons in "$drops" "$rejects"; do
	check "docs/operating.md has a row for each reason [OBS-2]" "$(echo "$reasons" | missing "$operating" '| `' '` |')"
done
check "softlanctl(8) has every drop reason [OBS-2]" "$(sed -n '/^.Sh DROP REASONS/,/^.Sh FILES/p' "$source/man/softlanctl.8" | tr -s ' ,.' '\n' >"$list"
	echo "$drops" | while read -r reason; do grep -qx "$reason" "$list" || echo "no $reason"; done)"
events=$(cat "$source"/src/*/*.c | tr '\n\t' '  ' | sed 's/sl_event\(_members\|_json\)*(/\n@/g' |
	sed -n 's/^@[^"]*"\([a-z_]*\)".*/\1/p' | sort -u)
check "the source has its events" "$(some "$events" 12)"
check "softlanctl(8) has every event [OPS-3]" "$(sed -n '/^.Ss watch/,/^.Sh/p' "$source/man/softlanctl.8" |
	tr -s ' ,.' '\n' >"$list"; echo "$events" | while read -r event; do grep -qx "$event" "$list" || echo "no $event"; done)"
check "docs/protocol.md has every event [OPS-3]" "$(echo "$events" | missing "$source/docs/protocol.md" '`' '`')"
check "docs/protocol.md has every reject reason" "$(echo "$rejects" | missing "$source/docs/protocol.md" '`' '`')"

# The literal text that a line of the log begins with, up to its first value.
lines=$(find "$source/src" -name '*.c' -exec cat {} + | tr '\n\t' '  ' |
	sed 's/sl_\(err\|warn\|info\|log_write\|log_write_about\)(/\n@/g' |
	sed -n 's/^@\([^;"]*\)"[a-z]*", */@\1/; s/^@[^;"]*"\([^"]*\)".*/\1/p' |
	sed 's/%.*//; s/\\$//; s/[ ,(:]*$//' | awk 'length($0) >= 8' | sort -u)
check "the source has log lines" "$(some "$lines" 40)"
cat "$operating" "$source/docs/windows.md" >"$list"
check "docs/operating.md, or docs/windows.md, explains every log line" "$(echo "$lines" | missing "$list" '' '')"
hook=$(sed -n '/^    #!\/bin\/sh/,/^$/s/^    //p' "$operating")
check "docs/operating.md has the certbot hook" "$(some "$hook" 8)"
check "the hook is a shell script" "$(echo "$hook" | sh -n 2>&1)"
echo "1..$count"
