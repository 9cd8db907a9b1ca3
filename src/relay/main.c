// softlan-relay: the meeting point of gateways and clients.
#include "relay/relayd.h"

int main(int argc, char **argv)
{
	return sl_daemon_main(&relay_daemon, argc, argv);
}
