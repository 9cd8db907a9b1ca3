#include <sys/socket.h>

#include <bcrypt.h>
#include <mmsystem.h>
#include <stdlib.h>
#include <timeapi.h>

#include "net/internal.h"

// Otherwise timers fire at the next tick of 15.6 ms, and QUIC paces its packets in fractions of a
// millisecond.
#define TIMER_MS 1

bool sl_system_start(void)
{
	WSADATA data;

	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return false;
	timeBeginPeriod(TIMER_MS);
	return true;
}

void sl_system_stop(void)
{
	timeEndPeriod(TIMER_MS);
	WSACleanup();
}

void sl_system_random(void *out, size_t len)
{
	uint8_t *at = out;

	while (len > 0) {
		ULONG part = len > 65536 ? 65536 : (ULONG)len;

		// Going on without randomness would give guessable keys and connection ids.
		if (BCryptGenRandom(NULL, at, part, BCRYPT_USE_SYSTEM_PREFERRED_RNG) != 0)
			abort();
		at += part;
		len -= part;
	}
}
