#include "daemon/folder.h"

#include <windows.h>

#include <aclapi.h>
#include <sddl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <wchar.h>

#include "common/wide.h"
#include "daemon/path.h"
#include "daemon/user_windows.h"

// Full access for SYSTEM and administrators, nothing for others; so, too, for what is made in there.
static const wchar_t access[] = L"D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)";

// SYSTEM, administrators, and the service that installs Windows itself (NT SERVICE\\TrustedInstaller).
static bool is_trusted(PSID who)
{
	static const wchar_t *const trusted[] = {
		L"S-1-5-18", L"S-1-5-32-544",
		L"S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"};
	bool found = false;

	for (size_t i = 0; !found && i < sizeof(trusted) / sizeof(trusted[0]); i++) {
		PSID sid = NULL;
		if (ConvertStringSidToSidW(trusted[i], &sid))
			found = EqualSid(sid, who);
		LocalFree(sid);
	}
	return found;
}

static bool is_own(PSID who)
{
	TOKEN_USER *own = user_of_process();
	bool same = own && EqualSid(own->User.Sid, who);

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
	// ProgramData lets everybody make folders: one that was there before us may be a trap. Ours is an
	// administrator's, who makes this.
	bool trusted = code == ERROR_SUCCESS && owner && (is_trusted(owner) || is_own(owner));

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

// Does the list let somebody else write? Without a list all may do everything.
static bool others_write(PACL acl)
{
	const DWORD changes = FILE_WRITE_DATA | FILE_DELETE_CHILD | DELETE | WRITE_DAC | WRITE_OWNER |
			      GENERIC_WRITE | GENERIC_ALL;
	ACCESS_ALLOWED_ACE *entry;

	if (!acl)
		return true;
	for (DWORD i = 0; i < acl->AceCount; i++) {
		if (GetAce(acl, i, (void **)&entry) && entry->Header.AceType == ACCESS_ALLOWED_ACE_TYPE &&
		    !(entry->Header.AceFlags & INHERIT_ONLY_ACE) && (entry->Mask & changes) != 0 &&
		    !is_trusted(&entry->SidStart))
			return true;
	}
	return false;
}

static bool is_open(wchar_t *path)
{
	PSECURITY_DESCRIPTOR found = NULL;
	PSID owner = NULL;
	PACL acl = NULL;
	DWORD code = GetNamedSecurityInfoW(path, SE_FILE_OBJECT,
					   OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, &owner,
					   NULL, &acl, NULL, &found);
	bool open = code == ERROR_SUCCESS && ((owner && !is_trusted(owner)) || others_write(acl));

	LocalFree(found);
	return open;
}

bool folder_is_open(const wchar_t *file)
{
	wchar_t *path = _wcsdup(file), *name = path ? wcsrchr(path, L'\\') : NULL;
	bool open = path && is_open(path);

	if (!open && name) {
		*name = L'\0'; // its folder
		open = is_open(path);
	}
	free(path);
	return open;
}
