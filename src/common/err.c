#include "common/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/bytes.h"

const char *sl_strerror(int code)
{
	switch (code) {
	case SL_OK:
		return "ok";
	case SL_ERR_NOMEM:
		return "out of memory";
	case SL_ERR_INVALID:
		return "invalid input";
	case SL_ERR_AGAIN:
		return "full, try again";
	case SL_ERR_TOO_LARGE:
		return "too large";
	case SL_ERR_CLOSED:
		return "closed";
	case SL_ERR_PROTO:
		return "protocol error";
	case SL_ERR_NOT_FOUND:
		return "not found";
	case SL_ERR_EXISTS:
		return "exists already";
	case SL_ERR_PERMISSION:
		return "not permitted";
	case SL_ERR_SYSTEM:
		return "system call failed";
	case SL_ERR_TLS:
		return "TLS failed";
	case SL_ERR_UNSUPPORTED:
		return "not supported";
	case SL_ERR_LIMIT:
		return "limit reached";
	default:
		return "unknown error";
	}
}

int sl_fail(struct sl_error *error, int code, const char *format, ...)
{
	int saved_errno = errno;
	va_list args;
	int n;

	if (error == NULL)
		return code;
	va_start(args, format);
	n = vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	if (n < 0)
		error->text[0] = '\0';
	else if ((size_t)n >= sizeof(error->text))
		error->text[sl_utf8_whole(error->text, sizeof(error->text) - 1)] = '\0';
	errno = saved_errno;
	return code;
}
