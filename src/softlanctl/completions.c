// Prints the completion of a shell, from the tables of options and verbs: completions bash|zsh
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "softlanctl/options.h"
#include "softlanctl/verbs.h"

static void put_names(const char *before)
{
	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++) {
		printf("%s%s", before, verb->name);
		before = " ";
	}
}

static void put_levels(const char *before)
{
	for (int level = SL_LOG_ERROR; level <= SL_LOG_DEBUG; level++) {
		printf("%s%s", before, sl_log_level_name((enum sl_log_level)level));
		before = " ";
	}
}

static void put_daemons(const char *before)
{
	for (size_t i = 0; ctl_daemons[i]; i++) {
		printf("%s%s", before, ctl_daemons[i]);
		before = " ";
	}
}

// "rooms | peers": the verbs with such an argument, as a shell's pattern.
static void put_verbs_with(enum ctl_verb_arg arg)
{
	const char *before = "";
	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++) {
		if (verb->arg == arg) {
			printf("%s%s", before, verb->name);
			before = " | ";
		}
	}
}

// "-s | --socket | -d": the options with an argument, `name` or (NULL) all.
static void put_options_with(const char *name)
{
	const char *before = "";
	for (const struct ctl_option *option = ctl_options; option->name; option++) {
		if (!option->arg || (name && strcmp(name, option->name) != 0))
			continue;
		if (option->letter) {
			printf("%s-%c", before, option->letter);
			before = " | ";
		}
		printf("%s--%s", before, option->name);
		before = " | ";
	}
}

static void bash(void)
{
	puts("# bash completion of softlanctl, made from its verb table: \"make completions\" makes it "
	     "anew.\n\n"
	     "# The first words of the rows that a daemon answers with, if it does so within a second. "
	     "Nothing else\n"
	     "# than such words gets through: what a daemon says is not trusted.\n"
	     "_softlanctl_live()\n{\n"
	     "\ttimeout 1 \"$@\" 2>/dev/null | sed -n '2,$s/^ *\\([A-Za-z0-9_-]\\{1,64\\}\\) .*/\\1/p'\n}\n\n"
	     "_softlanctl()\n{\n"
	     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb= words= args=0 i "
	     "option\n"
	     "\tlocal -a ask=(\"$1\")\n"
	     "\tCOMPREPLY=()\n"
	     "\t# \"--daemon=relay\" comes as three words.\n"
	     "\t[ \"$cur\" != = ] || cur=\n"
	     "\t[ \"$prev\" != = ] || prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
	     "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	     "\t\tcase ${COMP_WORDS[i]} in");
	printf("\t\t");
	put_options_with(NULL);
	puts(")\n"
	     "\t\t\toption=${COMP_WORDS[i++]}\n"
	     "\t\t\t[ \"${COMP_WORDS[i]}\" != = ] || i=$((i + 1))\n"
	     "\t\t\t[ $i -ge $COMP_CWORD ] || ask+=(\"$option\" \"${COMP_WORDS[i]}\")\n"
	     "\t\t\t;;\n"
	     "\t\t-*) ;;\n"
	     "\t\t*)\n"
	     "\t\t\t[ -z \"$verb\" ] && verb=${COMP_WORDS[i]} || args=$((args + 1))\n"
	     "\t\t\t;;\n"
	     "\t\tesac\n"
	     "\tdone\n"
	     "\tcase $prev in");
	printf("\t");
	put_options_with("socket");
	puts(")\n\t\tcompopt -o filenames 2>/dev/null\n"
	     "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n\t\treturn\n\t\t;;");
	printf("\t");
	put_options_with("daemon");
	printf(")\n\t\twords=\"");
	put_daemons("");
	printf("\"\n\t\t;;\n\t");
	put_options_with("timeout");
	puts(")\n\t\treturn\n\t\t;;\n"
	     "\t*)\n\t\tcase $cur in\n\t\t-*)");
	printf("\t\t\twords=\"");
	for (const struct ctl_option *option = ctl_options; option->name; option++)
		printf("%s--%s", option == ctl_options ? "" : " ", option->name);
	puts("\"\n\t\t\t;;\n\t\t*)\n\t\t\tcase $verb in\n\t\t\t\"\")");
	printf("\t\t\t\twords=\"");
	put_names("");
	puts("\"\n\t\t\t\t;;");
	printf("\t\t\t");
	put_verbs_with(CTL_ARG_ROOM);
	puts(")\n\t\t\t\t[ $args -gt 0 ] || words=$(_softlanctl_live \"${ask[@]}\" rooms)\n\t\t\t\t;;");
	printf("\t\t\t");
	put_verbs_with(CTL_ARG_PEER);
	puts(")\n\t\t\t\t[ $args -gt 0 ] || words=$(_softlanctl_live \"${ask[@]}\" peers)\n\t\t\t\t;;");
	printf("\t\t\t");
	put_verbs_with(CTL_ARG_LEVEL);
	printf(")\n\t\t\t\t[ $args -gt 0 ] || words=\"");
	put_levels("");
	puts("\"\n\t\t\t\t;;\n\t\t\tesac\n\t\t\t;;\n\t\tesac\n\t\t;;\n\tesac\n"
	     "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\n\n"
	     "complete -F _softlanctl softlanctl");
}

// For a text between single quotes.
static void put_quoted(const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*text);
	}
}

