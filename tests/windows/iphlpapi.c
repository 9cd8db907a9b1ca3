/* A double of iphlpapi.dll for wine, which reads the network's tables but cannot change them. Put beside the
 * program (wine.Prefix.prefer_dll), with a file netd.port that names netd.py's port on the loopback. Each
 * call of the client's goes to netd.py as a line, "NAME WORDS…", which is logged there, and may be made to
 * fail; what changes something changes the Linux tables of the namespace. All else goes to wine's own DLL.
 * Illegal parameters are refused as Windows does. */
#define WIN32_LEAN_AND_MEAN
#define _WIN32_WINNT 0x0a00
#include <winsock2.h>
#include <ws2tcpip.h>
#include <ws2ipdef.h>
#include <windows.h>
#include <iprtrmib.h>
#include <ifdef.h>
#include <nldef.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* What is defined here would be declared as imported. */
#define CancelMibChangeNotify2 other_1
#define CreateIpForwardEntry2 other_2
#define CreateUnicastIpAddressEntry other_3
#define DeleteIpForwardEntry2 other_4
#define DeleteUnicastIpAddressEntry other_5
#define FreeMibTable other_6
#define GetBestRoute2 other_7
#define GetIpForwardTable2 other_8
#define GetIpInterfaceEntry other_9
#define GetUnicastIpAddressTable other_10
#define InitializeIpForwardEntry other_11
#define InitializeIpInterfaceEntry other_12
#define InitializeUnicastIpAddressEntry other_13
#define NotifyIpInterfaceChange other_14
#define NotifyRouteChange2 other_15
#define NotifyUnicastIpAddressChange other_16
#define SetIpInterfaceEntry other_17
#define ConvertInterfaceAliasToLuid other_18
#define ConvertInterfaceGuidToLuid other_19
#define ConvertInterfaceIndexToLuid other_20
#define ConvertInterfaceLuidToAlias other_21
#define ConvertInterfaceLuidToGuid other_22
#define ConvertInterfaceLuidToIndex other_23
#define ConvertInterfaceLuidToNameA other_24
#define ConvertInterfaceLuidToNameW other_25
#define ConvertInterfaceNameToLuidA other_26
#define ConvertInterfaceNameToLuidW other_27
#define GetIfEntry2 other_28
#define GetIfTable2 other_29
#define GetUnicastIpAddressEntry other_30
#define if_indextoname other_31
#define if_nametoindex other_32
#define GetIpInterfaceTable other_33
#include <netioapi.h>
#undef CancelMibChangeNotify2
#undef CreateIpForwardEntry2
#undef CreateUnicastIpAddressEntry
#undef DeleteIpForwardEntry2
#undef DeleteUnicastIpAddressEntry
#undef FreeMibTable
#undef GetBestRoute2
#undef GetIpForwardTable2
#undef GetIpInterfaceEntry
#undef GetUnicastIpAddressTable
#undef InitializeIpForwardEntry
#undef InitializeIpInterfaceEntry
#undef InitializeUnicastIpAddressEntry
#undef NotifyIpInterfaceChange
#undef NotifyRouteChange2
#undef NotifyUnicastIpAddressChange
#undef SetIpInterfaceEntry
#undef ConvertInterfaceAliasToLuid
#undef ConvertInterfaceGuidToLuid
#undef ConvertInterfaceIndexToLuid
#undef ConvertInterfaceLuidToAlias
#undef ConvertInterfaceLuidToGuid
#undef ConvertInterfaceLuidToIndex
#undef ConvertInterfaceLuidToNameA
#undef ConvertInterfaceLuidToNameW
#undef ConvertInterfaceNameToLuidA
#undef ConvertInterfaceNameToLuidW
#undef GetIfEntry2
#undef GetIfTable2
#undef GetUnicastIpAddressEntry
#undef if_indextoname
#undef if_nametoindex
#undef GetIpInterfaceTable

#define EXPORT __declspec(dllexport)
#define ANSWER 16384
#define ILLEGAL 0xffffffffu /* in the place of what the caller has to fill in */

/* ---- wine's own DLL ---- */

static FARPROC real(const char *name)
{
	char path[MAX_PATH + 16];

	GetSystemDirectoryA(path, MAX_PATH);
	strcat(path, "\\iphlpapi.dll");
	return GetProcAddress(LoadLibraryA(path), name);
}

