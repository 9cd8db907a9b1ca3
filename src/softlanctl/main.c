// softlanctl: asks a running daemon and shows the answer.
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/console.h"
#include "common/paths.h"
#include "softlanctl/client.h"
#include "softlanctl/options.h"
#include "softlanctl/prometheus.h"
#include "softlanctl/style.h"
#include "softlanctl/text.h"
#include "softlanctl/top.h"
#include "softlanctl/verbs.h"

#define CTL_EXIT_OK 0
#define CTL_EXIT_REFUSED 1 // the daemon said no, or the answer is no answer
#define CTL_EXIT_USAGE 2
#define CTL_EXIT_NOT_RUNNING 3
#define WORDS_MAX 8 // of a request

static void usage(FILE *out)
{
	fputs("Usage: softlanctl [-s SOCKET | -d relay|gateway|client] [-j] [-t SECONDS] [VERB [ARGUMENT…]]\n"
	      "Asks a running softlan daemon.\n\n",
	      out);
	ctl_options_help(out);
	fputs("\nVerbs (default: status):\n", out);
	ctl_verbs_help(out);
	fputs("\nExit status: 0 done, 1 the daemon said no, 2 usage, 3 the daemon is not running.\n", out);
}

static int usage_error(const char *problem, const char *what)
{
	ctl_usage_error(problem, what);
	return CTL_EXIT_USAGE;
}

static int exit_code(int rc)
{
	switch (rc) {
	case SL_OK:
		return CTL_EXIT_OK;
	case SL_ERR_INVALID:
		return CTL_EXIT_USAGE;
	case SL_ERR_NOT_FOUND:
	case SL_ERR_CLOSED:
		return CTL_EXIT_NOT_RUNNING;
	default:
		return CTL_EXIT_REFUSED;
	}
}

static void say_error(const struct sl_error *error)
{
	if (!error->text[0]) // it has been said
		return;
	fputs("softlanctl: ", stderr);
	ctl_put_text(stderr, error->text);
	fputc('\n', stderr);
}

struct question {
	const struct ctl_options *options;
	const struct ctl_verb *verb;
	int argc;
	char *const *argv;
	bool colour;
	char path[CTL_SOCKET_TEXT]; // where it was asked last, at one of the usual places
};