static void zsh_option(const struct ctl_option *option)
{
	printf("\t\t'");
	if (option->letter)
		printf("(-%c --%s)'{-%c%s,--%s%s}'", option->letter, option->name, option->letter,
		       option->arg ? "+" : "", option->name, option->arg ? "=" : "");
	else
		printf("--%s", option->name);
	putchar('[');
	put_quoted(option->help);
	putchar(']');
	if (option->arg && strcmp(option->name, "socket") == 0) {
		printf(":socket:_files");
	} else if (option->arg && strcmp(option->name, "daemon") == 0) {
		printf(":daemon:(");
		put_daemons("");
		putchar(')');
	} else if (option->arg) {
		printf(":%s: ", option->name);
	}
	puts("' \\");
}

static void zsh(void)
{
	puts("#compdef softlanctl\n"
	     "# zsh completion of softlanctl, made from its verb table: \"make completions\" makes it "
	     "anew.\n\n"
	     "# The first words of the rows that a daemon answers with, if it does so within a second. "
	     "Nothing else\n"
	     "# than such words gets through: what a daemon says is not trusted.\n"
	     "_softlanctl_live() {\n"
	     "\tlocal -a found\n"
	     "\tfound=(${(f)\"$(timeout 1 \"$@\" 2>/dev/null | sed -n '2,$s/^ *\\([A-Za-z0-9_-]\\{1,64\\}\\) "
	     ".*/\\1/p')\"})\n"
	     "\tcompadd -a found\n}\n\n"
	     "_softlanctl() {\n"
	     "\tlocal curcontext=$curcontext state option ret=1\n"
	     "\tlocal -a line ask verbs\n"
	     "\tlocal -A opt_args\n"
	     "\tverbs=(");
	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++) {
		printf("\t\t'%s:", verb->name);
		put_quoted(verb->help);
		puts("'");
	}
	puts("\t)\n\t_arguments -C \\");
	for (const struct ctl_option *option = ctl_options; option->name; option++)
		zsh_option(option);
	puts("\t\t'1: :->verb' '2: :->argument' '*: :' && ret=0\n"
	     "\task=($words[1])\n"
	     "\tfor option in -s --socket -d --daemon; do\n"
	     "\t\t(( ${+opt_args[$option]} )) && ask+=($option ${opt_args[$option]//\\\\:/:})\n"
	     "\tdone\n"
	     "\tcase $state in\n"
	     "\tverb) _describe -t verbs verb verbs && ret=0 ;;\n"
	     "\targument)\n"
	     "\t\tcase $line[1] in");
	printf("\t\t");
	put_verbs_with(CTL_ARG_ROOM);
	printf(") _softlanctl_live $ask rooms && ret=0 ;;\n\t\t");
	put_verbs_with(CTL_ARG_PEER);
	printf(") _softlanctl_live $ask peers && ret=0 ;;\n\t\t");
	put_verbs_with(CTL_ARG_LEVEL);
	printf(") compadd ");
	put_levels("");
	puts(" && ret=0 ;;\n\t\tesac\n\t\t;;\n\tesac\n\treturn ret\n}\n\n_softlanctl \"$@\"");
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "bash") == 0) {
		bash();
	} else if (argc == 2 && strcmp(argv[1], "zsh") == 0) {
		zsh();
	} else {
		fputs("usage: completions bash|zsh\n", stderr);
		return 2;
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