typedef ULONG_PTR(WINAPI *any_function)(ULONG_PTR, ULONG_PTR, ULONG_PTR, ULONG_PTR, ULONG_PTR, ULONG_PTR,
					ULONG_PTR);
#define FORWARD(name)                                                                                        \
	EXPORT ULONG_PTR WINAPI name(ULONG_PTR a, ULONG_PTR b, ULONG_PTR c, ULONG_PTR d, ULONG_PTR e,        \
				     ULONG_PTR f, ULONG_PTR g);                                              \
	ULONG_PTR WINAPI name(ULONG_PTR a, ULONG_PTR b, ULONG_PTR c, ULONG_PTR d, ULONG_PTR e, ULONG_PTR f,  \
			      ULONG_PTR g)                                                                   \
	{                                                                                                    \
		any_function function = (any_function)(void *)real(#name);                                   \
		return function ? function(a, b, c, d, e, f, g) : ERROR_NOT_SUPPORTED;                       \
	}
FORWARD(ConvertInterfaceAliasToLuid)
FORWARD(ConvertInterfaceGuidToLuid)
FORWARD(ConvertInterfaceIndexToLuid)
FORWARD(ConvertInterfaceLuidToAlias)
FORWARD(ConvertInterfaceLuidToGuid)
FORWARD(ConvertInterfaceLuidToIndex)
FORWARD(ConvertInterfaceLuidToNameA)
FORWARD(ConvertInterfaceLuidToNameW)
FORWARD(ConvertInterfaceNameToLuidA)
FORWARD(ConvertInterfaceNameToLuidW)
FORWARD(FreeMibTable)
FORWARD(GetAdaptersAddresses)
FORWARD(GetAdaptersInfo)
FORWARD(GetBestInterface)
FORWARD(GetBestInterfaceEx)
FORWARD(GetBestRoute)
FORWARD(GetIfEntry)
FORWARD(GetIfEntry2)
FORWARD(GetIfTable)
FORWARD(GetIfTable2)
FORWARD(GetInterfaceInfo)
FORWARD(GetIpAddrTable)
FORWARD(GetIpForwardTable)
FORWARD(GetIpInterfaceTable)
FORWARD(GetNetworkParams)
FORWARD(GetPerAdapterInfo)
FORWARD(GetUnicastIpAddressEntry)
FORWARD(NotifyAddrChange)
FORWARD(NotifyRouteChange)
FORWARD(if_indextoname)
FORWARD(if_nametoindex)

/* ---- netd.py ---- */

/* The socket, connected and with the line sent; INVALID_SOCKET: there is no netd. */
static SOCKET send_line(const char *line)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	char path[MAX_PATH + 16], port[16] = "";
	HMODULE self = NULL;
	WSADATA data;
	SOCKET sock;
	FILE *file;

	GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS |
				   GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
			   (const char *)(void *)send_line, &self);
	GetModuleFileNameA(self, path, MAX_PATH);
	strcpy(strrchr(path, '\\') + 1, "netd.port");
	file = fopen(path, "r");
	if (!file)
		return INVALID_SOCKET;
	if (!fgets(port, sizeof port, file))
		port[0] = '\0';
	fclose(file);
	WSAStartup(MAKEWORD(2, 2), &data);
	sock = socket(AF_INET, SOCK_STREAM, 0);
	to.sin_port = htons((unsigned short)atoi(port));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(sock, (struct sockaddr *)&to, sizeof to) != 0 ||
	    send(sock, line, (int)strlen(line), 0) != (int)strlen(line)) {
		closesocket(sock);
		return INVALID_SOCKET;
	}
	return sock;
}

/* The answer's code; `answer` (ANSWER bytes, may be NULL) gets what stands behind it. */
static DWORD ask(char *answer, const char *format, ...)
{
	char line[512], text[ANSWER];
	size_t len = 0;
	va_list args;
	char *rest;
	DWORD code;
	SOCKET sock;
	int n;

	va_start(args, format);
	vsnprintf(line, sizeof line - 1, format, args);
	va_end(args);
	strcat(line, "\n");
	sock = send_line(line);
	if (sock == INVALID_SOCKET)
		return ERROR_NOT_SUPPORTED;
	while (len < sizeof text - 1 && (n = recv(sock, text + len, (int)(sizeof text - 1 - len), 0)) > 0)
		len += (size_t)n;
	closesocket(sock);
	if (len == 0)
		return ERROR_GEN_FAILURE;
	text[len] = '\0';
	code = strtoul(text, &rest, 10);
	if (answer)
		strcpy(answer, rest + (*rest == ' '));
	return code;
}

