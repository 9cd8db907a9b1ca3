// The request line of the control socket (OPS-3), cut into words, whatever bytes it holds.
#include "daemon/control_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// Parses a copy that is exactly as large as the contract asks for, so that a sanitizer sees a step too far.
static int parse(const char *bytes, size_t len, char **line, struct sl_control_request *request,
		 struct sl_error *error)
{
	*line = malloc(len + 1);
	assert_non_null(*line);
	memcpy(*line, bytes, len);
	(*line)[len] = 'x';
	memset(request, 0xff, sizeof(*request));
	error->text[0] = '\0';
	return sl_control_request_parse(*line, len, request, error);
}

static void assert_refused(const char *bytes, size_t len, const char *sentence)
{
	struct sl_control_request request;
	struct sl_error error;
	char *line;

	assert_int_equal(parse(bytes, len, &line, &request, &error), SL_ERR_INVALID);
	assert_string_equal(error.text, sentence);
	free(line);
}

#define REFUSED(text, sentence) assert_refused(text, sizeof(text) - 1, sentence)

static void assert_words(const char *text, int argc, const char *const *argv)
{
	struct sl_control_request request;
	struct sl_error error;
	char *line;

	assert_int_equal(parse(text, strlen(text), &line, &request, &error), SL_OK);
	assert_int_equal(request.argc, argc);
	for (int i = 0; i < argc; i++)
		assert_string_equal(request.argv[i], argv[i]);
	free(line);
}

#define WORDS(text, ...)                                                                                     \
	do {                                                                                                 \
		const char *const words[] = {__VA_ARGS__};                                                   \
		assert_words(text, (int)(sizeof(words) / sizeof(*words)), words);                            \
	} while (0)

static void test_OPS_3_words(void **state)
{
	(void)state;
	WORDS("SOFTLAN1 status", "status");
	WORDS("SOFTLAN1 peers lan", "peers", "lan");
	WORDS("SOFTLAN1 status\r", "status"); // as telnet sends it
	WORDS("  SOFTLAN1   kick  lan   7 ", "kick", "lan", "7");
	WORDS("SOFTLAN1 kick größe \xff", "kick", "größe", "\xff"); // bytes, not characters
	WORDS("SOFTLAN1 a b c d e f g h", "a", "b", "c", "d", "e", "f", "g", "h");
}

static void test_OPS_3_refused(void **state)
{
	static const char greeting[] = "expected SOFTLAN1 <verb> [argument…]";
	static const char control[] = "control bytes in the request";
	static const char verb[] = "expected a verb after SOFTLAN1";

	(void)state;
	REFUSED("", greeting);
	REFUSED("\r", greeting);
	REFUSED("   ", greeting);
	REFUSED("SOFTLAN", greeting);
	REFUSED("SOFTLAN2 status", greeting);
	REFUSED("SOFTLAN1status", greeting);
	REFUSED("softlan1 status", greeting);
	REFUSED("SOFTLAN1", verb);
	REFUSED("SOFTLAN1 \r", verb);
	REFUSED("SOFTLAN1 a b c d e f g h i", "too many arguments");
	REFUSED("SOFTLAN1 status\r\r", control); // only one CR belongs to the line's end
	REFUSED("SOFTLAN1 sta\rtus", control);
	REFUSED("SOFTLAN1 sta\0tus", control);
	REFUSED("SOFTLAN1 status\0", control);
	REFUSED("SOFTLAN1\tstatus", control);
	REFUSED("SOFTLAN1 status\x7f", control);
	REFUSED("SOFTLAN1 status\x1b[2J", control);
}

// Nobody reads the sentence: none is asked for.
static void test_OPS_3_no_sentence_asked_for(void **state)
{
	struct sl_control_request request;
	char line[] = "GET / HTTP/1.1";

	(void)state;
	assert_int_equal(sl_control_request_parse(line, strlen(line), &request, NULL), SL_ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_OPS_3_words),
		cmocka_unit_test(test_OPS_3_refused),
		cmocka_unit_test(test_OPS_3_no_sentence_asked_for),
	};
	return cmocka_run_group_tests_name("control request", tests, NULL, NULL);
}
