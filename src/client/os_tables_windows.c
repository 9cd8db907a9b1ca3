#include <sys/socket.h> // before windows.h

#include "client/os_tables_windows.h"

#include <windows.h>

#include <iphlpapi.h>
#include <netioapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/wide.h"

// ---- errors ----

static int code_of(DWORD code)
{
	switch (code) {
	case NO_ERROR:
		return SL_OK;
	case ERROR_NOT_FOUND:
	case ERROR_FILE_NOT_FOUND:
	case ERROR_NETWORK_UNREACHABLE:
	case ERROR_HOST_UNREACHABLE:
		return SL_ERR_NOT_FOUND;
	case ERROR_OBJECT_ALREADY_EXISTS:
	case ERROR_ALREADY_EXISTS:
		return SL_ERR_EXISTS;
	case ERROR_ACCESS_DENIED:
		return SL_ERR_PERMISSION;
	case ERROR_NOT_ENOUGH_MEMORY:
		return SL_ERR_NOMEM;
	case ERROR_NOT_SUPPORTED:
		return SL_ERR_UNSUPPORTED;
	default:
		return SL_ERR_SYSTEM;
	}
}

static bool interface_name(void *arg, uint64_t luid, char out[static OS_NAME])
{
	NET_LUID id = {.Value = luid};
	WCHAR alias[NDIS_IF_MAX_STRING_SIZE + 1];
	NET_IFINDEX index = 0;
	char *name = NULL;
	int len;

	(void)arg;
	ConvertInterfaceLuidToIndex(&id, &index);
	if (ConvertInterfaceLuidToAlias(&id, alias, sizeof alias / sizeof alias[0]) == NO_ERROR)
		name = sl_narrow(alias);
	len = name ? (int)strlen(name) : 0;
	if (len > OS_NAME - 32) { // cut between characters
		len = OS_NAME - 32;
		while (len > 0 && ((unsigned char)name[len] & 0xc0) == 0x80)
			len--;
	}
	if (len > 0)
		snprintf(out, OS_NAME, "%.*s (interface %lu)", len, name, (unsigned long)index);
	else
		snprintf(out, OS_NAME, "interface %llx", (unsigned long long)luid);
	free(name);
	return len > 0;
}

// `luid` 0: no interface is named.
static int fail(struct sl_error *error, DWORD code, const char *function, const char *what, uint64_t luid)
{
	char name[OS_NAME] = "", text[SL_WINDOWS_ERROR];

	if (code == NO_ERROR)
		return SL_OK;
	if (luid != 0)
		interface_name(NULL, luid, name);
	return sl_fail(error, code_of(code), "%s %s%s%s: %s", function, what, name[0] ? " on " : "", name,
		       sl_windows_error(code, text));
}

// ---- addresses of Windows ----

static void to_socket(const struct prefix *prefix, int family, SOCKADDR_INET *out)
{
	memset(out, 0, sizeof *out);
	out->si_family = (ADDRESS_FAMILY)family;
	if (prefix->family == AF_INET)
		memcpy(&out->Ipv4.sin_addr, prefix->addr, 4);
	else if (prefix->family == AF_INET6)
		memcpy(&out->Ipv6.sin6_addr, prefix->addr, 16);
}

static bool from_socket(const SOCKADDR_INET *address, unsigned len, struct prefix *out)
{
	if (address->si_family == AF_INET)
		return prefix_set(out, AF_INET, &address->Ipv4.sin_addr, 4, len);
	return prefix_set(out, address->si_family, &address->Ipv6.sin6_addr, 16, len);
}

// A host's address; of no family when it is the unspecified one.
static void host_from_socket(const SOCKADDR_INET *address, struct prefix *out)
{
	static const uint8_t none[16];

	if (!from_socket(address, address->si_family == AF_INET ? 32 : 128, out) ||
	    memcmp(out->addr, none, sizeof none) == 0)
		memset(out, 0, sizeof *out);
}

static bool from_row(const MIB_IPFORWARD_ROW2 *row, struct os_route *out)
{
	memset(out, 0, sizeof *out);
	if (!from_socket(&row->DestinationPrefix.Prefix, row->DestinationPrefix.PrefixLength, &out->dst))
		return false;
	host_from_socket(&row->NextHop, &out->via);
	out->luid = row->InterfaceLuid.Value;
	out->metric = row->Metric;
	return true;
}

static void to_row(const struct os_route *route, MIB_IPFORWARD_ROW2 *out)
{
	InitializeIpForwardEntry(out);
	out->InterfaceLuid.Value = route->luid;
	to_socket(&route->dst, route->dst.family, &out->DestinationPrefix.Prefix);
	out->DestinationPrefix.PrefixLength = route->dst.len;
	to_socket(&route->via, route->dst.family, &out->NextHop);
	out->SitePrefixLength = 0;
	out->Metric = route->metric;
	out->Protocol = MIB_IPPROTO_NETMGMT;
}