static int print_json(const struct question *question, const json_t *document)
{
	// As it came, but ASCII only: the document may hold anything, and a terminal obeys U+009B.
	int rc = json_dumpf(document, stdout,
			    (question->verb->kind == CTL_STREAMS ? JSON_COMPACT : JSON_INDENT(2)) |
				    JSON_PRESERVE_ORDER | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	return rc == 0 && fputc('\n', stdout) == EOF ? -1 : rc;
}

static bool flush_output(void)
{
	if (fflush(stdout) == 0)
		return true;
	perror("softlanctl: output");
	return false;
}

static void say_shape(const char *verb)
{
	fprintf(stderr, "softlanctl: the answer to %s has another shape than expected; try --json\n", verb);
}

// Prints one document, at once.
static bool show(const struct question *question, const json_t *document)
{
	int rc = question->options->json ? print_json(question, document)
					 : question->verb->print(stdout, question->colour, document);
	if (rc != 0 && !question->options->json)
		say_shape(question->verb->name);
	return flush_output() && rc == 0;
}

static bool show_event(void *arg, const json_t *event)
{
	return show(arg, event);
}

// Asks one daemon. With a verb that streams all is shown when this comes back, and there is no document.
static int ask_at(const char *path, struct question *question, json_t **out, struct sl_error *error)
{
	unsigned timeout_s = question->options->timeout_s;
	if (question->verb->kind == CTL_STREAMS)
		return ctl_watch(path, timeout_s, question->argc, question->argv, show_event, question,
				 error);
	return ctl_ask(path, timeout_s, question->argc, question->argv, out, error);
}

static int ask(struct question *question, json_t **out, struct sl_error *error)
{
	const struct ctl_options *options = question->options;
	if (options->socket)
		return ask_at(options->socket, question, out, error);
	if (options->daemon)
		return ask_at(ctl_socket_path(options->daemon, question->path), question, out, error);
	struct sl_error last = {.text = ""};
	int last_rc = SL_ERR_NOT_FOUND;
	for (size_t i = 0; ctl_daemons[i]; i++) {
		struct sl_error why = {.text = ""};
		int rc = ask_at(ctl_socket_path(ctl_daemons[i], question->path), question, out, &why);
		if (rc == SL_ERR_NOT_FOUND)
			continue;
		if (rc != SL_ERR_CLOSED && rc != SL_ERR_PERMISSION && rc != SL_ERR_SYSTEM) {
			*error = why; // it answered, whatever it said
			return rc;
		}
		if (!last.text[0]) { // there, but mute: the next one may be better
			last = why;
			last_rc = rc;
		}
	}
	if (last.text[0])
		*error = last;
	else
		sl_fail(error, SL_ERR_NOT_FOUND,
			"no softlan daemon runs here (no control socket answers %s); start one, or name its "
			"socket with -s",
			SL_CONTROL_PLACES);
	return last_rc;
}

static int ask_and_show(struct question *question)
{
	json_t *document = NULL;
	struct sl_error error = {.text = ""};
	int rc = ask(question, &document, &error);
	if (rc != SL_OK) {
		say_error(&error);
		return exit_code(rc);
	}
	int code = document && !show(question, document) ? CTL_EXIT_REFUSED : CTL_EXIT_OK;
	json_decref(document);
	return code;
}

// Asks for the document of another verb, which takes no arguments, of the daemon that was found first.
static int ask_other(struct question *question, const char *name, json_t **out)
{
	char word[16], *words[] = {word, NULL};
	struct question other = {.options = question->options, .verb = ctl_verb_find(name), .argc = 1};
	struct ctl_options options = *question->options;
	struct sl_error error = {.text = ""};
	int rc;

	snprintf(word, sizeof(word), "%s", name);
	other.argv = words;
	if (question->path[0] && !options.socket) {
		options.socket = question->path;
		options.daemon = NULL;
		other.options = &options;
	}
	rc = ask(&other, out, &error);
	if (rc != SL_OK)
		say_error(&error);
	else if (!question->path[0])
		memcpy(question->path, other.path, sizeof(other.path));
	return rc;
}

// The counters alone do not say whose they are.
static int show_prometheus(struct question *question)
{
	json_t *status = NULL, *stats = NULL;
	int rc = ask_other(question, "status", &status), code;

	if (rc == SL_OK)
		rc = ask_other(question, "stats", &stats);
	code = exit_code(rc);
	if (rc == SL_OK) {
		rc = ctl_print_prometheus(stdout, status, stats);
		if (rc != 0)
			say_shape("stats");
		if (!flush_output() || rc != 0)
			code = CTL_EXIT_REFUSED;
	}
	json_decref(status);
	json_decref(stats);
	return code;
}

// Before the screen is taken: a daemon that is not there is told as by any other verb.
static int show_top(struct question *question)
{
	const struct ctl_options *options = question->options;
	struct sl_error error = {.text = ""};
	const char *why_not = ctl_top_impossible();
	json_t *status = NULL;

	if (options->json)
		return usage_error("top is for people; for programs there are peers --json and stats --json",
				   NULL);
	if (why_not)
		return usage_error(why_not, NULL);
	int rc = ask_other(question, "status", &status);
	json_decref(status);
	if (rc != SL_OK)
		return exit_code(rc);
	rc = ctl_top(options->socket ? options->socket : question->path, options->timeout_s, question->colour,
		     &error);
	say_error(&error);
	return exit_code(rc);
}

// A reason in quotes is one argument of the shell's and several words of the request's. The number of words,
// or -1: more than a request has.
static int split_words(int argc, char *const *argv, char *words[static WORDS_MAX + 1])
{
	int count = 0;
	for (int i = 0; i < argc; i++) {
		char *save = NULL;
		for (char *word = strtok_r(argv[i], " ", &save); word; word = strtok_r(NULL, " ", &save)) {
			if (count == WORDS_MAX)
				return -1;
			words[count++] = word;
		}
	}
	words[count] = NULL;
	return count;
}

static int run(const struct ctl_options *options, int argc, char **argv)
{
	char status[] = "status", *no_verb[] = {status, NULL}, *words[WORDS_MAX + 1];
	if (argc == 0) {
		argc = 1;
		argv = no_verb;
	}
	const struct ctl_verb *verb = ctl_verb_find(argv[0]);
	if (!verb)
		return usage_error("unknown verb", argv[0]);
	if (argc - 1 > verb->max_args)
		return usage_error("one argument too many for the verb", argv[0]);
	if (argc - 1 < verb->min_args)
		return usage_error(verb->arg == CTL_ARG_PEER
					   ? "kick needs the ID of a peer, as peers shows it, after the verb"
					   : "an argument is missing after the verb",
				   argv[0]);
	if (options->prometheus && strcmp(verb->name, "stats") != 0)
		return usage_error("--prometheus goes with stats, not with", argv[0]);
	if (verb->arg == CTL_ARG_PEER) {
		argc = split_words(argc, argv, words);
		if (argc < 0)
			return usage_error("the reason has more than 6 words", NULL);
		argv = words;
	}
	struct question question = {.options = options, .verb = verb, .argc = argc, .argv = argv};
	question.colour = !options->json && ctl_colour_wanted(stdout);
	switch (verb->kind) {
	case CTL_HELP:
		usage(stdout);
		return CTL_EXIT_OK;
	case CTL_SCREEN:
		return show_top(&question);
	default:
		return options->prometheus ? show_prometheus(&question) : ask_and_show(&question);
	}
}

static int read_and_run(int argc, char **argv)
{
	struct ctl_options options;
	int first;
	if (!ctl_options_parse(argc, argv, &options, &first))
		return CTL_EXIT_USAGE;
	if (options.version) {
		printf("softlanctl %s\n", SL_VERSION);
		return CTL_EXIT_OK;
	}
	if (options.help) {
		usage(stdout);
		return CTL_EXIT_OK;
	}
	return run(&options, argc - first, argv + first);
}

int main(int argc, char **argv)
{
	if (!sl_console_start(&argc, &argv)) {
		fputs("softlanctl: out of memory\n", stderr);
		return CTL_EXIT_REFUSED;
	}
	int code = read_and_run(argc, argv);
	sl_console_end();
	return code;
}
