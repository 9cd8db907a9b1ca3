// A fake TAP-Windows6 driver for wine: a kernel driver with the real one's device names, codes, refusals and
// order of things, and a back door in the place of Windows' IP stack. Clients open it by the same code path
// as the real one.
//
// Where it can't be as the real one: wine opens a device whatever the driver says to IRP_MJ_CREATE. The real
// driver refuses a second opener with STATUS_UNSUCCESSFUL, which CreateFile reports as ERROR_GEN_FAILURE
// (31). Here CreateFile succeeds, and everything that is done with the handle fails with that status.
#include "faketap_priv.h"

static struct ft_device *here(DEVICE_OBJECT *device)
{
	return device->DeviceExtension;
}

// As if disabled since, or refused: a file without adapter.
static struct ft_adapter *adapter_of(IRP *irp)
{
	return IoGetCurrentIrpStackLocation(irp)->FileObject->FsContext;
}

static NTSTATUS note(struct ft_adapter *adapter, ULONG event, ULONG value, NTSTATUS status)
{
	struct ft_entry *entry = &adapter->log[adapter->logged++ % FT_HISTORY];
	LARGE_INTEGER now;

	adapter->driver->clock(&now);
	*entry = (struct ft_entry){.number = adapter->logged,
				   .event = event,
				   .value = value,
				   .status = status,
				   .time = now.QuadPart};
	return status;
}

