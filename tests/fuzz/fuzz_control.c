// The control socket's request line (OPS-3): words inside the line, or a sentence.
#include "daemon/control_request.h"
#include "fuzz.h"

static char *line_of(const uint8_t *data, size_t size)
{
	char *line = malloc(size + 1); // line[size] is the parser's

	CHECK(line != NULL);
	if (size > 0)
		memcpy(line, data, size);
	return line;
}

static void check_words(const struct sl_control_request *request, const char *line, size_t len)
{
	struct sl_control_request again;
	size_t room = sizeof("SOFTLAN1") + len + SL_CONTROL_ARGS_MAX, used;
	const char *end = line;
	char *text = malloc(room);

	CHECK(text != NULL);
	CHECK(request->argc >= 1 && request->argc <= SL_CONTROL_ARGS_MAX);
	used = (size_t)snprintf(text, room, "SOFTLAN1");
	for (int i = 0; i < request->argc; i++) {
		const char *word = request->argv[i];

		CHECK(word > end && word < line + len); // in order, none twice
		end = word + strlen(word);
		CHECK(end > word && end <= line + len);
		CHECK(strcspn(word, " \t\r\n\x1b\x7f") == strlen(word));
		used += (size_t)snprintf(text + used, room - used, " %s", word);
	}
	// The same words, written as plainly as can be, are the same request.
	CHECK(used < room);
	CHECK(sl_control_request_parse(text, used, &again, NULL) == SL_OK && again.argc == request->argc);
	for (int i = 0; i < again.argc; i++)
		CHECK(strcmp(again.argv[i], request->argv[i]) == 0);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_control_request request;
	struct sl_error error = {.text = ""};
	char *line = line_of(data, size);
	int rc = sl_control_request_parse(line, size, &request, &error);

	CHECK(rc == SL_OK || rc == SL_ERR_INVALID);
	if (rc == SL_OK)
		check_words(&request, line, size);
	else
		fuzz_check_sentence(error.text);
	// No control byte ever comes through (a CR at the very end belongs to the line's end).
	for (size_t i = 0; i < size; i++)
		CHECK(rc != SL_OK || data[i] >= 0x20 || (i + 1 == size && data[i] == '\r'));
	free(line);
	return 0;
}
