#include "softlanctl/top.h"

static const char why_not[] =
	"top is not there on Windows; watch shows what happens, and peers and stats print the "
	"same numbers once";

const char *ctl_top_impossible(void)
{
	return why_not;
}

int ctl_top(const char *path, unsigned timeout_s, bool colour, struct sl_error *error)
{
	(void)path;
	(void)timeout_s;
	(void)colour;
	return sl_fail(error, SL_ERR_UNSUPPORTED, "%s", why_not);
}
