#include "helper.h"
#include <stdlib.h>

// HKLM\... or HKCU\...; NULL when it is neither.
static const WCHAR *split(const WCHAR *path, HKEY *root)
{
	*root = !wcsncmp(path, L"HKLM\\", 5) ? HKEY_LOCAL_MACHINE : HKEY_CURRENT_USER;
	return !wcsncmp(path, L"HKLM\\", 5) || !wcsncmp(path, L"HKCU\\", 5) ? path + 5 : NULL;
}

static DWORD open_key(const WCHAR *path, HKEY *key)
{
	HKEY root;
	const WCHAR *below = split(path, &root);

	return below ? RegOpenKeyExW(root, below, 0, KEY_READ | KEY_WRITE, key) : ERROR_INVALID_PARAMETER;
}

// reg-set KEY NAME sz|expand|multi|dword VALUE: `multi` is a list of one text
static DWORD set_verb(struct helper *helper, int argc, WCHAR **argv)
{
	DWORD error, number = wcstoul(argv[4], NULL, 0), size = (DWORD)(wcslen(argv[4]) + 1) * sizeof(WCHAR);
	HKEY root, key;
	const WCHAR *below = split(argv[1], &root);

	(void)helper;
	(void)argc;
	if (!below)
		return ERROR_INVALID_PARAMETER;
	error = RegCreateKeyExW(root, below, 0, NULL, 0, KEY_WRITE, NULL, &key, NULL);
	if (error)
		return error;
	if (!wcscmp(argv[3], L"dword"))
		error = RegSetValueExW(key, argv[2], 0, REG_DWORD, (BYTE *)&number, sizeof(number));
	else if (!wcscmp(argv[3], L"multi"))
		// Behind the last word of a line there is room for another zero: see helper.c.
		error = RegSetValueExW(key, argv[2], 0, REG_MULTI_SZ, (BYTE *)argv[4], size + sizeof(WCHAR));
	else
		error = RegSetValueExW(key, argv[2], 0, wcscmp(argv[3], L"expand") ? REG_SZ : REG_EXPAND_SZ,
				       (BYTE *)argv[4], size);
	RegCloseKey(key);
	return error;
}

// One value as text, a number, or hexadecimal bytes.
static void put_value(struct answer *to, DWORD type, const BYTE *bytes, DWORD size)
{
	DWORD number;

	if (type == REG_DWORD && size == sizeof(number)) {
		memcpy(&number, bytes, sizeof(number));
		answer_number(to, "value", number);
	} else if (type == REG_SZ || type == REG_EXPAND_SZ) {
		answer_text(to, "value", (const WCHAR *)bytes);
	} else {
		answer_hex(to, "value", bytes, size);
	}
}

// reg-get KEY NAME
static DWORD get_verb(struct helper *helper, int argc, WCHAR **argv)
{
	BYTE bytes[4096] = {0};
	DWORD size = sizeof(bytes) - sizeof(WCHAR), type, error;
	HKEY key;

	(void)argc;
	if ((error = open_key(argv[1], &key)))
		return error;
	error = RegQueryValueExW(key, argv[2], NULL, &type, bytes, &size);
	RegCloseKey(key);
	if (!error)
		put_value(&helper->answer, type, bytes, size);
	return error;
}

// reg-list KEY: names of its keys, its values, and when it was last written: 100 ns since 1601, UTC
static DWORD list_verb(struct helper *helper, int argc, WCHAR **argv)
{
	struct answer *to = &helper->answer;
	WCHAR name[1024];
	DWORD error, length, type, size;
	FILETIME written;
	HKEY key;

	(void)argc;
	if ((error = open_key(argv[1], &key)))
		return error;
	answer_bracket(to, "keys", '[');
	for (DWORD i = 0;
	     length = ARRAYSIZE(name), !RegEnumKeyExW(key, i, name, &length, NULL, NULL, NULL, NULL); i++)
		answer_text(to, NULL, name);
	answer_bracket(to, NULL, ']');
	answer_bracket(to, "values", '[');
	for (DWORD i = 0;; i++) {
		BYTE bytes[4096] = {0};

		length = ARRAYSIZE(name);
		size = sizeof(bytes) - sizeof(WCHAR);
		if (RegEnumValueW(key, i, name, &length, NULL, &type, bytes, &size))
			break;
		answer_bracket(to, NULL, '{');
		answer_text(to, "name", name);
		put_value(to, type, bytes, size);
		answer_bracket(to, NULL, '}');
	}
	answer_bracket(to, NULL, ']');
	if (!RegQueryInfoKeyW(key, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, &written))
		answer_number(to, "written", (int64_t)written.dwHighDateTime << 32 | written.dwLowDateTime);
	RegCloseKey(key);
	return 0;
}

// reg-delete KEY [NAME]: the value, or the key with all below it
static DWORD delete_verb(struct helper *helper, int argc, WCHAR **argv)
{
	HKEY root, key;
	const WCHAR *below = split(argv[1], &root);
	DWORD error;

	(void)helper;
	if (!below)
		return ERROR_INVALID_PARAMETER;
	if (argc < 3)
		return RegDeleteTreeW(root, below);
	if (!(error = open_key(argv[1], &key))) {
		error = RegDeleteValueW(key, argv[2]);
		RegCloseKey(key);
	}
	return error;
}

const struct verb *registry_verbs(void)
{
	static const struct verb verbs[] = {
		{L"reg-set", 5, set_verb},
		{L"reg-get", 3, get_verb},
		{L"reg-list", 2, list_verb},
		{L"reg-delete", 2, delete_verb},
		{0},
	};
	return verbs;
}