/* ---- texts ---- */

static const char *address_text(const SOCKADDR_INET *address, char out[INET6_ADDRSTRLEN])
{
	const void *bytes = address->si_family == AF_INET6 ? (const void *)&address->Ipv6.sin6_addr
							   : (const void *)&address->Ipv4.sin_addr;

	if (!InetNtopA(address->si_family, (void *)(uintptr_t)bytes, out, INET6_ADDRSTRLEN))
		strcpy(out, "?");
	return out;
}

static void text_address(const char *text, SOCKADDR_INET *out)
{
	memset(out, 0, sizeof *out);
	out->si_family = strchr(text, ':') ? AF_INET6 : AF_INET;
	InetPtonA(out->si_family, text,
		  out->si_family == AF_INET6 ? (void *)&out->Ipv6.sin6_addr : (void *)&out->Ipv4.sin_addr);
}

static NET_LUID luid_of(NET_LUID luid, NET_IFINDEX index)
{
	if (luid.Value == 0)
		ConvertInterfaceIndexToLuid(index, (ULONG_PTR)&luid, 0, 0, 0, 0, 0);
	return luid;
}

static NET_IFINDEX index_of(NET_LUID luid)
{
	NET_IFINDEX index = 0;

	ConvertInterfaceLuidToIndex((ULONG_PTR)&luid, (ULONG_PTR)&index, 0, 0, 0, 0, 0);
	return index;
}

/* "10.7.0.0/16 0.0.0.0 INDEX METRIC" */
static BOOL text_row(const char *text, MIB_IPFORWARD_ROW2 *out)
{
	char dst[64], via[64], *slash;
	unsigned long index, metric;

	memset(out, 0, sizeof *out);
	if (sscanf(text, "%63s %63s %lu %lu", dst, via, &index, &metric) != 4 || !(slash = strchr(dst, '/')))
		return FALSE;
	*slash = '\0';
	text_address(dst, &out->DestinationPrefix.Prefix);
	out->DestinationPrefix.PrefixLength = (UINT8)atoi(slash + 1);
	text_address(via, &out->NextHop);
	out->InterfaceIndex = index;
	out->InterfaceLuid = luid_of((NET_LUID){0}, index);
	out->Metric = metric;
	out->Protocol = MIB_IPPROTO_NETMGMT;
	return TRUE;
}

/* ---- routes ---- */

EXPORT VOID WINAPI InitializeIpForwardEntry(MIB_IPFORWARD_ROW2 *row);
VOID WINAPI InitializeIpForwardEntry(MIB_IPFORWARD_ROW2 *row)
{
	memset(row, 0, sizeof *row);
	row->ValidLifetime = row->PreferredLifetime = ILLEGAL; /* this one means for ever */
	row->SitePrefixLength = 255;
	row->Metric = ILLEGAL;
	row->Protocol = (NL_ROUTE_PROTOCOL)ILLEGAL;
	row->Loopback = row->AutoconfigureAddress = row->Publish = row->Immortal = TRUE;
}

static DWORD change_route(const char *name, const MIB_IPFORWARD_ROW2 *row, BOOL strict)
{
	char dst[INET6_ADDRSTRLEN], via[INET6_ADDRSTRLEN];
	NET_LUID luid = luid_of(row->InterfaceLuid, row->InterfaceIndex);
	ADDRESS_FAMILY family = row->DestinationPrefix.Prefix.si_family;

	if ((family != AF_INET && family != AF_INET6) || row->NextHop.si_family != family ||
	    row->DestinationPrefix.PrefixLength > (family == AF_INET ? 32 : 128) || luid.Value == 0 ||
	    (strict && (row->Metric == ILLEGAL || row->Protocol != MIB_IPPROTO_NETMGMT ||
			row->SitePrefixLength > row->DestinationPrefix.PrefixLength ||
			row->PreferredLifetime > row->ValidLifetime)))
		return ERROR_INVALID_PARAMETER;
	return ask(NULL, "%s %s/%d %s %lu %lu", name, address_text(&row->DestinationPrefix.Prefix, dst),
		   row->DestinationPrefix.PrefixLength, address_text(&row->NextHop, via),
		   (unsigned long)index_of(luid), (unsigned long)row->Metric);
}

