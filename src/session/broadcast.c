#include "session/broadcast.h"

#include <stdio.h>

#include "obs/json.h"

json_t *sl_broadcast_json(const struct sl_broadcast *broadcast)
{
	const char *flow = broadcast->out > 0 && broadcast->in > 0 ? "both"
			   : broadcast->out > 0                    ? "out_only"
			   : broadcast->in > 0                     ? "in_only"
								   : "none";

	return json_pack("{s:o, s:o, s:s}", "out", sl_json_number(broadcast->out), "in",
			 sl_json_number(broadcast->in), "flow", flow);
}

const char *sl_broadcast_sentence(const struct sl_broadcast *broadcast,
				  char out[static SL_BROADCAST_SENTENCE])
{
	if (broadcast->out > 0 && broadcast->in > 0)
		snprintf(out, SL_BROADCAST_SENTENCE, "Broadcasts cross both ways.");
	else if (broadcast->out > 0)
		snprintf(out, SL_BROADCAST_SENTENCE,
			 "Broadcasts cross one way only: %s's enter the room, none has come from it yet.",
			 broadcast->here);
	else if (broadcast->in > 0)
		snprintf(out, SL_BROADCAST_SENTENCE,
			 "Broadcasts cross one way only: the room's arrive here, none has come from %s yet.",
			 broadcast->here);
	else
		snprintf(out, SL_BROADCAST_SENTENCE, "No broadcast has crossed yet.");
	return out;
}
