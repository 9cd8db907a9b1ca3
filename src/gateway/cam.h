// CAM refresh (GW-5): small frames with a remote client's MAC as their source, so that the LAN's
// switches keep it on the gateway's port and don't flood what is sent to a silent player.
//
// The frame is one that a switch learns from and a host ignores: to a group address that nobody
// listens to, with the local experimental ethertype 0x88B5 (IEEE 802), padded to 60 bytes.
#pragma once

#include "net/env.h"
#include "port/port.h"
#include "session/session.h"

#define CAM_FRAME_LEN 60

struct cam {
	struct sl_env *env;
	struct sl_session *session;
	struct sl_port *port;
	struct sl_timer *timer;
	const char *room;
	uint64_t interval_ns; // 0: never
	uint64_t frames;      // sent so far
};

// SL_OK or SL_ERR_NOMEM. `room` must outlive it.
int cam_init(struct cam *cam, struct sl_env *env, const char *room, uint64_t interval_ns);
void cam_fini(struct cam *cam);
void cam_attach(struct cam *cam, struct sl_session *session, struct sl_port *port);

void cam_start(struct cam *cam); // at welcome: from now on, every interval
void cam_stop(struct cam *cam);
void cam_joined(struct cam *cam, const struct sl_session_peer *peer); // at once
