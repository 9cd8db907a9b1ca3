#include "daemon/priority.h"

#include <windows.h>

// Above normal programs, as a player's game keeps a core busy and its frames go through us; below what
// Windows itself needs, so that a flood of frames can't take the machine from its owner. A class that
// somebody has chosen for the process (start /high) is left alone.
void sl_priority_start(struct sl_priority *priority, struct sl_loop *loop)
{
	*priority = (struct sl_priority){.loop = loop};
	if (GetPriorityClass(GetCurrentProcess()) == NORMAL_PRIORITY_CLASS)
		SetPriorityClass(GetCurrentProcess(), ABOVE_NORMAL_PRIORITY_CLASS);
}
