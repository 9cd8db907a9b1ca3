#!/bin/sh
# Who may name whom (CONTRIBUTING.md): each folder of src/ includes only what stands below it, and a
# library is named by the one folder that owns it.
src=${SOFTLAN_SOURCE:-$(dirname "$0")/..}/src
count=0
[ -d "$src/common" ] || { echo "Bail out! no sources in $src"; exit 1; }

# allow FOLDER: what its files may include from the project, as an extended regular expression
allowed() {
	case $1 in
	common) echo 'common' ;;
	proto) echo 'common|proto' ;;
	ctrl) echo 'common|proto|ctrl' ;;
	net) echo 'common|net' ;;
	obs) echo 'common|proto|net|obs' ;;
	quic) echo 'common|net|quic' ;;
	daemon) echo 'common|net|obs|daemon' ;;
	port) echo 'common|proto|net|port' ;;
	session) echo 'common|proto|ctrl|net|obs|quic|daemon|session' ;;
	relay) echo 'common|proto|ctrl|net|obs|quic|daemon|relay' ;;
	gateway) echo 'common|proto|ctrl|net|obs|quic|daemon|port|session|gateway' ;;
	client) echo 'common|proto|ctrl|net|obs|quic|daemon|port|session|client' ;;
	softlanctl) echo 'common|softlanctl' ;;
	*) echo 'nothing' ;;
	esac
}

# check NAME OFFENDERS
check() {
	count=$((count + 1))
	if [ -z "$2" ]; then
		echo "ok $count - $1"
	else
		echo "not ok $count - $1"
		echo "$2" | sed 's/^/# /'
	fi
}

for dir in "$src"/*/; do
	[ "$dir" != "$src/compat/" ] || continue # system headers of another system
	folder=$(basename "$dir")
	check "src/$folder names only what stands below it" \
		"$(grep -nE '^#include "' "$dir"*.[ch] | grep -vE "#include \"($(allowed "$folder"))/")"
done
only() { # only LIBRARY-PATTERN FOLDER…
	pattern=$1
	shift
	keep=$(echo "$*" | tr ' ' '|')
	check "<$pattern> only in $*" \
		"$(grep -rnE "^#include <($pattern)" "$src" | grep -vE "^$src/($keep)/")"
}
only 'event2/' net
only 'ngtcp2/|gnutls/|intel-ipsec-mb' quic
only 'libconfig' daemon relay client
only 'systemd/' daemon
only 'netlink/' client
only 'linux/if_(tun|packet)|netpacket/' port
check "Windows' own headers only in files of its own" \
	"$(grep -rnE '^#include <(windows|win[a-z0-9]*|ws2[a-z]*|iphlpapi|netioapi|setupapi|sddl|shlobj|netfw|mstcpip)\.h>' "$src" |
		grep -vE "^($src/compat/windows/|[^:]*_windows\.[ch]:|$src/net/overlapped\.h:)")"
echo "1..$count"
