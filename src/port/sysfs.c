// What the kernel says of an interface before it is used (GW-1), as files under /sys/class/net.
#include "port/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARPHRD_ETHERNET 1 // linux/if_arp.h
#define ARPHRD_LOOP 772

static bool name_valid(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < IFNAMSIZ && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

// "SYSFS/class/net/INTERFACE/FILE" (FILE may be ""); false: it does not fit.
static bool path_of(char *out, size_t size, const char *sysfs, const char *interface, const char *file)
{
	int len = snprintf(out, size, "%s/class/net/%s/%s", sysfs, interface, file);

	return len > 0 && (size_t)len < size;
}

static bool exists(const char *sysfs, const char *interface, const char *file)
{
	char path[512];
	struct stat st;

	return path_of(path, sizeof(path), sysfs, interface, file) && stat(path, &st) == 0;
}

// Reads a number (decimal, or hexadecimal with 0x). 0, or the errno of the failure.
static int read_number(const char *sysfs, const char *interface, const char *file, long *out)
{
	char path[512], text[64], *end;
	ssize_t len;
	int fd, why = 0;

	if (!path_of(path, sizeof(path), sysfs, interface, file))
		return ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	len = read(fd, text, sizeof(text) - 1);
	if (len < 0)
		why = errno;
	close(fd);
	if (why != 0)
		return why;
	text[len] = '\0';
	errno = 0;
	*out = strtol(text, &end, 0);
	if (end == text || errno != 0 || (*end != '\0' && *end != '\n'))
		return ENODATA;
	return 0;
}

static int check_type(const char *sysfs, const char *interface, struct sl_error *error)
{
	long type = 0;
	int why;

	// Wi-Fi also calls itself Ethernet, so that comes first.
	if (exists(sysfs, interface, "wireless") || exists(sysfs, interface, "phy80211"))
		return sl_fail(
			error, SL_ERR_UNSUPPORTED,
			"interface %s: this is Wi-Fi, and an access point takes frames only from the MAC "
			"addresses that have joined it, so the remote players would not be heard; use a "
			"wired "
			"interface",
			interface);
	why = read_number(sysfs, interface, "type", &type);
	if (why != 0)
		return sl_fail(error, SL_ERR_SYSTEM, "interface %s: its type can't be read from %s (%s)",
			       interface, sysfs, strerror(why));
	if (type == ARPHRD_LOOP)
		return sl_fail(
			error, SL_ERR_UNSUPPORTED,
			"interface %s: this is the loopback interface; use the wired interface that leads to "
			"the LAN",
			interface);
	if (type != ARPHRD_ETHERNET)
		return sl_fail(
			error, SL_ERR_UNSUPPORTED,
			"interface %s: this is no Ethernet (type %ld); use the wired interface that leads to "
			"the LAN",
			interface, type);
	return SL_OK;
}

static int check_carrier(const char *sysfs, const char *interface, struct sl_error *error)
{
	long flags = 0, carrier = 0;
	int why;

	why = read_number(sysfs, interface, "flags", &flags);
	if (why == 0 && (flags & IFF_UP) == 0)
		why = EINVAL;
	else
		why = read_number(sysfs, interface, "carrier", &carrier);
	if (why == EINVAL) // the kernel's answer for `carrier` while the interface is down
		return sl_fail(error, SL_ERR_SYSTEM, "interface %s: it is down; run: ip link set %s up",
			       interface, interface);
	if (why != 0)
		return sl_fail(error, SL_ERR_SYSTEM, "interface %s: its carrier can't be read from %s (%s)",
			       interface, sysfs, strerror(why));
	if (carrier != 1)
		return sl_fail(error, SL_ERR_SYSTEM,
			       "interface %s: no carrier; check the cable and that the switch at its other "
			       "end is on",
			       interface);
	return SL_OK;
}

int sl_packet_check(const char *sysfs, const char *interface, struct sl_error *error)
{
	int rc;

	if (!name_valid(interface))
		return sl_fail(error, SL_ERR_INVALID,
			       "interface: expected the name of a wired interface, 1 to %d characters, such "
			       "as \"eth0\"",
			       IFNAMSIZ - 1);
	if (!exists(sysfs, interface, ""))
		return sl_fail(error, SL_ERR_NOT_FOUND,
			       "interface %s: there is no such interface; `ip link` shows those there are",
			       interface);
	rc = check_type(sysfs, interface, error);
	return rc != SL_OK ? rc : check_carrier(sysfs, interface, error);
}