// ---- settings ----

static DWORD get_interface(uint64_t luid, int family, MIB_IPINTERFACE_ROW *row)
{
	InitializeIpInterfaceEntry(row);
	row->Family = (ADDRESS_FAMILY)family;
	row->InterfaceLuid.Value = luid;
	return GetIpInterfaceEntry(row);
}

static const char *family_text(int family)
{
	return family == AF_INET ? "IPv4" : "IPv6";
}

static int settings(void *arg, uint64_t luid, int family, uint32_t out[static OS_SETTINGS],
		    struct sl_error *error)
{
	MIB_IPINTERFACE_ROW row;
	DWORD code = get_interface(luid, family, &row);

	(void)arg;
	if (code != NO_ERROR)
		return fail(error, code, "GetIpInterfaceEntry", family_text(family), luid);
	out[OS_DEFAULT_ROUTES] = !row.DisableDefaultRoutes;
	out[OS_METRIC] = row.UseAutomaticMetric ? OS_METRIC_AUTOMATIC : row.Metric;
	out[OS_MTU] = row.NlMtu;
	return SL_OK;
}

static int setting_set(void *arg, uint64_t luid, int family, enum os_setting setting, uint32_t value,
		       struct sl_error *error)
{
	static const char *const names[] = {"default routes", "metric", "MTU"};
	MIB_IPINTERFACE_ROW row;
	char what[64];
	DWORD code = get_interface(luid, family, &row);

	(void)arg;
	if (code != NO_ERROR)
		return fail(error, code, "GetIpInterfaceEntry", family_text(family), luid);
	// What comes out of GetIpInterfaceEntry is refused for IPv4 without this.
	if (family == AF_INET)
		row.SitePrefixLength = 0;
	switch (setting) {
	case OS_DEFAULT_ROUTES:
		row.DisableDefaultRoutes = value == 0;
		break;
	case OS_METRIC:
		row.UseAutomaticMetric = value == OS_METRIC_AUTOMATIC;
		if (!row.UseAutomaticMetric)
			row.Metric = value;
		break;
	case OS_MTU:
	case OS_SETTINGS:
		row.NlMtu = value;
		break;
	}
	code = SetIpInterfaceEntry(&row);
	if (setting == OS_METRIC && value == OS_METRIC_AUTOMATIC)
		snprintf(what, sizeof what, "%s metric automatic", family_text(family));
	else
		snprintf(what, sizeof what, "%s %s %lu", family_text(family), names[setting],
			 (unsigned long)value);
	return fail(error, code, "SetIpInterfaceEntry", what, luid);
}

// ---- routes ----

static int routes(void *arg, uint64_t luid, int family, struct os_route *out, size_t max, size_t *count,
		  struct sl_error *error)
{
	MIB_IPFORWARD_TABLE2 *table = NULL;
	DWORD code = GetIpForwardTable2((ADDRESS_FAMILY)family, &table);

	(void)arg;
	*count = 0;
	if (code == ERROR_NOT_FOUND) // not one
		return SL_OK;
	if (code != NO_ERROR)
		return fail(error, code, "GetIpForwardTable2", family_text(family), luid);
	for (ULONG i = 0; i < table->NumEntries && *count < max; i++) {
		if (table->Table[i].InterfaceLuid.Value == luid && from_row(&table->Table[i], &out[*count]))
			(*count)++;
	}
	FreeMibTable(table);
	return SL_OK;
}

static int change_route(const char *function, DWORD(NETIOAPI_API_ *change)(const MIB_IPFORWARD_ROW2 *),
			const struct os_route *route, struct sl_error *error)
{
	char dst[PREFIX_TEXT];
	MIB_IPFORWARD_ROW2 row;

	to_row(route, &row);
	return fail(error, change(&row), function, prefix_format(&route->dst, dst), route->luid);
}

static int route_add(void *arg, const struct os_route *route, struct sl_error *error)
{
	(void)arg;
	return change_route("CreateIpForwardEntry2", CreateIpForwardEntry2, route, error);
}

static int route_delete(void *arg, const struct os_route *route, struct sl_error *error)
{
	(void)arg;
	return change_route("DeleteIpForwardEntry2", DeleteIpForwardEntry2, route, error);
}

// Longest prefix, then the least sum of the two metrics, among interfaces that are connected.
static int way_by_table(const struct prefix *host, uint64_t except, struct os_way *out,
			struct sl_error *error)
{
	MIB_IPFORWARD_TABLE2 *table = NULL;
	DWORD code = GetIpForwardTable2((ADDRESS_FAMILY)host->family, &table);
	bool found = false;

