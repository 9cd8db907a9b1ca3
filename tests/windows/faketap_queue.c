#include "faketap_priv.h"

// Bytes of the record that a write of the back door has come to.
#define PROGRESS(irp) ((irp)->Tail.Overlay.DriverContext[1])

NTSTATUS ft_done(IRP *irp, NTSTATUS status, ULONG_PTR information)
{
	irp->IoStatus.Status = status;
	irp->IoStatus.Information = information;
	IoCompleteRequest(irp, IO_NO_INCREMENT);
	return status;
}

static void requests_init(struct ft_requests *requests)
{
	InitializeListHead(&requests->list);
	requests->count = requests->peak = 0;
}

void ft_queues_init(struct ft_adapter *adapter)
{
	InitializeListHead(&adapter->to_client.list);
	InitializeListHead(&adapter->to_back.list);
	requests_init(&adapter->client_reads);
	requests_init(&adapter->back_reads);
	requests_init(&adapter->back_writes);
}

static struct ft_frame *frame_new(ULONG head, const UCHAR *bytes, ULONG length)
{
	struct ft_frame *frame = ExAllocatePool(NonPagedPool, sizeof(*frame) + length);

	if (frame) {
		frame->head = head;
		RtlCopyMemory(frame->bytes, bytes, length);
	}
	return frame;
}

static struct ft_frame *frame_pop(struct ft_frames *frames)
{
	frames->count--;
	return CONTAINING_RECORD(RemoveHeadList(&frames->list), struct ft_frame, entry);
}

static ULONG frame_length(ULONG head)
{
	return head & FT_MEDIA ? 0 : head;
}

static void WINAPI cancel(DEVICE_OBJECT *device, IRP *irp)
{
	struct ft_device *here = device->DeviceExtension;
	struct ft_requests *requests = irp->Tail.Overlay.DriverContext[0];
	KIRQL irql;

	IoReleaseCancelSpinLock(irp->CancelIrql);
	KeAcquireSpinLock(&here->driver->lock, &irql);
	if (irp->Tail.Overlay.ListEntry.Flink) {
		RemoveEntryList(&irp->Tail.Overlay.ListEntry);
		requests->count--;
	}
	KeReleaseSpinLock(&here->driver->lock, irql);
	ft_done(irp, STATUS_CANCELLED, 0);
}

// The lock is held. False: it is being cancelled, and its routine will complete it.
static BOOLEAN take(struct ft_requests *requests, IRP *irp)
{
	RemoveEntryList(&irp->Tail.Overlay.ListEntry);
	irp->Tail.Overlay.ListEntry.Flink = NULL;
	requests->count--;
	return IoSetCancelRoutine(irp, NULL) != NULL;
}

static IRP *take_first(struct ft_requests *requests)
{
	while (!IsListEmpty(&requests->list)) {
		IRP *irp = CONTAINING_RECORD(requests->list.Flink, IRP, Tail.Overlay.ListEntry);
		if (take(requests, irp))
			return irp;
	}
	return NULL;
}

static void finish(IRP *irp, NTSTATUS status, ULONG_PTR information, LIST_ENTRY *finished)
{
	irp->IoStatus.Status = status;
	irp->IoStatus.Information = information;
	InsertTailList(finished, &irp->Tail.Overlay.ListEntry);
}

static void complete_all(LIST_ENTRY *finished)
{
	while (!IsListEmpty(finished)) {
		IRP *irp = CONTAINING_RECORD(RemoveHeadList(finished), IRP, Tail.Overlay.ListEntry);
		IoCompleteRequest(irp, IO_NO_INCREMENT);
	}
}

static UCHAR *buffer_of(IRP *irp)
{
	return MmGetSystemAddressForMdlSafe(irp->MdlAddress, NormalPagePriority);
}

// The first waiting write of the back door, as far as there is room. True: something moved.
static BOOLEAN feed(struct ft_adapter *adapter, LIST_ENTRY *finished)
{
	IRP *irp;
	const UCHAR *bytes;
	ULONG at, head, size;

	if (IsListEmpty(&adapter->back_writes.list))
		return FALSE;
	irp = CONTAINING_RECORD(adapter->back_writes.list.Flink, IRP, Tail.Overlay.ListEntry);
	bytes = buffer_of(irp);
	size = IoGetCurrentIrpStackLocation(irp)->Parameters.Write.Length;
	for (at = (ULONG)(ULONG_PTR)PROGRESS(irp); at + sizeof(head) <= size; at += sizeof(head) + head) {
		struct ft_frame *frame = NULL;

		RtlCopyMemory(&head, bytes + at, sizeof(head));
		if (head < 14 || head > FT_FRAME_MAX || head > size - at - sizeof(head))
			break;
		if (adapter->media && adapter->plugged) {
			if (adapter->to_client.count >= FT_QUEUE) {
				PROGRESS(irp) = (void *)(ULONG_PTR)at;
				return FALSE;
			}
			frame = frame_new(head, bytes + at + sizeof(head), head);
		}
		if (!frame) {
			adapter->lost++;
			continue;
		}
		InsertTailList(&adapter->to_client.list, &frame->entry);
		adapter->to_client.count++;
	}
	if (take(&adapter->back_writes, irp))
		finish(irp, at == size ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER, at, finished);
	return TRUE;
}

