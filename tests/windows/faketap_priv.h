// The fake TAP driver's inside: faketap.c has the devices, faketap_queue.c frames and waiting requests.
#pragma once
#include <ntddk.h>
#include "faketap.h"

struct ft_frame {
	LIST_ENTRY entry;
	ULONG head; // as in a record of the back door
	UCHAR bytes[];
};

// Requests (IRPs) that wait. Each knows its list, so that cancelling it can count.
struct ft_requests {
	LIST_ENTRY list;
	ULONG count, peak;
};

struct ft_frames {
	LIST_ENTRY list;
	ULONG count;
};

typedef void WINAPI ft_clock(LARGE_INTEGER *now);

struct ft_driver {
	DRIVER_OBJECT *object;
	ft_clock *clock; // 100 ns since 1601, UTC
	DEVICE_OBJECT *back_door;
	LIST_ENTRY adapters;
	KSPIN_LOCK lock; // one for everything
};

struct ft_adapter {
	LIST_ENTRY entry;
	struct ft_driver *driver;
	DEVICE_OBJECT *device;
	WCHAR guid[FT_GUID], device_name[64], link_name[80];
	UCHAR mac[6];
	ULONG version[3], mtu;
	BOOLEAN busy, plugged, media;
	FILE_OBJECT *opener;
	struct ft_frames to_client, to_back;
	struct ft_requests client_reads, back_reads, back_writes;
	ULONG written, read, lost;
	ULONG logged;
	struct ft_entry log[FT_HISTORY];
};

// What each device's extension holds. The back door has no adapter.
struct ft_device {
	struct ft_driver *driver;
	struct ft_adapter *adapter;
};

// Completes a request and returns its status.
NTSTATUS ft_done(IRP *irp, NTSTATUS status, ULONG_PTR information);

void ft_queues_init(struct ft_adapter *adapter);

// Lets a request wait in a list of the adapter, and then does what can be done. Returns STATUS_PENDING.
NTSTATUS ft_wait(struct ft_adapter *adapter, struct ft_requests *requests, IRP *irp);

// Puts a frame (or, without bytes, the news of the media) into the queue for the back door.
void ft_to_back(struct ft_adapter *adapter, ULONG head, const UCHAR *bytes, ULONG length);

// Moves frames to those who wait for them.
void ft_run(struct ft_adapter *adapter);

// Completes the waiting requests of this file (NULL: of all) with STATUS_CANCELLED.
void ft_cancel_all(struct ft_adapter *adapter, struct ft_requests *requests, FILE_OBJECT *file);

// Throws away the frames of a queue.
void ft_drop_all(struct ft_adapter *adapter, struct ft_frames *frames);