EXPORT DWORD WINAPI CreateIpForwardEntry2(const MIB_IPFORWARD_ROW2 *row);
DWORD WINAPI CreateIpForwardEntry2(const MIB_IPFORWARD_ROW2 *row)
{
	return change_route("CreateIpForwardEntry2", row, TRUE);
}

EXPORT DWORD WINAPI DeleteIpForwardEntry2(const MIB_IPFORWARD_ROW2 *row);
DWORD WINAPI DeleteIpForwardEntry2(const MIB_IPFORWARD_ROW2 *row)
{
	return change_route("DeleteIpForwardEntry2", row, FALSE);
}

EXPORT DWORD WINAPI GetIpForwardTable2(ADDRESS_FAMILY family, MIB_IPFORWARD_TABLE2 **table);
DWORD WINAPI GetIpForwardTable2(ADDRESS_FAMILY family, MIB_IPFORWARD_TABLE2 **table)
{
	char answer[ANSWER], *line;
	DWORD code = ask(answer, "GetIpForwardTable2 %d", family == AF_INET6 ? 6 : 4);
	size_t count = 1;

	*table = NULL;
	if (code != NO_ERROR)
		return code;
	for (const char *p = answer; *p; p++)
		count += *p == '\n';
	*table = HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY,
			   sizeof **table +
				   count * sizeof(*table)->Table[0]); /* as wine's FreeMibTable has it */
	if (!*table)
		return ERROR_NOT_ENOUGH_MEMORY;
	for (line = answer; *line;) {
		char *end = strchr(line, '\n');
		if (end)
			*end = '\0';
		if (text_row(line, &(*table)->Table[(*table)->NumEntries]))
			(*table)->NumEntries++;
		line = end ? end + 1 : line + strlen(line);
	}
	return NO_ERROR;
}

EXPORT DWORD WINAPI GetBestRoute2(NET_LUID *luid, NET_IFINDEX index, const SOCKADDR_INET *source,
				  const SOCKADDR_INET *to, ULONG options, MIB_IPFORWARD_ROW2 *row,
				  SOCKADDR_INET *best_source);
DWORD WINAPI GetBestRoute2(NET_LUID *luid, NET_IFINDEX index, const SOCKADDR_INET *source,
			   const SOCKADDR_INET *to, ULONG options, MIB_IPFORWARD_ROW2 *row,
			   SOCKADDR_INET *best_source)
{
	char answer[ANSWER], text[INET6_ADDRSTRLEN], *rest;
	DWORD code;

	(void)luid, (void)index, (void)source, (void)options;
	code = ask(answer, "GetBestRoute2 %s", address_text(to, text));
	if (code != NO_ERROR)
		return code;
	/* "SOURCE ROW" */
	rest = strchr(answer, ' ');
	if (!rest)
		return ERROR_GEN_FAILURE;
	*rest++ = '\0';
	text_address(answer, best_source);
	return text_row(rest, row) ? NO_ERROR : ERROR_GEN_FAILURE;
}

/* ---- settings ---- */

EXPORT VOID WINAPI InitializeIpInterfaceEntry(MIB_IPINTERFACE_ROW *row);
VOID WINAPI InitializeIpInterfaceEntry(MIB_IPINTERFACE_ROW *row)
{
	memset(row, 0, sizeof *row);
	row->SitePrefixLength = row->Metric = row->NlMtu = ILLEGAL;
}

