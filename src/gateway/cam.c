#include "gateway/cam.h"

#include <string.h>

#include "common/bytes.h"
#include "obs/framelog.h"

static const uint8_t group_address[SL_MAC_LEN] = {0x03, 0x53, 0x4c, 0x43, 0x41, 0x4d}; // locally administered
static const char payload[] = "softlan: source address for the switches";              // for who looks at it

_Static_assert(SL_ETH_HEADER + sizeof(payload) <= CAM_FRAME_LEN, "the text fits");

static void build(uint8_t out[static CAM_FRAME_LEN], const struct sl_mac *mac)
{
	memset(out, 0, CAM_FRAME_LEN);
	memcpy(out, group_address, SL_MAC_LEN);
	memcpy(out + SL_MAC_LEN, mac->b, SL_MAC_LEN);
	sl_put16(out + 12, SL_ETHERTYPE_OWN);
	memcpy(out + SL_ETH_HEADER, payload, sizeof(payload));
}

static void refresh(struct cam *cam, const struct sl_session_peer *peer, const char *reason)
{
	uint8_t frame[CAM_FRAME_LEN];
	struct sl_eth eth;

	if (peer->role != SL_ROLE_CLIENT)
		return;
	build(frame, &peer->mac);
	if (sl_port_send(cam->port, frame, sizeof(frame)) != SL_OK)
		return; // the port has counted it
	cam->frames++;
	if (!cam->env->log->frames)
		return;
	(void)sl_eth_parse(frame, sizeof(frame), &eth);
	sl_framelog_write(cam->env->log, &(struct sl_framelog){
						 .scope = "gateway",
						 .direction = "relay_to_lan",
						 .room = cam->room,
						 .peer = peer->id,
						 .eth = &eth,
						 .frame_len = sizeof(frame),
						 .drop = SL_DROP_NONE,
						 .reason = reason,
						 .targets = 1,
					 });
}

static void periodic(void *arg)
{
	struct cam *cam = arg;
	const struct sl_session_peer *peer;
	unsigned cursor = 0;

	while ((peer = sl_session_peer_next(cam->session, &cursor)) != NULL)
		refresh(cam, peer, "periodic");
	sl_port_flush(cam->port);
	cam->env->ops->timer_set(cam->timer, cam->env->now_ns + cam->interval_ns);
}

int cam_init(struct cam *cam, struct sl_env *env, const char *room, uint64_t interval_ns)
{
	memset(cam, 0, sizeof(*cam));
	cam->env = env;
	cam->room = room;
	cam->interval_ns = interval_ns;
	cam->timer = env->ops->timer_new(env, periodic, cam);
	return cam->timer != NULL ? SL_OK : SL_ERR_NOMEM;
}

void cam_fini(struct cam *cam)
{
	cam->env->ops->timer_free(cam->timer);
}

void cam_attach(struct cam *cam, struct sl_session *session, struct sl_port *port)
{
	cam->session = session;
	cam->port = port;
}

void cam_start(struct cam *cam)
{
	if (cam->interval_ns != 0)
		cam->env->ops->timer_set(cam->timer, cam->env->now_ns + cam->interval_ns);
}

void cam_stop(struct cam *cam)
{
	cam->env->ops->timer_set(cam->timer, SL_TIME_NEVER);
}

void cam_joined(struct cam *cam, const struct sl_session_peer *peer)
{
	if (cam->interval_ns == 0)
		return;
	refresh(cam, peer, "peer_joined");
	sl_port_flush(cam->port);
}