static BOOLEAN same(const WCHAR *a, const WCHAR *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static WCHAR *append(WCHAR *to, const WCHAR *text)
{
	while (*text)
		*to++ = *text++;
	*to = 0;
	return to;
}

static struct ft_adapter *find(struct ft_driver *driver, const WCHAR *guid)
{
	for (LIST_ENTRY *one = driver->adapters.Flink; one != &driver->adapters; one = one->Flink) {
		struct ft_adapter *adapter = CONTAINING_RECORD(one, struct ft_adapter, entry);
		if (same(adapter->guid, guid))
			return adapter;
	}
	return NULL;
}

// ---- adapters, as the back door makes and changes them

static NTSTATUS link_device(struct ft_adapter *adapter, BOOLEAN make)
{
	UNICODE_STRING name, link;

	RtlInitUnicodeString(&name, adapter->device_name);
	RtlInitUnicodeString(&link, adapter->link_name);
	return make ? IoCreateSymbolicLink(&link, &name) : IoDeleteSymbolicLink(&link);
}

static NTSTATUS adapter_new(struct ft_driver *driver, const WCHAR *guid, struct ft_adapter **made)
{
	struct ft_adapter *adapter = ExAllocatePool(NonPagedPool, sizeof(*adapter));
	UNICODE_STRING name;
	NTSTATUS status;

	if (!adapter)
		return STATUS_INSUFFICIENT_RESOURCES;
	RtlZeroMemory(adapter, sizeof(*adapter));
	adapter->driver = driver;
	append(adapter->guid, guid);
	append(append(append(adapter->device_name, L"\\Device\\"), guid), L".tap");
	append(append(append(adapter->link_name, L"\\DosDevices\\Global\\"), guid), L".tap");
	RtlCopyMemory(adapter->mac, "\x00\xff\x12\x34\x56\x78", 6);
	adapter->version[0] = 9;
	adapter->version[1] = 27;
	adapter->mtu = 1500;
	ft_queues_init(adapter);
	RtlInitUnicodeString(&name, adapter->device_name);
	status = IoCreateDevice(driver->object, sizeof(struct ft_device), &name, FILE_DEVICE_UNKNOWN,
				FILE_DEVICE_SECURE_OPEN, FALSE, &adapter->device);
	if (!NT_SUCCESS(status)) {
		ExFreePool(adapter);
		return status;
	}
	*here(adapter->device) = (struct ft_device){driver, adapter};
	adapter->device->Flags |= DO_DIRECT_IO;
	adapter->device->Flags &= ~DO_DEVICE_INITIALIZING;
	InsertTailList(&driver->adapters, &adapter->entry);
	*made = adapter;
	return STATUS_SUCCESS;
}

static void set_media(struct ft_adapter *adapter, BOOLEAN media)
{
	if (adapter->media == media)
		return;
	adapter->media = media;
	ft_to_back(adapter, FT_MEDIA | media, NULL, 0);
}

// What the real driver does when the client's file is closed, or the device goes away.
static void reset(struct ft_adapter *adapter)
{
	set_media(adapter, FALSE);
	ft_drop_all(adapter, &adapter->to_client);
	ft_cancel_all(adapter, &adapter->client_reads, NULL);
}

static NTSTATUS plug(struct ft_adapter *adapter, BOOLEAN plugged)
{
	if (adapter->plugged == plugged)
		return STATUS_SUCCESS;
	adapter->plugged = plugged;
	if (!plugged) {
		reset(adapter);
		if (adapter->opener)
			adapter->opener->FsContext = NULL;
		adapter->opener = NULL;
	}
	return note(adapter, plugged ? FT_BACK : FT_GONE, 0, link_device(adapter, plugged));
}

static NTSTATUS change(struct ft_driver *driver, const struct ft_set *set)
{
	struct ft_adapter *adapter = find(driver, set->guid);
	BOOLEAN plugged = TRUE;

	if (!adapter) {
		NTSTATUS status = adapter_new(driver, set->guid, &adapter);
		if (!NT_SUCCESS(status))
			return status;
	} else {
		plugged = adapter->plugged;
	}
	if (set->what & FT_MAC)
		RtlCopyMemory(adapter->mac, set->mac, sizeof(adapter->mac));
	if (set->what & FT_VERSION)
		RtlCopyMemory(adapter->version, set->version, sizeof(adapter->version));
	if (set->what & FT_MTU)
		adapter->mtu = set->mtu;
	if (set->what & FT_BUSY)
		adapter->busy = set->busy != 0;
	if (set->what & FT_PLUGGED)
		plugged = set->plugged != 0;
	return plug(adapter, plugged);
}

// ---- what the client asks for

static NTSTATUS tap_control(struct ft_adapter *adapter, IRP *irp)
{
	IO_STACK_LOCATION *at = IoGetCurrentIrpStackLocation(irp);
	ULONG in = at->Parameters.DeviceIoControl.InputBufferLength;
	ULONG room = at->Parameters.DeviceIoControl.OutputBufferLength;
	ULONG code = at->Parameters.DeviceIoControl.IoControlCode;
	ULONG *buffer = irp->AssociatedIrp.SystemBuffer, size, value = 0;
	const void *from;

	switch (code) {
	case TAP_GET_MAC:
		from = adapter->mac, size = sizeof(adapter->mac);
		break;
	case TAP_GET_VERSION:
		from = adapter->version, size = sizeof(adapter->version);
		break;
	case TAP_GET_MTU:
		from = &adapter->mtu, size = sizeof(adapter->mtu);
		break;
	case TAP_SET_MEDIA_STATUS:
		if (in < sizeof(*buffer))
			return ft_done(irp, note(adapter, code, 0, STATUS_INVALID_PARAMETER), 0);
		value = buffer[0];
		note(adapter, code, value, STATUS_SUCCESS);
		// Reads that wait already go on waiting.
		set_media(adapter, (UCHAR)value == TRUE);
		return ft_done(irp, STATUS_SUCCESS, 1);
	default:
		return ft_done(irp, note(adapter, code, 0, STATUS_INVALID_DEVICE_REQUEST), 0);
	}
	if (room < size)
		return ft_done(irp, note(adapter, code, 0, STATUS_BUFFER_TOO_SMALL), 0);
	RtlCopyMemory(buffer, from, size);
	return ft_done(irp, note(adapter, code, 0, STATUS_SUCCESS), size);
}

static NTSTATUS tap_write(struct ft_adapter *adapter, IRP *irp)
{
	ULONG length = IoGetCurrentIrpStackLocation(irp)->Parameters.Write.Length;
	const UCHAR *bytes;
	UCHAR padded[60];

	if (!irp->MdlAddress)
		return ft_done(irp, STATUS_INVALID_PARAMETER, 0);
	if (length < 14)
		return ft_done(irp, STATUS_BUFFER_TOO_SMALL, 0);
	// Header, VLAN tag and MTU: Windows' IP stack would throw away what is longer; here the client hears
	// of it.
	if (length > 14 + 4 + adapter->mtu)
		return ft_done(irp, STATUS_INVALID_PARAMETER, 0);
	if (!(bytes = MmGetSystemAddressForMdlSafe(irp->MdlAddress, NormalPagePriority)))
		return ft_done(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
	adapter->written++;
	if (length < sizeof(padded)) {
		RtlZeroMemory(padded, sizeof(padded));
		RtlCopyMemory(padded, bytes, length);
		ft_to_back(adapter, sizeof(padded), padded, sizeof(padded));
	} else {
		ft_to_back(adapter, length, bytes, length);
	}
	return ft_done(irp, STATUS_SUCCESS, length);
}

// ---- what the tests ask for

static void state_of(const struct ft_adapter *adapter, struct ft_state *state)
{
	*state = (struct ft_state){
		.opened = adapter->opener != NULL,
		.media = adapter->media,
		.plugged = adapter->plugged,
		.busy = adapter->busy,
		.reads = adapter->client_reads.count,
		.reads_peak = adapter->client_reads.peak,
		.to_client = adapter->to_client.count,
		.to_back = adapter->to_back.count,
		.written = adapter->written,
		.read = adapter->read,
		.lost = adapter->lost,
	};
}

static ULONG copy_log(const struct ft_adapter *adapter, ULONG after, struct ft_entry *to, ULONG room)
{
	ULONG first = adapter->logged > FT_HISTORY ? adapter->logged - FT_HISTORY : 0, count = 0;

	for (ULONG i = after > first ? after : first; i < adapter->logged && count < room; i++)
		to[count++] = adapter->log[i % FT_HISTORY];
	return count * sizeof(*to);
}

static NTSTATUS back_control(struct ft_driver *driver, IRP *irp)
{
	IO_STACK_LOCATION *at = IoGetCurrentIrpStackLocation(irp);
	ULONG in = at->Parameters.DeviceIoControl.InputBufferLength;
	ULONG room = at->Parameters.DeviceIoControl.OutputBufferLength;
	ULONG code = at->Parameters.DeviceIoControl.IoControlCode;
	WCHAR *guid = irp->AssociatedIrp.SystemBuffer; // all begin with it
	struct ft_adapter *adapter;
	ULONG after;

	if (in < (code == FT_SET ? sizeof(struct ft_set) : FT_GUID * sizeof(*guid)))
		return ft_done(irp, STATUS_INVALID_PARAMETER, 0);
	guid[FT_GUID - 1] = 0;
	if (code == FT_SET)
		return ft_done(irp, change(driver, (struct ft_set *)guid), 0);
	if (!(adapter = find(driver, guid)))
		return ft_done(irp, STATUS_NO_SUCH_DEVICE, 0);
	switch (code) {
	case FT_SELECT:
		at->FileObject->FsContext = adapter;
		ft_to_back(adapter, FT_MEDIA | adapter->media, NULL, 0);
		return ft_done(irp, STATUS_SUCCESS, 0);
	case FT_STATE:
		if (room < sizeof(struct ft_state))
			return ft_done(irp, STATUS_BUFFER_TOO_SMALL, 0);
		state_of(adapter, (struct ft_state *)guid);
		return ft_done(irp, STATUS_SUCCESS, sizeof(struct ft_state));
	case FT_LOG:
		if (in < sizeof(struct ft_log))
			return ft_done(irp, STATUS_INVALID_PARAMETER, 0);
		after = ((struct ft_log *)guid)->after;
		return ft_done(
			irp, STATUS_SUCCESS,
			copy_log(adapter, after, (struct ft_entry *)guid, room / sizeof(struct ft_entry)));
	default:
		return ft_done(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
	}
}

// ---- requests of both devices

static NTSTATUS WINAPI on_create(DEVICE_OBJECT *device, IRP *irp)
{
	FILE_OBJECT *file = IoGetCurrentIrpStackLocation(irp)->FileObject;
	struct ft_adapter *adapter = here(device)->adapter;

	file->FsContext = NULL;
	if (!adapter)
		return ft_done(irp, STATUS_SUCCESS, 0);
	if (!adapter->plugged)
		return ft_done(irp, STATUS_DEVICE_DOES_NOT_EXIST, 0);
	if (adapter->opener || adapter->busy)
		return ft_done(irp, note(adapter, FT_REFUSED, 0, STATUS_UNSUCCESSFUL), 0);
	adapter->opener = file;
	adapter->client_reads.peak = 0;
	file->FsContext = adapter;
	return ft_done(irp, note(adapter, FT_OPENED, 0, STATUS_SUCCESS), 0);
}

static NTSTATUS WINAPI on_cleanup(DEVICE_OBJECT *device, IRP *irp)
{
	FILE_OBJECT *file = IoGetCurrentIrpStackLocation(irp)->FileObject;
	struct ft_adapter *adapter = file->FsContext;

	if (adapter && !here(device)->adapter) {
		ft_cancel_all(adapter, &adapter->back_reads, file);
		ft_cancel_all(adapter, &adapter->back_writes, file);
	} else if (adapter && adapter->opener == file) {
		reset(adapter);
	}
	return ft_done(irp, STATUS_SUCCESS, 0);
}

static NTSTATUS WINAPI on_close(DEVICE_OBJECT *device, IRP *irp)
{
	FILE_OBJECT *file = IoGetCurrentIrpStackLocation(irp)->FileObject;
	struct ft_adapter *adapter = here(device)->adapter;

	if (adapter && adapter->opener == file) {
		reset(adapter);
		adapter->opener = NULL;
		note(adapter, FT_CLOSED, 0, STATUS_SUCCESS);
	}
	return ft_done(irp, STATUS_SUCCESS, 0);
}

// The status for a client's file that has no adapter: it was refused, or the device went away under it.
static NTSTATUS refusal(DEVICE_OBJECT *device)
{
	struct ft_adapter *adapter = here(device)->adapter;

	return adapter && adapter->plugged ? STATUS_UNSUCCESSFUL : STATUS_CANCELLED;
}

static NTSTATUS WINAPI on_read(DEVICE_OBJECT *device, IRP *irp)
{
	struct ft_adapter *adapter = adapter_of(irp);

	if (!adapter)
		return ft_done(irp, refusal(device), 0);
	if (here(device)->adapter && !adapter->media)
		return ft_done(irp, STATUS_CANCELLED, 0);
	if (!irp->MdlAddress || !MmGetSystemAddressForMdlSafe(irp->MdlAddress, NormalPagePriority))
		return ft_done(irp, STATUS_INVALID_PARAMETER, 0);
	return ft_wait(adapter, here(device)->adapter ? &adapter->client_reads : &adapter->back_reads, irp);
}

static NTSTATUS WINAPI on_write(DEVICE_OBJECT *device, IRP *irp)
{
	struct ft_adapter *adapter = adapter_of(irp);

	if (!adapter)
		return ft_done(irp, refusal(device), 0);
	if (here(device)->adapter && !adapter->media)
		return ft_done(irp, STATUS_CANCELLED, 0);
	if (here(device)->adapter)
		return tap_write(adapter, irp);
	if (!irp->MdlAddress || !MmGetSystemAddressForMdlSafe(irp->MdlAddress, NormalPagePriority))
		return ft_done(irp, STATUS_INVALID_PARAMETER, 0);
	return ft_wait(adapter, &adapter->back_writes, irp);
}

static NTSTATUS WINAPI on_control(DEVICE_OBJECT *device, IRP *irp)
{
	struct ft_adapter *adapter = adapter_of(irp);

	if (!here(device)->adapter)
		return back_control(here(device)->driver, irp);
	return adapter ? tap_control(adapter, irp) : ft_done(irp, refusal(device), 0);
}

static void WINAPI on_unload(DRIVER_OBJECT *object)
{
	struct ft_driver *driver = NULL;
	UNICODE_STRING link;

	for (DEVICE_OBJECT *one = object->DeviceObject; one; one = one->NextDevice)
		driver = here(one)->driver;
	if (!driver)
		return;
	while (!IsListEmpty(&driver->adapters)) {
		struct ft_adapter *adapter =
			CONTAINING_RECORD(RemoveHeadList(&driver->adapters), struct ft_adapter, entry);

		plug(adapter, FALSE);
		ft_cancel_all(adapter, &adapter->back_reads, NULL);
		ft_cancel_all(adapter, &adapter->back_writes, NULL);
		ft_drop_all(adapter, &adapter->to_back);
		IoDeleteDevice(adapter->device);
		ExFreePool(adapter);
	}
	RtlInitUnicodeString(&link, L"\\DosDevices\\" FT_BACK_DOOR);
	IoDeleteSymbolicLink(&link);
	IoDeleteDevice(driver->back_door);
	ExFreePool(driver);
}

NTSTATUS WINAPI DriverEntry(DRIVER_OBJECT *object, UNICODE_STRING *path)
{
	struct ft_driver *driver = ExAllocatePool(NonPagedPool, sizeof(*driver));
	UNICODE_STRING name, link;
	NTSTATUS status;

	(void)path;
	if (!driver)
		return STATUS_INSUFFICIENT_RESOURCES;
	driver->object = object;
	// The header's macro of this name reads memory that wine does not map.
	RtlInitUnicodeString(&name, L"KeQuerySystemTime");
	driver->clock = (ft_clock *)MmGetSystemRoutineAddress(&name);
	if (!driver->clock) {
		ExFreePool(driver);
		return STATUS_PROCEDURE_NOT_FOUND;
	}
	InitializeListHead(&driver->adapters);
	KeInitializeSpinLock(&driver->lock);
	RtlInitUnicodeString(&name, L"\\Device\\" FT_BACK_DOOR);
	RtlInitUnicodeString(&link, L"\\DosDevices\\" FT_BACK_DOOR);
	status = IoCreateDevice(object, sizeof(struct ft_device), &name, FILE_DEVICE_UNKNOWN,
				FILE_DEVICE_SECURE_OPEN, FALSE, &driver->back_door);
	if (!NT_SUCCESS(status)) {
		ExFreePool(driver);
		return status;
	}
	*here(driver->back_door) = (struct ft_device){driver, NULL};
	driver->back_door->Flags |= DO_DIRECT_IO;
	driver->back_door->Flags &= ~DO_DEVICE_INITIALIZING;
	object->MajorFunction[IRP_MJ_CREATE] = on_create;
	object->MajorFunction[IRP_MJ_CLEANUP] = on_cleanup;
	object->MajorFunction[IRP_MJ_CLOSE] = on_close;
	object->MajorFunction[IRP_MJ_READ] = on_read;
	object->MajorFunction[IRP_MJ_WRITE] = on_write;
	object->MajorFunction[IRP_MJ_DEVICE_CONTROL] = on_control;
	object->DriverUnload = on_unload;
	return IoCreateSymbolicLink(&link, &name);
}
