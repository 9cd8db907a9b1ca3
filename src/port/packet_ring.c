// The receive ring (packet(7), PACKET_RX_RING with TPACKET_V2): slots in memory that the kernel fills one
// after the other, each with its own state. V2 and not V3: V3 hands out blocks when they are full or a timer
// has run, and a lone ping would wait for that.
#include <stddef.h>
#include <sys/mman.h>

#include "port/packet_priv.h"

int packet_ring_open(struct packet *packet)
{
	const int version = TPACKET_V2, on = 1;
	const struct tpacket_req request = {.tp_block_size = PACKET_BLOCK,
					    .tp_block_nr = PACKET_SLOTS * PACKET_SLOT / PACKET_BLOCK,
					    .tp_frame_size = PACKET_SLOT,
					    .tp_frame_nr = PACKET_SLOTS};
	void *ring;

	// COPY_THRESH: what is too long for a slot goes to the socket's queue as a whole.
	if (setsockopt(packet->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) != 0 ||
	    setsockopt(packet->fd, SOL_PACKET, PACKET_COPY_THRESH, &on, sizeof(on)) != 0 ||
	    setsockopt(packet->fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) != 0)
		return -1;
	ring = mmap(NULL, (size_t)PACKET_SLOTS * PACKET_SLOT, PROT_READ | PROT_WRITE, MAP_SHARED, packet->fd,
		    0);
	if (ring == MAP_FAILED)
		return -1;
	packet->ring = ring;
	return 0;
}

void packet_ring_close(struct packet *packet)
{
	if (packet->ring != NULL)
		munmap(packet->ring, (size_t)PACKET_SLOTS * PACKET_SLOT);
	packet->ring = NULL;
}

static struct tpacket2_hdr *slot_at(const struct packet *packet, unsigned number)
{
	return (struct tpacket2_hdr *)(void *)(packet->ring + (size_t)(number % PACKET_SLOTS) * PACKET_SLOT);
}

struct tpacket2_hdr *packet_ring_head(const struct packet *packet)
{
	struct tpacket2_hdr *slot = slot_at(packet, packet->ring_next);
	const uint8_t *next = (const uint8_t *)slot_at(packet, packet->ring_next + 1);

	// The kernel writes the state last: what is read after it is complete.
	if ((__atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0)
		return NULL;
	// Another CPU wrote the next one; it is on its way here while this one is worked on.
	__builtin_prefetch(next);
	__builtin_prefetch(next + 64);
	__builtin_prefetch(next + 128);
	return slot;
}

void packet_ring_pop(struct packet *packet, struct tpacket2_hdr *slot)
{
	__atomic_store_n(&slot->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	packet->ring_next = (packet->ring_next + 1) % PACKET_SLOTS;
}
