// Windows: whom a token is for.
#pragma once

#include <sys/socket.h> // before windows.h

#include <windows.h>

// The token's user, to be freed with LocalFree(); NULL: it can't be told.
TOKEN_USER *user_of_token(HANDLE token);
TOKEN_USER *user_of_process(void);