	if (code != NO_ERROR)
		return fail(error, code, "GetIpForwardTable2", family_text(host->family), 0);
	for (ULONG i = 0; i < table->NumEntries; i++) {
		MIB_IPINTERFACE_ROW interface_row;
		struct os_route route;
		if (!from_row(&table->Table[i], &route) || route.luid == except ||
		    !prefix_overlaps(&route.dst, host) || (found && route.dst.len < out->route.dst.len) ||
		    get_interface(route.luid, host->family, &interface_row) != NO_ERROR ||
		    !interface_row.Connected || (route.dst.len == 0 && interface_row.DisableDefaultRoutes))
			continue;
		if (found && route.dst.len == out->route.dst.len &&
		    (uint64_t)route.metric + interface_row.Metric >=
			    (uint64_t)out->route.metric + out->interface_metric)
			continue;
		*out = (struct os_way){.route = route, .interface_metric = interface_row.Metric};
		found = true;
	}
	FreeMibTable(table);
	return found ? SL_OK : fail(error, ERROR_NOT_FOUND, "GetIpForwardTable2", "has no way", 0);
}

static int best_way(void *arg, const struct prefix *host, uint64_t except, struct os_way *out,
		    struct sl_error *error)
{
	SOCKADDR_INET to, source;
	MIB_IPFORWARD_ROW2 row;
	MIB_IPINTERFACE_ROW interface_row;
	char text[PREFIX_TEXT];
	DWORD code;

	(void)arg;
	memset(out, 0, sizeof *out);
	to_socket(host, host->family, &to);
	code = GetBestRoute2(NULL, 0, NULL, &to, 0, &row, &source);
	if (code == ERROR_NOT_SUPPORTED ||
	    (code == NO_ERROR && row.InterfaceLuid.Value == except && except != 0))
		return way_by_table(host, except, out, error);
	if (code != NO_ERROR || !from_row(&row, &out->route))
		return fail(error, code != NO_ERROR ? code : ERROR_INVALID_DATA, "GetBestRoute2",
			    prefix_format(host, text), 0);
	host_from_socket(&source, &out->source);
	if (get_interface(out->route.luid, host->family, &interface_row) == NO_ERROR)
		out->interface_metric = interface_row.Metric;
	return SL_OK;
}

// ---- addresses ----

static int addresses(void *arg, struct os_address *out, size_t max, size_t *count, struct sl_error *error)
{
	MIB_UNICASTIPADDRESS_TABLE *table = NULL;
	DWORD code = GetUnicastIpAddressTable(AF_UNSPEC, &table);

	(void)arg;
	*count = 0;
	if (code != NO_ERROR)
		return fail(error, code, "GetUnicastIpAddressTable", "of all interfaces", 0);
	for (ULONG i = 0; i < table->NumEntries && *count < max; i++) {
		const MIB_UNICASTIPADDRESS_ROW *row = &table->Table[i];
		if (row->InterfaceLuid.Info.IfType == IF_TYPE_SOFTWARE_LOOPBACK ||
		    !from_socket(&row->Address, row->OnLinkPrefixLength, &out[*count].prefix))
			continue;
		out[*count].luid = row->InterfaceLuid.Value;
		out[*count].usable =
			row->DadState == IpDadStatePreferred || row->DadState == IpDadStateDeprecated;
		(*count)++;
	}
	FreeMibTable(table);
	return SL_OK;
}

static int change_address(const char *function,
			  DWORD(NETIOAPI_API_ *change)(const MIB_UNICASTIPADDRESS_ROW *), uint64_t luid,
			  const struct prefix *address, struct sl_error *error)
{
	char text[PREFIX_TEXT];
	MIB_UNICASTIPADDRESS_ROW row;

	InitializeUnicastIpAddressEntry(&row);
	to_socket(address, address->family, &row.Address);
	row.InterfaceLuid.Value = luid;
	row.OnLinkPrefixLength = address->len;
	return fail(error, change(&row), function, prefix_format(address, text), luid);
}

static int address_add(void *arg, uint64_t luid, const struct prefix *address, struct sl_error *error)
{
	(void)arg;
	return change_address("CreateUnicastIpAddressEntry", CreateUnicastIpAddressEntry, luid, address,
			      error);
}

static int address_delete(void *arg, uint64_t luid, const struct prefix *address, struct sl_error *error)
{
	(void)arg;
	return change_address("DeleteUnicastIpAddressEntry", DeleteUnicastIpAddressEntry, luid, address,
			      error);
}

const struct os_tables os_tables_windows = {
	.best_way = best_way,
	.routes = routes,
	.route_add = route_add,
	.route_delete = route_delete,
	.settings = settings,
	.setting_set = setting_set,
	.addresses = addresses,
	.address_add = address_add,
	.address_delete = address_delete,
	.name = interface_name,
};

int os_interface(int ifindex, uint64_t *luid, struct sl_error *error)
{
	NET_LUID id = {0};
	char what[32];
	DWORD code = ConvertInterfaceIndexToLuid((NET_IFINDEX)ifindex, &id);

	*luid = id.Value;
	snprintf(what, sizeof what, "of index %d", ifindex);
	return fail(error, code, "ConvertInterfaceIndexToLuid", what, 0);
}
