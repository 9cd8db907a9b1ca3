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

static int take_over(HANDLE folder, const char *path, PACL acl, struct sl_error *error)
{
	char text[SL_WINDOWS_ERROR];
	BY_HANDLE_FILE_INFORMATION info;
	PSECURITY_DESCRIPTOR found = NULL;
	PSID owner = NULL;
	DWORD code = GetSecurityInfo(folder, SE_FILE_OBJECT, OWNER_SECURITY_INFORMATION, &owner, NULL, NULL,
				     NULL, &found);
	// ProgramData lets everybody make folders: one that was there before us may be a trap. Ours is an
	// administrator's, who makes this.
	bool trusted = code == ERROR_SUCCESS && owner && (is_trusted(owner) || is_own(owner));

	LocalFree(found);
	if (code == ERROR_SUCCESS && !GetFileInformationByHandle(folder, &info))
		code = GetLastError();
	if (code == ERROR_SUCCESS && ((info.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) ||
				      !(info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)))
		return sl_fail(error, SL_ERR_EXISTS, "%s is not a folder, but a file or a link; remove it",
			       path);
	if (code == ERROR_SUCCESS && !trusted)
		return sl_fail(
			error, SL_ERR_EXISTS,
			"folder %s belongs to a user who is no administrator; look what is in there, and "
			"remove it",
			path);
	if (code == ERROR_SUCCESS)
		code = SetSecurityInfo(folder, SE_FILE_OBJECT,
				       DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION, NULL,
				       NULL, acl, NULL);
	if (code != ERROR_SUCCESS)
		return sl_fail(error, SL_ERR_SYSTEM, "folder %s cannot be made private: %s", path,
			       sl_windows_error(code, text));
	return SL_OK;
}

// As it is, and not what it may link to: that may be the system's own, and be another one tomorrow.
static HANDLE open_folder(const wchar_t *path)
{
	return CreateFileW(path, READ_CONTROL | WRITE_DAC | FILE_LIST_DIRECTORY | FILE_READ_ATTRIBUTES,
			   FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, OPEN_EXISTING,
			   FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT, NULL);
}

int folder_make(struct sl_error *error)
{
	SECURITY_ATTRIBUTES attributes = {.nLength = sizeof(attributes)};
	char *path = sl_path(SL_STATEDIR), text[SL_WINDOWS_ERROR];
	wchar_t *wide = path ? sl_wide(path) : NULL;
	PSECURITY_DESCRIPTOR security = NULL;
	BOOL present, defaulted;
	HANDLE folder;
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
	folder = GetLastError() == ERROR_ALREADY_EXISTS ? open_folder(wide) : INVALID_HANDLE_VALUE;
	if (folder == INVALID_HANDLE_VALUE) {
		rc = sl_fail(error, SL_ERR_SYSTEM, "folder %s cannot be made: %s", path,
			     sl_windows_error(GetLastError(), text));
		goto out;
	}
	if (GetSecurityDescriptorDacl(security, &present, &acl, &defaulted) && present)
		rc = take_over(folder, path, acl, error);
	CloseHandle(folder);
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
