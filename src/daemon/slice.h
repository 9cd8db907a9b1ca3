// How long the system's scheduler lets this process run before another one that waits has its turn.
#pragma once

// Asks for short slices (100 us), so that a frame that comes in while the machine is busy is worked on soon:
// Linux runs whose slice ends first, and all others ask for some 3 ms. It takes no share of the processor
// from anybody, and no privilege. Without effect before Linux 6.12, and when a policy of its own has been
// chosen for the process.
void sl_short_slices(void);
