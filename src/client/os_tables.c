#include "client/os_tables.h"

#include <arpa/inet.h>
#include <stdio.h>

bool os_route_same_way(const struct os_route *a, const struct os_route *b)
{
	if (a->luid != b->luid || a->via.family != b->via.family)
		return false;
	return a->via.family == 0 || prefix_same_addr(&a->via, &b->via);
}

bool os_route_equal(const struct os_route *a, const struct os_route *b)
{
	return prefix_equal(&a->dst, &b->dst) && os_route_same_way(a, b);
}

char *os_route_format(const struct os_tables *tables, const struct os_route *route,
		      char out[static OS_ROUTE_TEXT])
{
	char dst[PREFIX_TEXT], name[OS_NAME], via[INET6_ADDRSTRLEN] = "";

	tables->name(tables->arg, route->luid, name);
	if (route->via.family != 0)
		inet_ntop(route->via.family, route->via.addr, via, sizeof via);
	snprintf(out, OS_ROUTE_TEXT, "%s by %s%s%s", prefix_format(&route->dst, dst), name,
		 via[0] ? " via " : "", via);
	return out;
}
