// softlan-gateway: bridges a wired LAN into a softlan room.
#include <stdlib.h>

#include "gateway/gatewayd.h"

int main(int argc, char **argv)
{
	// A test names another root than /sys; the environment of a set-user-ID start is not trusted.
	return sl_gateway_main(argc, argv, secure_getenv("SOFTLAN_SYSFS"));
}
