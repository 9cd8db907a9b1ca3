#include <event2/dns.h>
#include <stdio.h>

#include "net/internal.h"

const char sl_resolve_place[] = "the DNS servers in the network settings";

void sl_resolve_configure(struct sl_loop *loop)
{
	char path[MAX_PATH + 32], system[MAX_PATH];
	UINT len = GetSystemDirectoryA(system, sizeof(system));

	(void)evdns_base_config_windows_nameservers(loop->dns);
	if (len == 0 || len >= sizeof(system))
		return;
	snprintf(path, sizeof(path), "%s\\drivers\\etc\\hosts", system);
	(void)evdns_base_load_hosts(loop->dns, path);
}

bool sl_resolve_reachable(const struct sl_addr *addr)
{
	SOCKET fd = socket(addr->sa.sa_family, SOCK_DGRAM, IPPROTO_UDP);
	bool ok;

	if (fd == INVALID_SOCKET)
		return false;
	ok = connect(fd, &addr->sa, addr->len) == 0;
	closesocket(fd);
	return ok;
}
