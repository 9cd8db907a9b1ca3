// The driver's back door: adapters, their state and log.
#include "helper.h"
#include <stdlib.h>

DWORD back_open(struct helper *helper)
{
	if (helper->back)
		return 0;
	helper->back = CreateFileW(L"\\\\.\\" FT_BACK_DOOR, GENERIC_READ | GENERIC_WRITE, 0, NULL,
				   OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
	if (helper->back != INVALID_HANDLE_VALUE)
		return 0;
	helper->back = NULL;
	return GetLastError();
}

static bool parse_setting(struct ft_set *set, WCHAR *word)
{
	WCHAR *value = wcschr(word, '=');

	if (!value)
		return false;
	*value++ = 0;
	if (!wcscmp(word, L"mac")) {
		set->what |= FT_MAC;
		return hex_bytes(value, set->mac, sizeof(set->mac)) == sizeof(set->mac);
	}
	if (!wcscmp(word, L"version")) {
		set->what |= FT_VERSION;
		set->version[0] = wcstoul(value, &value, 10);
		set->version[1] = *value == '.' ? wcstoul(value + 1, &value, 10) : 0;
		return !*value;
	}
	if (!wcscmp(word, L"mtu")) {
		set->what |= FT_MTU;
		set->mtu = wcstoul(value, NULL, 10);
		return true;
	}
	if (!wcscmp(word, L"busy")) {
		set->what |= FT_BUSY;
		set->busy = *value == '1';
		return true;
	}
	if (!wcscmp(word, L"plugged")) {
		set->what |= FT_PLUGGED;
		set->plugged = *value == '1';
		return true;
	}
	return false;
}

// set GUID [mac=HEX] [version=9.27] [mtu=N] [busy=0|1] [plugged=0|1]
static DWORD set_verb(struct helper *helper, int argc, WCHAR **argv)
{
	struct ft_set set = {0};
	DWORD error = back_open(helper);

	wcsncpy(set.guid, argv[1], FT_GUID - 1);
	for (int i = 2; i < argc; i++)
		if (!parse_setting(&set, argv[i]))
			return ERROR_INVALID_PARAMETER;
	return error ? error : control(helper->back, FT_SET, &set, sizeof(set), NULL, 0, NULL);
}

// state GUID
static DWORD state_verb(struct helper *helper, int argc, WCHAR **argv)
{
	struct answer *to = &helper->answer;
	WCHAR guid[FT_GUID] = L"";
	struct ft_state state;
	DWORD error = back_open(helper);

	(void)argc;
	wcsncpy(guid, argv[1], FT_GUID - 1);
	if (!error)
		error = control(helper->back, FT_STATE, guid, sizeof(guid), &state, sizeof(state), NULL);
	if (error)
		return error;
	answer_number(to, "opened", state.opened);
	answer_number(to, "media", state.media);
	answer_number(to, "plugged", state.plugged);
	answer_number(to, "busy", state.busy);
	answer_number(to, "reads", state.reads);
	answer_number(to, "reads_peak", state.reads_peak);
	answer_number(to, "to_client", state.to_client);
	answer_number(to, "to_back", state.to_back);
	answer_number(to, "written", state.written);
	answer_number(to, "read", state.read);
	answer_number(to, "lost", state.lost);
	return 0;
}

// log GUID AFTER
static DWORD log_verb(struct helper *helper, int argc, WCHAR **argv)
{
	struct answer *to = &helper->answer;
	struct ft_log ask = {.after = wcstoul(argv[2], NULL, 10)};
	struct ft_entry *entries = calloc(FT_HISTORY, sizeof(*entries));
	DWORD error = entries ? back_open(helper) : ERROR_OUTOFMEMORY, got = 0;

	(void)argc;
	wcsncpy(ask.guid, argv[1], FT_GUID - 1);
	if (!error)
		error = control(helper->back, FT_LOG, &ask, sizeof(ask), entries,
				FT_HISTORY * sizeof(*entries), &got);
	answer_bracket(to, "entries", '[');
	for (DWORD i = 0; !error && i < got / sizeof(*entries); i++) {
		answer_bracket(to, NULL, '{');
		answer_number(to, "number", entries[i].number);
		answer_number(to, "event", entries[i].event);
		answer_number(to, "value", entries[i].value);
		answer_number(to, "status", (ULONG)entries[i].status);
		answer_number(to, "time", entries[i].time);
		answer_bracket(to, NULL, '}');
	}
	answer_bracket(to, NULL, ']');
	free(entries);
	return error;
}

const struct verb *driver_verbs(void)
{
	static const struct verb verbs[] = {
		{L"set", 2, set_verb},
		{L"state", 2, state_verb},
		{L"log", 3, log_verb},
		{L"bridge", 3, bridge_verb},
		{0},
	};
	return verbs;
}
