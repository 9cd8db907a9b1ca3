#include <sys/socket.h> // before windows.h

#include "client/os_tables_windows.h"

#include <windows.h>

#include <iphlpapi.h>
#include <netioapi.h>
#include <stdlib.h>

#include "net/async.h"

struct os_watch {
	struct sl_async *async;
	HANDLE routes, interfaces, addresses; // NULL: the system does not tell
};

// These run on threads of the system.
static void WINAPI on_route(void *async, MIB_IPFORWARD_ROW2 *row, MIB_NOTIFICATION_TYPE type)
{
	(void)row, (void)type;
	sl_async_send(async);
}

static void WINAPI on_interface(void *async, MIB_IPINTERFACE_ROW *row, MIB_NOTIFICATION_TYPE type)
{
	(void)row, (void)type;
	sl_async_send(async);
}

static void WINAPI on_address(void *async, MIB_UNICASTIPADDRESS_ROW *row, MIB_NOTIFICATION_TYPE type)
{
	(void)row, (void)type;
	sl_async_send(async);
}

struct os_watch *os_watch_new(struct sl_loop *loop, void (*fn)(void *arg), void *arg)
{
	struct os_watch *watch = calloc(1, sizeof *watch);

	if (!watch)
		return NULL;
	watch->async = sl_loop_async(loop, fn, arg);
	if (!watch->async) {
		free(watch);
		return NULL;
	}
	// A failure is no reason to stop: all is looked at every few seconds anyway.
	if (NotifyRouteChange2(AF_UNSPEC, on_route, watch->async, FALSE, &watch->routes) != NO_ERROR)
		watch->routes = NULL;
	if (NotifyIpInterfaceChange(AF_UNSPEC, on_interface, watch->async, FALSE, &watch->interfaces) !=
	    NO_ERROR)
		watch->interfaces = NULL;
	if (NotifyUnicastIpAddressChange(AF_UNSPEC, on_address, watch->async, FALSE, &watch->addresses) !=
	    NO_ERROR)
		watch->addresses = NULL;
	return watch;
}

void os_watch_free(struct os_watch *watch)
{
	if (!watch)
		return;
	// Each waits until no callback runs any more.
	if (watch->routes)
		CancelMibChangeNotify2(watch->routes);
	if (watch->interfaces)
		CancelMibChangeNotify2(watch->interfaces);
	if (watch->addresses)
		CancelMibChangeNotify2(watch->addresses);
	sl_async_free(watch->async);
	free(watch);
}
