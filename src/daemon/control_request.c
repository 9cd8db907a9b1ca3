#include "daemon/control_request.h"

#include <string.h>

#define GREETING "SOFTLAN1"

int sl_control_request_parse(char *line, size_t len, struct sl_control_request *out, struct sl_error *error)
{
	out->argc = 0;
	if (len > 0 && line[len - 1] == '\r') // as terminals and telnet send it
		len--;
	line[len] = '\0';
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			return sl_fail(error, SL_ERR_INVALID, "control bytes in the request");
	}
	char *save = NULL, *word = strtok_r(line, " ", &save);
	if (!word || strcmp(word, GREETING) != 0)
		return sl_fail(error, SL_ERR_INVALID, "expected " GREETING " <verb> [argument…]");
	while ((word = strtok_r(NULL, " ", &save))) {
		if (out->argc == SL_CONTROL_ARGS_MAX)
			return sl_fail(error, SL_ERR_INVALID, "too many arguments");
		out->argv[out->argc++] = word;
	}
	if (out->argc == 0)
		return sl_fail(error, SL_ERR_INVALID, "expected a verb after " GREETING);
	return SL_OK;
}