// One frame to each read. One that is too long is lost, as with the real driver.
static BOOLEAN serve_client(struct ft_adapter *adapter, LIST_ENTRY *finished)
{
	BOOLEAN moved = FALSE;
	IRP *irp;

	while (adapter->to_client.count && (irp = take_first(&adapter->client_reads))) {
		struct ft_frame *frame = frame_pop(&adapter->to_client);

		if (frame->head > IoGetCurrentIrpStackLocation(irp)->Parameters.Read.Length) {
			adapter->lost++;
			finish(irp, STATUS_BUFFER_OVERFLOW, 0, finished);
		} else {
			adapter->read++;
			RtlCopyMemory(buffer_of(irp), frame->bytes, frame->head);
			finish(irp, STATUS_SUCCESS, frame->head, finished);
		}
		ExFreePool(frame);
		moved = TRUE;
	}
	return moved;
}

// As many records to each read as it has room for.
static void serve_back(struct ft_adapter *adapter, LIST_ENTRY *finished)
{
	IRP *irp;

	while (adapter->to_back.count && (irp = take_first(&adapter->back_reads))) {
		ULONG room = IoGetCurrentIrpStackLocation(irp)->Parameters.Read.Length, used = 0;
		UCHAR *to = buffer_of(irp);

		while (adapter->to_back.count) {
			struct ft_frame *frame =
				CONTAINING_RECORD(adapter->to_back.list.Flink, struct ft_frame, entry);
			ULONG length = frame_length(frame->head);

			if (used + sizeof(frame->head) + length > room)
				break;
			RtlCopyMemory(to + used, &frame->head, sizeof(frame->head));
			RtlCopyMemory(to + used + sizeof(frame->head), frame->bytes, length);
			used += sizeof(frame->head) + length;
			ExFreePool(frame_pop(&adapter->to_back));
		}
		finish(irp, used ? STATUS_SUCCESS : STATUS_BUFFER_OVERFLOW, used, finished);
	}
}

void ft_run(struct ft_adapter *adapter)
{
	LIST_ENTRY finished;
	BOOLEAN moved;
	KIRQL irql;

	InitializeListHead(&finished);
	KeAcquireSpinLock(&adapter->driver->lock, &irql);
	do {
		moved = feed(adapter, &finished);
		moved |= serve_client(adapter, &finished);
	} while (moved);
	serve_back(adapter, &finished);
	KeReleaseSpinLock(&adapter->driver->lock, irql);
	complete_all(&finished);
}

NTSTATUS ft_wait(struct ft_adapter *adapter, struct ft_requests *requests, IRP *irp)
{
	BOOLEAN cancelled;
	KIRQL irql;

	KeAcquireSpinLock(&adapter->driver->lock, &irql);
	irp->Tail.Overlay.DriverContext[0] = requests;
	PROGRESS(irp) = NULL;
	IoMarkIrpPending(irp);
	InsertTailList(&requests->list, &irp->Tail.Overlay.ListEntry);
	requests->count++;
	if (requests->peak < requests->count)
		requests->peak = requests->count;
	IoSetCancelRoutine(irp, cancel);
	cancelled = irp->Cancel && take(requests, irp);
	KeReleaseSpinLock(&adapter->driver->lock, irql);
	if (cancelled)
		ft_done(irp, STATUS_CANCELLED, 0);
	else
		ft_run(adapter);
	return STATUS_PENDING;
}

void ft_to_back(struct ft_adapter *adapter, ULONG head, const UCHAR *bytes, ULONG length)
{
	struct ft_frame *frame = frame_new(head, bytes, length);
	KIRQL irql;

	KeAcquireSpinLock(&adapter->driver->lock, &irql);
	if (frame && adapter->to_back.count < FT_BACKLOG) {
		InsertTailList(&adapter->to_back.list, &frame->entry);
		adapter->to_back.count++;
		frame = NULL;
	} else {
		adapter->lost++;
	}
	KeReleaseSpinLock(&adapter->driver->lock, irql);
	if (frame)
		ExFreePool(frame);
	ft_run(adapter);
}

void ft_cancel_all(struct ft_adapter *adapter, struct ft_requests *requests, FILE_OBJECT *file)
{
	LIST_ENTRY *entry, *next, finished;
	KIRQL irql;

	InitializeListHead(&finished);
	KeAcquireSpinLock(&adapter->driver->lock, &irql);
	for (entry = requests->list.Flink; entry != &requests->list; entry = next) {
		IRP *irp = CONTAINING_RECORD(entry, IRP, Tail.Overlay.ListEntry);

		next = entry->Flink;
		if (file && IoGetCurrentIrpStackLocation(irp)->FileObject != file)
			continue;
		if (take(requests, irp))
			finish(irp, STATUS_CANCELLED, 0, &finished);
	}
	KeReleaseSpinLock(&adapter->driver->lock, irql);
	complete_all(&finished);
}

void ft_drop_all(struct ft_adapter *adapter, struct ft_frames *frames)
{
	KIRQL irql;

	KeAcquireSpinLock(&adapter->driver->lock, &irql);
	while (frames->count) {
		adapter->lost++;
		ExFreePool(frame_pop(frames));
	}
	KeReleaseSpinLock(&adapter->driver->lock, irql);
}