EXPORT DWORD WINAPI GetIpInterfaceEntry(MIB_IPINTERFACE_ROW *row);
DWORD WINAPI GetIpInterfaceEntry(MIB_IPINTERFACE_ROW *row)
{
	unsigned long metric, automatic, mtu, disabled, connected;
	NET_LUID luid = luid_of(row->InterfaceLuid, row->InterfaceIndex);
	char answer[ANSWER];
	DWORD code;

	if (row->Family != AF_INET && row->Family != AF_INET6)
		return ERROR_INVALID_PARAMETER;
	code = ask(answer, "GetIpInterfaceEntry %lu %d", (unsigned long)index_of(luid),
		   row->Family == AF_INET6 ? 6 : 4);
	if (code != NO_ERROR)
		return code;
	if (sscanf(answer, "%lu %lu %lu %lu %lu", &metric, &automatic, &mtu, &disabled, &connected) != 5)
		return ERROR_GEN_FAILURE;
	row->InterfaceLuid = luid;
	row->InterfaceIndex = index_of(luid);
	row->Metric = metric;
	row->UseAutomaticMetric = automatic != 0;
	row->NlMtu = mtu;
	row->DisableDefaultRoutes = disabled != 0;
	row->Connected = connected != 0;
	row->SitePrefixLength = 64; /* as it is said to come out of Windows, which then refuses it for IPv4 */
	return NO_ERROR;
}

EXPORT DWORD WINAPI SetIpInterfaceEntry(MIB_IPINTERFACE_ROW *row);
DWORD WINAPI SetIpInterfaceEntry(MIB_IPINTERFACE_ROW *row)
{
	NET_LUID luid = luid_of(row->InterfaceLuid, row->InterfaceIndex);

	if ((row->Family != AF_INET && row->Family != AF_INET6) || luid.Value == 0 ||
	    row->SitePrefixLength > (row->Family == AF_INET ? 32u : 128u) ||
	    (row->Family == AF_INET && row->SitePrefixLength != 0) || row->NlMtu < 352)
		return ERROR_INVALID_PARAMETER;
	return ask(NULL, "SetIpInterfaceEntry %lu %d %lu %d %lu %d", (unsigned long)index_of(luid),
		   row->Family == AF_INET6 ? 6 : 4, (unsigned long)row->Metric, row->UseAutomaticMetric != 0,
		   (unsigned long)row->NlMtu, row->DisableDefaultRoutes != 0);
}

/* ---- addresses ---- */

EXPORT VOID WINAPI InitializeUnicastIpAddressEntry(MIB_UNICASTIPADDRESS_ROW *row);
VOID WINAPI InitializeUnicastIpAddressEntry(MIB_UNICASTIPADDRESS_ROW *row)
{
	memset(row, 0, sizeof *row);
	row->PrefixOrigin = IpPrefixOriginUnchanged;
	row->SuffixOrigin = IpSuffixOriginUnchanged;
	row->ValidLifetime = row->PreferredLifetime = ILLEGAL; /* for ever */
	row->OnLinkPrefixLength = 255;
}

static DWORD change_address(const char *name, const MIB_UNICASTIPADDRESS_ROW *row, BOOL strict)
{
	NET_LUID luid = luid_of(row->InterfaceLuid, row->InterfaceIndex);
	ADDRESS_FAMILY family = row->Address.si_family;
	char text[INET6_ADDRSTRLEN];

	if ((family != AF_INET && family != AF_INET6) || luid.Value == 0 ||
	    (strict && row->OnLinkPrefixLength > (family == AF_INET ? 32 : 128)))
		return ERROR_INVALID_PARAMETER;
	return ask(NULL, "%s %s/%d %lu", name, address_text(&row->Address, text),
		   strict ? row->OnLinkPrefixLength : 0, (unsigned long)index_of(luid));
}

EXPORT DWORD WINAPI CreateUnicastIpAddressEntry(const MIB_UNICASTIPADDRESS_ROW *row);
DWORD WINAPI CreateUnicastIpAddressEntry(const MIB_UNICASTIPADDRESS_ROW *row)
{
	return change_address("CreateUnicastIpAddressEntry", row, TRUE);
}

EXPORT DWORD WINAPI DeleteUnicastIpAddressEntry(const MIB_UNICASTIPADDRESS_ROW *row);
DWORD WINAPI DeleteUnicastIpAddressEntry(const MIB_UNICASTIPADDRESS_ROW *row)
{
	return change_address("DeleteUnicastIpAddressEntry", row, FALSE);
}

