#include "proto/policy.h"

#include <stdio.h>

const char *sl_policy_names(uint32_t relaxed, char out[static SL_POLICY_NAMES])
{
	size_t used = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < SL_DROP_COUNT && used < SL_POLICY_NAMES; i++) {
		if ((relaxed & SL_POLICY_BIT(i)) != 0)
			used += (size_t)snprintf(out + used, SL_POLICY_NAMES - used, "%s%s",
						 used > 0 ? ", " : "", sl_drop_name((enum sl_drop)i));
	}
	return out;
}
