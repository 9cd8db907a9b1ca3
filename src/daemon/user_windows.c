#include "daemon/user_windows.h"

TOKEN_USER *user_of_token(HANDLE token)
{
	DWORD size = 0;
	TOKEN_USER *user = NULL;

	if (!GetTokenInformation(token, TokenUser, NULL, 0, &size) && size > 0)
		user = LocalAlloc(LPTR, size);
	if (user && !GetTokenInformation(token, TokenUser, user, size, &size)) {
		LocalFree(user);
		user = NULL;
	}
	return user;
}

TOKEN_USER *user_of_process(void)
{
	HANDLE token;
	TOKEN_USER *user = NULL;

	if (OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) {
		user = user_of_token(token);
		CloseHandle(token);
	}
	return user;
}
