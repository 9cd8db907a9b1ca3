#include "port/frames.h"

void sl_frames_init(struct sl_frames *frames, const struct sl_port_handler *handler,
		    struct sl_port_stats *stats)
{
	frames->handler = handler;
	frames->stats = stats;
}

static void emit(void *arg, const uint8_t *frame, size_t len)
{
	struct sl_frames *frames = arg;

	frames->stats->rx_frames++;
	frames->handler->receive(frames->handler->arg, frame, len);
}

static void emit_segment(void *arg, const uint8_t *frame, size_t len)
{
	struct sl_frames *frames = arg;

	frames->stats->rx_segments++;
	emit(frames, frame, len);
}

static void give_malformed(struct sl_frames *frames, const uint8_t *frame, size_t len)
{
	frames->handler->malformed(frames->handler->arg, frame, len);
}

void sl_frames_give(struct sl_frames *frames, const struct sl_vnet *vnet, uint8_t *frame, size_t len)
{
	bool super = vnet->gso != SL_GSO_NONE;

	if (!super && !vnet->needs_csum) {
		emit(frames, frame, len);
		return;
	}
	if (frames->handler->wanted != NULL && !frames->handler->wanted(frames->handler->arg, frame, len))
		return;
	if (super)
		frames->stats->rx_super++;
	// Nothing was emitted when this fails, so the frame is counted once.
	if (sl_offload_segment(vnet, frame, len, frames->scratch, sizeof(frames->scratch),
			       super ? emit_segment : emit, frames) != SL_OK) {
		give_malformed(frames, frame, len);
		return;
	}
	if (!super)
		frames->stats->rx_csum++;
}

void sl_frames_input(struct sl_frames *frames, uint8_t *buf, size_t len)
{
	struct sl_vnet vnet;

	if (len < SL_VNET_HEADER) {
		give_malformed(frames, buf, 0);
		return;
	}
	if (sl_vnet_decode(buf, len, &vnet) != SL_OK) {
		give_malformed(frames, buf + SL_VNET_HEADER, len - SL_VNET_HEADER);
		return;
	}
	sl_frames_give(frames, &vnet, buf + SL_VNET_HEADER, len - SL_VNET_HEADER);
}
