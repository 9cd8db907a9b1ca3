#include "daemon/path.h"

#include <string.h>

char *sl_path(const char *text)
{
	return strdup(text);
}
