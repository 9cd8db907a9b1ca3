// What the environment asks of the system itself.
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/types.h>

#include "net/internal.h"

bool sl_system_start(void)
{
	return true;
}

void sl_system_stop(void)
{
}

void sl_system_random(void *out, size_t len)
{
	uint8_t *at = out;

	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);

		if (got < 0) {
			if (errno == EINTR)
				continue;
			// Every kernel with UDP_GRO has getrandom; going on without randomness would give
			// guessable keys and connection ids.
			abort();
		}
		at += got;
		len -= (size_t)got;
	}
}
