// softlanctl: asks a running daemon and shows the answer.
#include <jansson.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "softlanctl/client.h"
#include "softlanctl/text.h"
#include "softlanctl/verbs.h"

#define CTL_EXIT_OK 0
#define CTL_EXIT_REFUSED 1 // the daemon said no, or the answer is no answer
#define CTL_EXIT_USAGE 2
#define CTL_EXIT_NOT_RUNNING 3
#define TIMEOUT_DEFAULT_S 5
#define TIMEOUT_MAX_S 3600

static const char *const daemons[] = {"relay", "gateway", "client"};
#define DAEMONS (sizeof(daemons) / sizeof(daemons[0]))

struct ctl_options {
	const char *socket, *daemon;
	unsigned timeout_s;
	bool json;
};

static void usage(FILE *out)
{
	fprintf(out,
		"Usage: softlanctl [-s SOCKET | -d relay|gateway|client] [-j] [-t SECONDS] [VERB "
		"[ARGUMENT…]]\n"
		"Asks a running softlan daemon.\n\n"
		"  -s, --socket SOCKET    the daemon's control socket\n"
		"  -d, --daemon DAEMON    relay, gateway or client (default: the first that runs)\n"
		"  -j, --json             print the JSON document\n"
		"  -t, --timeout SECONDS  wait so long for the answer, of watch for its start (default %d)\n"
		"  -V, --version          print the version, exit\n"
		"  -h, --help             print this, exit\n\nVerbs (default: status):\n",
		TIMEOUT_DEFAULT_S);
	ctl_verbs_help(out);
	fprintf(out, "\nExit status: 0 done, 1 the daemon said no, 2 usage, 3 the daemon is not running.\n");
}

static int usage_error(const char *format, const char *what)
{
	fputs("softlanctl: ", stderr);
	fputs(format, stderr);
	if (what) {
		fputs(" \"", stderr);
		ctl_put_text(stderr, what);
		fputc('"', stderr);
	}
	fputs("; softlanctl --help lists what there is\n", stderr);
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

struct question {
	const struct ctl_options *options;
	const struct ctl_verb *verb;
	int argc;
	char *const *argv;
};

// Prints one document, at once.
static bool show(const struct question *question, const json_t *document)
{
	int rc;
	if (question->options->json) {
		// As it came, but ASCII only: the document may hold anything, and a terminal obeys U+009B.
		rc = json_dumpf(document, stdout,
				(question->verb->streams ? JSON_COMPACT : JSON_INDENT(2)) |
					JSON_PRESERVE_ORDER | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
		if (rc == 0 && fputc('\n', stdout) == EOF)
			rc = -1;
	} else {
		rc = question->verb->print(stdout, document);
		if (rc != 0)
			fprintf(stderr,
				"softlanctl: the answer to %s has another shape than expected; try --json\n",
				question->verb->name);
	}
	if (fflush(stdout) != 0 && rc == 0) {
		perror("softlanctl: output");
		rc = -1;
	}
	return rc == 0;
}

static bool show_event(void *arg, const json_t *event)
{
	return show(arg, event);
}

// Asks one daemon. With a verb that streams all is shown when this comes back, and there is no document.
static int ask_at(const char *path, struct question *question, json_t **out, struct sl_error *error)
{
	unsigned timeout_s = question->options->timeout_s;
	if (question->verb->streams)
		return ctl_watch(path, timeout_s, question->argc, question->argv, show_event, question,
				 error);
	return ctl_ask(path, timeout_s, question->argc, question->argv, out, error);
}

static int ask(struct question *question, json_t **out, struct sl_error *error)
{
	const struct ctl_options *options = question->options;
	char path[sizeof(SL_RUNDIR) + 64];
	if (options->socket)
		return ask_at(options->socket, question, out, error);
	if (options->daemon) {
		snprintf(path, sizeof(path), SL_RUNDIR "/%s/control.sock", options->daemon);
		return ask_at(path, question, out, error);
	}
	struct sl_error last = {.text = ""};
	int last_rc = SL_ERR_NOT_FOUND;
	for (size_t i = 0; i < DAEMONS; i++) {
		struct sl_error why = {.text = ""};
		snprintf(path, sizeof(path), SL_RUNDIR "/%s/control.sock", daemons[i]);
		int rc = ask_at(path, question, out, &why);
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
			"no softlan daemon runs here (no control socket answers below " SL_RUNDIR
			"); start one, or name its socket with -s");
	return last_rc;
}

static int run(const struct ctl_options *options, int argc, char **argv)
{
	char status[] = "status", *no_verb[] = {status, NULL};
	if (argc == 0) {
		argc = 1;
		argv = no_verb;
	}
	const struct ctl_verb *verb = ctl_verb_find(argv[0]);
	if (!verb)
		return usage_error("unknown verb", argv[0]);
	if (argc - 1 > verb->max_args)
		return usage_error("one argument too many for the verb", argv[0]);
	if (!verb->print) {
		usage(stdout);
		return CTL_EXIT_OK;
	}
	struct question question = {.options = options, .verb = verb, .argc = argc, .argv = argv};
	json_t *document = NULL;
	struct sl_error error = {.text = ""};
	int rc = ask(&question, &document, &error);
	if (rc != SL_OK) {
		if (error.text[0]) { // else it has been said
			fputs("softlanctl: ", stderr);
			ctl_put_text(stderr, error.text);
			fputc('\n', stderr);
		}
		return exit_code(rc);
	}
	int code = document && !show(&question, document) ? CTL_EXIT_REFUSED : CTL_EXIT_OK;
	json_decref(document);
	return code;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{"socket", required_argument, NULL, 's'},
		{"daemon", required_argument, NULL, 'd'},
		{"json", no_argument, NULL, 'j'},
		{"timeout", required_argument, NULL, 't'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct ctl_options options = {.timeout_s = TIMEOUT_DEFAULT_S};
	int option;
	while ((option = getopt_long(argc, argv, "s:d:jt:Vh", longs, NULL)) != -1) {
		switch (option) {
		case 's':
			options.socket = optarg;
			break;
		case 'd': {
			size_t i = 0;
			while (i < DAEMONS && strcmp(daemons[i], optarg) != 0)
				i++;
			if (i == DAEMONS)
				return usage_error("expected relay, gateway or client after -d, found",
						   optarg);
			options.daemon = optarg;
			break;
		}
		case 'j':
			options.json = true;
			break;
		case 't': {
			char *end;
			long seconds = strtol(optarg, &end, 10);
			if (end == optarg || *end || seconds < 1 || seconds > TIMEOUT_MAX_S)
				return usage_error("expected 1 to 3600 seconds after -t, found", optarg);
			options.timeout_s = (unsigned)seconds;
			break;
		}
		case 'V':
			printf("softlanctl %s\n", SL_VERSION);
			return CTL_EXIT_OK;
		case 'h':
			usage(stdout);
			return CTL_EXIT_OK;
		default:
			fputs("softlanctl --help lists what there is\n", stderr);
			return CTL_EXIT_USAGE;
		}
	}
	if (options.socket && options.daemon)
		return usage_error("-s and -d exclude each other", NULL);
	return run(&options, argc - optind, argv + optind);
}
