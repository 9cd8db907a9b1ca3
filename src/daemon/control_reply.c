#include "daemon/control.h"

void sl_control_answer(struct sl_control_reply *reply, json_t *json)
{
	reply->json = json;
	if (json != NULL)
		return;
	reply->code = "failed";
	sl_fail(&reply->error, SL_ERR_NOMEM, "out of memory");
}

bool sl_control_usage(struct sl_control_reply *reply, int argc, int max, const char *text)
{
	if (argc <= max)
		return true;
	reply->code = "usage";
	sl_fail(&reply->error, SL_ERR_INVALID, "usage: %s", text);
	return false;
}

void sl_control_watch(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	(void)arg;
	(void)argv;
	sl_control_usage(reply, argc, 1, "watch");
}
