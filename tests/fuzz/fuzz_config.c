// Configuration files (OPS-1): the bytes are read as each daemon's file. What is taken is dumped, and the
// dump is read as the same; all else ends in errors with sentences. Behind SEPARATOR stands a second file,
// "part", for @include; nothing outside the harness's own directory is read.
#include <sys/stat.h>
#include <unistd.h>

#include "client/config.h"
#include "daemon/options.h"
#include "fuzz.h"
#include "gateway/config.h"
#include "relay/config.h"

#define SEPARATOR "\n#part\n"
#define INCLUDE "@include"

struct kind {
	const struct sl_option *table;
	void (*validate)(const void *config, const char *file, struct sl_option_errors *errors);
};

union any_config {
	struct relay_config relay;
	struct sl_gateway_config gateway;
	struct sl_client_config client;
};

struct files {
	char main[80], part[80], dump[80];
};

static void write_file(const char *path, const uint8_t *data, size_t size)
{
	FILE *file = fopen(path, "wb");

	CHECK(file != NULL);
	CHECK(size == 0 || fwrite(data, 1, size, file) == size);
	CHECK(fclose(file) == 0);
}

// An include may name files of its own directory only: slashes behind the word become something else.
static void write_tamed(const char *path, const uint8_t *data, size_t size)
{
	uint8_t *text = fuzz_copy(data, size), *at = text, *end = text + size;

	while ((at = memmem(at, (size_t)(end - at), INCLUDE, strlen(INCLUDE))) != NULL) {
		for (; at < end && *at != '\n'; at++)
			*at = *at == '/' ? '_' : *at;
	}
	write_file(path, text, size);
	free(text);
}

static void check_errors(const struct sl_option_errors *errors, bool quotes_libconfig)
{
	size_t lines = 0;

	CHECK((errors->count > 0) == (errors->text != NULL));
	if (!errors->text)
		return;
	for (const unsigned char *p = (const unsigned char *)errors->text; *p; p++) {
		CHECK(*p == '\n' || (*p >= 0x20 && *p != 0x7f));
		lines += *p == '\n';
	}
	CHECK(lines == (errors->count < SL_OPTION_ERRORS_MAX ? errors->count : SL_OPTION_ERRORS_MAX));
	// libconfig itself must not come to see an include.
	CHECK(quotes_libconfig || strstr(errors->text, "include file") == NULL);
}

// A configuration that was taken says the same when it is dumped and read again.
static void check_dump(const struct kind *kind, const union any_config *config, const struct files *files)
{
	struct sl_option_errors errors = {0};
	union any_config again;
	FILE *out = fopen(files->dump, "wb");

	CHECK(out != NULL);
	sl_options_dump(kind->table, config, out);
	CHECK(fclose(out) == 0);
	CHECK(sl_options_defaults(kind->table, &again) == SL_OK);
	if (sl_options_load(kind->table, &again, files->dump, &errors) != SL_OK)
		fputs(errors.text, stderr);
	CHECK(errors.count == 0);
	for (const struct sl_option *option = kind->table; option->name; option++) {
		if (!sl_option_equal(option, config, &again))
			fprintf(stderr, "%s is not what it was\n", option->name);
		CHECK(sl_option_equal(option, config, &again));
	}
	sl_options_free(kind->table, &again);
}

static void check_kind(const struct kind *kind, const struct files *files, bool quotes_libconfig)
{
	struct sl_option_errors errors = {0};
	union any_config config;
	int rc;

	CHECK(sl_options_defaults(kind->table, &config) == SL_OK);
	rc = sl_options_load(kind->table, &config, files->main, &errors);
	CHECK(rc == SL_OK || rc == SL_ERR_INVALID);
	CHECK((rc == SL_OK) == (errors.count == 0));
	check_errors(&errors, quotes_libconfig);
	if (rc == SL_OK) {
		kind->validate(&config, files->main, &errors);
		check_errors(&errors, quotes_libconfig);
		check_dump(kind, &config, files);
	}
	sl_option_errors_free(&errors);
	sl_options_free(kind->table, &config);
}

// A value from the command line.
static void check_set(const struct kind *kind, const uint8_t *data, size_t size)
{
	char *value = fuzz_text(data, size);
	union any_config config;

	CHECK(sl_options_defaults(kind->table, &config) == SL_OK);
	for (const struct sl_option *option = kind->table; option->name; option++) {
		const char *dot = strrchr(option->name, '.');
		struct sl_error error = {.text = ""};

		if (option->cli && sl_options_set(kind->table, &config, dot ? dot + 1 : option->name, value,
						  &error) != SL_OK)
			CHECK(error.text[0] != '\0');
	}
	sl_options_free(kind->table, &config);
	free(value);
}

// libconfig loses a few bytes at some syntax errors behind a string, each time that a daemon is told to read
// such a file. Not ours to free.
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:strbuf_append\nleak:libconfig_yylex\n";
}

// One directory for the whole run; it is removed when the process ends.
static char directory[64];

static void remove_files(void)
{
	CHECK(chdir(directory) == 0);
	(void)unlink("main");
	(void)unlink("part");
	(void)unlink("dump");
	(void)rmdir(directory);
}

static void make_directory(void)
{
	const char *parent = getenv("TMPDIR");

	snprintf(directory, sizeof(directory), "%s/softlan-fuzz.XXXXXX",
		 parent && strlen(parent) < 40          ? parent
		 : access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm"
							: "/tmp");
	CHECK(mkdtemp(directory) != NULL);
	CHECK(atexit(remove_files) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct kind kinds[] = {
		{relay_options, relay_config_validate},
		{sl_gateway_options, sl_gateway_validate},
		{sl_client_options, sl_client_validate},
	};
	const size_t separator = strlen(SEPARATOR);
	const uint8_t *cut = memmem(data, size, SEPARATOR, separator);
	size_t len = cut ? (size_t)(cut - data) : size;
	bool quotes = memmem(data, size, "include file", 12) != NULL;
	struct files files;

	if (directory[0] == '\0')
		make_directory();
	snprintf(files.main, sizeof(files.main), "%s/main", directory);
	snprintf(files.part, sizeof(files.part), "%s/part", directory);
	snprintf(files.dump, sizeof(files.dump), "%s/dump", directory);
	write_tamed(files.main, data, len);
	write_tamed(files.part, cut ? cut + separator : data, cut ? size - len - separator : 0);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		check_kind(&kinds[i], &files, quotes);
		check_set(&kinds[i], data, len < 512 ? len : 512);
	}
	return 0;
}
