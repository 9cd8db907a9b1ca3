#include "relay/expiry.h"

#include <stdio.h>

#include "common/time.h"

#define DAY_S (24 * 60 * 60)

static long long seconds_left(const struct sl_tls_info *certificate, uint64_t wall_ns)
{
	return (long long)certificate->not_after - (long long)(wall_ns / SL_NS_PER_S);
}

// Rounded down, for what lies in the past as well.
static long long days(long long seconds)
{
	return seconds >= 0 ? seconds / DAY_S : -((-seconds + DAY_S - 1) / DAY_S);
}

long long relay_expiry_days(const struct sl_tls_info *certificate, uint64_t wall_ns)
{
	return days(seconds_left(certificate, wall_ns));
}

const char *relay_expiry_sentence(const struct sl_tls_info *certificate, uint64_t wall_ns,
				  char out[static RELAY_EXPIRY_TEXT])
{
	const char *remedy = certificate->development
				     ? "remove it from state_directory, reload, and give the new "
				       "one to the others"
				     : "renew it, then reload";
	long long left = seconds_left(certificate, wall_ns), whole = days(left);

	out[0] = '\0';
	if ((long long)certificate->not_before > (long long)(wall_ns / SL_NS_PER_S))
		snprintf(out, RELAY_EXPIRY_TEXT,
			 "The certificate is not valid yet: check this machine's clock.");
	else if (left < 0)
		snprintf(out, RELAY_EXPIRY_TEXT, "The certificate expired %lld day%s ago: %s.", -whole,
			 whole == -1 ? "" : "s", remedy);
	else if (left < (long long)RELAY_EXPIRY_WARN_DAYS * DAY_S)
		snprintf(out, RELAY_EXPIRY_TEXT, "The certificate expires in %lld day%s: %s.", whole,
			 whole == 1 ? "" : "s", remedy);
	return out;
}
