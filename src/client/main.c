// softlan-client: joins this machine to the LAN of a softlan room.
#include <stdio.h>

#include "client/clientd.h"
#include "common/console.h"

int main(int argc, char **argv)
{
	if (!sl_console_start(&argc, &argv)) {
		fputs("softlan-client: out of memory\n", stderr);
		return SL_EXIT_FAILED;
	}
	int code = sl_client_main(argc, argv);
	sl_console_end();
	return code;
}
