// What a terminal's bytes say: keys.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// A printable ASCII character is itself.
enum ctl_key {
	CTL_KEY_NONE = 0, // nothing that means anything here
	CTL_KEY_UP = 256,
	CTL_KEY_DOWN,
	CTL_KEY_PAGE_UP,
	CTL_KEY_PAGE_DOWN,
	CTL_KEY_HOME,
	CTL_KEY_END,
	CTL_KEY_OPEN, // Enter, right
	CTL_KEY_BACK, // Escape, backspace, left
};

// The first key in the bytes, and in *used how many it took; 0: a sequence has begun and the rest is yet to
// come. `last`: nothing more comes, so a lone ESC is the Escape key.
int ctl_key_decode(const unsigned char *in, size_t len, bool last, size_t *used);
