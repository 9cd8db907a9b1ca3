# bash completion of softlanctl, made from its verb table: "make completions" makes it anew.

# The first words of the rows that a daemon answers with, if it does so within a second. Nothing else
# than such words gets through: what a daemon says is not trusted.
_softlanctl_live()
{
	timeout 1 "$@" 2>/dev/null | sed -n '2,$s/^ *\([A-Za-z0-9_-]\{1,64\}\) .*/\1/p'
}

_softlanctl()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb= words= args=0 i option
	local -a ask=("$1")
	COMPREPLY=()
	# "--daemon=relay" comes as three words.
	[ "$cur" != = ] || cur=
	[ "$prev" != = ] || prev=${COMP_WORDS[COMP_CWORD - 2]}
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s | --socket | -d | --daemon | -t | --timeout)
			option=${COMP_WORDS[i++]}
			[ "${COMP_WORDS[i]}" != = ] || i=$((i + 1))
			[ $i -ge $COMP_CWORD ] || ask+=("$option" "${COMP_WORDS[i]}")
			;;
		-*) ;;
		*)
			[ -z "$verb" ] && verb=${COMP_WORDS[i]} || args=$((args + 1))
			;;
		esac
	done
	case $prev in
	-s | --socket)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	-d | --daemon)
		words="relay gateway client"
		;;
	-t | --timeout)
		return
		;;
	*)
		case $cur in
		-*)
			words="--socket --daemon --json --prometheus --timeout --version --help"
			;;
		*)
			case $verb in
			"")
				words="status rooms peers stats top watch kick reload log help"
				;;
			rooms | peers)
				[ $args -gt 0 ] || words=$(_softlanctl_live "${ask[@]}" rooms)
				;;
			kick)
				[ $args -gt 0 ] || words=$(_softlanctl_live "${ask[@]}" peers)
				;;
			log)
				[ $args -gt 0 ] || words="error warning info debug"
				;;
			esac
			;;
		esac
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _softlanctl softlanctl