EXPORT DWORD WINAPI GetUnicastIpAddressTable(ADDRESS_FAMILY family, MIB_UNICASTIPADDRESS_TABLE **table);
DWORD WINAPI GetUnicastIpAddressTable(ADDRESS_FAMILY family, MIB_UNICASTIPADDRESS_TABLE **table)
{
	DWORD(WINAPI * function)
	(ADDRESS_FAMILY, MIB_UNICASTIPADDRESS_TABLE **) = (void *)real("GetUnicastIpAddressTable");
	DWORD code = ask(NULL, "GetUnicastIpAddressTable");

	return code != NO_ERROR ? code : function(family, table);
}

/* ---- changes ---- */

struct notify {
	SOCKET sock;
	HANDLE thread;
	void (*call)(struct notify *notify);
	PIPFORWARD_CHANGE_CALLBACK route;
	PIPINTERFACE_CHANGE_CALLBACK interface_changed;
	PUNICAST_IPADDRESS_CHANGE_CALLBACK address;
	void *context;
};

static DWORD WINAPI notify_thread(void *arg)
{
	struct notify *notify = arg;
	char text[64];

	while (recv(notify->sock, text, sizeof text, 0) > 0) {
		if (notify->route)
			notify->route(notify->context, NULL, MibParameterNotification);
		if (notify->interface_changed)
			notify->interface_changed(notify->context, NULL, MibParameterNotification);
		if (notify->address)
			notify->address(notify->context, NULL, MibParameterNotification);
	}
	return 0;
}

/* With netd.py's --no-notify it is as in wine: success, and a handle of NULL. */
static DWORD notify_start(const char *kind, const struct notify *wanted, HANDLE *handle)
{
	struct notify *notify;

	*handle = NULL;
	if (ask(NULL, "notify?") != NO_ERROR)
		return NO_ERROR;
	notify = calloc(1, sizeof *notify);
	*notify = *wanted;
	notify->sock = send_line(kind);
	if (notify->sock == INVALID_SOCKET) {
		free(notify);
		return ERROR_NOT_ENOUGH_MEMORY;
	}
	notify->thread = CreateThread(NULL, 0, notify_thread, notify, 0, NULL);
	*handle = notify;
	return NO_ERROR;
}

EXPORT DWORD WINAPI NotifyRouteChange2(ADDRESS_FAMILY family, PIPFORWARD_CHANGE_CALLBACK callback,
				       void *context, BOOLEAN initial, HANDLE *handle);
DWORD WINAPI NotifyRouteChange2(ADDRESS_FAMILY family, PIPFORWARD_CHANGE_CALLBACK callback, void *context,
				BOOLEAN initial, HANDLE *handle)
{
	(void)family, (void)initial;
	return notify_start("watch route\n", &(struct notify){.route = callback, .context = context}, handle);
}

EXPORT DWORD WINAPI NotifyIpInterfaceChange(ADDRESS_FAMILY family, PIPINTERFACE_CHANGE_CALLBACK callback,
					    void *context, BOOLEAN initial, HANDLE *handle);
DWORD WINAPI NotifyIpInterfaceChange(ADDRESS_FAMILY family, PIPINTERFACE_CHANGE_CALLBACK callback,
				     void *context, BOOLEAN initial, HANDLE *handle)
{
	(void)family, (void)initial;
	return notify_start("watch link\n",
			    &(struct notify){.interface_changed = callback, .context = context}, handle);
}

EXPORT DWORD WINAPI NotifyUnicastIpAddressChange(ADDRESS_FAMILY family,
						 PUNICAST_IPADDRESS_CHANGE_CALLBACK callback, void *context,
						 BOOLEAN initial, HANDLE *handle);
DWORD WINAPI NotifyUnicastIpAddressChange(ADDRESS_FAMILY family, PUNICAST_IPADDRESS_CHANGE_CALLBACK callback,
					  void *context, BOOLEAN initial, HANDLE *handle)
{
	(void)family, (void)initial;
	return notify_start("watch address\n", &(struct notify){.address = callback, .context = context},
			    handle);
}

EXPORT DWORD WINAPI CancelMibChangeNotify2(HANDLE handle);
DWORD WINAPI CancelMibChangeNotify2(HANDLE handle)
{
	struct notify *notify = handle;

	shutdown(notify->sock, SD_BOTH);
	closesocket(notify->sock);
	WaitForSingleObject(notify->thread, INFINITE);
	CloseHandle(notify->thread);
	free(notify);
	return NO_ERROR;
}
