#include "daemon/folder.h"

#include <windows.h>

#include <aclapi.h>
#include <sddl.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/wide.h"
#include "daemon/path.h"
#include "daemon/user_windows.h"

// Full access for SYSTEM and administrators, nothing for others; so, too, for what is made in there.
static const wchar_t access[] = L"D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)";

// ProgramData lets everybody make folders: one that was there before us may be a trap.
static bool is_trusted(PSID owner)
{
	static const WELL_KNOWN_SID_TYPE trusted[] = {WinLocalSystemSid, WinBuiltinAdministratorsSid};
	unsigned char sid[SECURITY_MAX_SID_SIZE];
	TOKEN_USER *own;
	bool same;

	for (size_t i = 0; i < sizeof(trusted) / sizeof(trusted[0]); i++) {
		DWORD size = sizeof(sid);
		if (CreateWellKnownSid(trusted[i], NULL, sid, &size) && EqualSid(sid, owner))
			return true;
	}
	// Or ours, an administrator's who makes this.
	own = user_of_process();
	same = own && EqualSid(own->User.Sid, owner);
	LocalFree(own);
	return same;
}

static int take_over(wchar_t *wide, const char *path, PACL acl, struct sl_error *error)
{
	char text[SL_WINDOWS_ERROR];
	PSECURITY_DESCRIPTOR found = NULL;
	PSID owner = NULL;
	DWORD code = GetNamedSecurityInfoW(wide, SE_FILE_OBJECT, OWNER_SECURITY_INFORMATION, &owner, NULL,
					   NULL, NULL, &found);
	bool trusted = code == ERROR_SUCCESS && owner && is_trusted(owner);

	LocalFree(found);
	if (code == ERROR_SUCCESS && !trusted)
		return sl_fail(
			error, SL_ERR_EXISTS,
			"folder %s belongs to a user who is no administrator; look what is in there, and "
			"remove it",
			path);
	if (code == ERROR_SUCCESS)
		code = SetNamedSecurityInfoW(wide, SE_FILE_OBJECT,
					     DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION,
					     NULL, NULL, acl, NULL);
	if (code != ERROR_SUCCESS)
		return sl_fail(error, SL_ERR_SYSTEM, "folder %s cannot be made private: %s", path,
			       sl_windows_error(code, text));
	return SL_OK;
}

int folder_make(struct sl_error *error)
{
	SECURITY_ATTRIBUTES attributes = {.nLength = sizeof(attributes)};
	char *path = sl_path(SL_STATEDIR), text[SL_WINDOWS_ERROR];
	wchar_t *wide = path ? sl_wide(path) : NULL;
	PSECURITY_DESCRIPTOR security = NULL;
	BOOL present, defaulted;
	PACL acl = NULL;
	int rc = SL_OK;

	if (!wide ||
	    !ConvertStringSecurityDescriptorToSecurityDescriptorW(access, SDDL_REVISION_1, &security, NULL)) {
		rc = sl_fail(error, SL_ERR_NOMEM, "folder %s: out of memory", path ? path : SL_STATEDIR);
		goto out;
	}
	attributes.lpSecurityDescriptor = security;
	if (CreateDirectoryW(wide, &attributes))
		goto out;
	if (GetLastError() != ERROR_ALREADY_EXISTS)
		rc = sl_fail(error, SL_ERR_SYSTEM, "folder %s cannot be made: %s", path,
			     sl_windows_error(GetLastError(), text));
	else if (GetSecurityDescriptorDacl(security, &present, &acl, &defaulted) && present)
		rc = take_over(wide, path, acl, error);
out:
	LocalFree(security);
	free(wide);
	free(path);
	return rc;
}
