// softlan-client: joins this machine to the LAN of a softlan room.
#include "client/clientd.h"

int main(int argc, char **argv)
{
	return sl_client_main(argc, argv);
}
