// The client's identity: one locally administered MAC, made once and kept in a file (CORE-2).
#pragma once

#include "common/mac.h"
#include "net/env.h"

// The MAC of `file`, {"mac":"02:…"}, which is made (with its directory, mode 0600) when it does not
// exist. A file that is there but cannot be used is an error, never replaced. `override` (not "")
// comes first: then the file is neither read nor made. SL_OK or a code with a sentence.
int identity_load(struct sl_env *env, const char *file, const char *override, struct sl_mac *out,
		  struct sl_error *error);

// Is this text a MAC that can be an identity? SL_OK or SL_ERR_INVALID with what was expected.
int identity_check_mac(const char *text, struct sl_error *error);
