// Where this system keeps its name servers, and how it is asked for a route.
#include <event2/dns.h>
#include <unistd.h>

#include "net/internal.h"

const char sl_resolve_place[] = "/etc/resolv.conf";

void sl_resolve_configure(struct sl_loop *loop)
{
	// Without the file, or without a name server in it, the resolver on this machine is asked, as
	// resolv.conf(5) says; evdns does that by itself.
	(void)evdns_base_resolv_conf_parse(loop->dns, DNS_OPTIONS_ALL & ~DNS_OPTION_HOSTSFILE,
					   loop->resolv_conf ? loop->resolv_conf : sl_resolve_place);
	(void)evdns_base_load_hosts(loop->dns, loop->hosts ? loop->hosts : "/etc/hosts");
}

bool sl_resolve_reachable(const struct sl_addr *addr)
{
	int fd = socket(addr->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
	bool ok;

	if (fd < 0)
		return false;
	ok = connect(fd, &addr->sa, addr->len) == 0;
	close(fd);
	return ok;
}
