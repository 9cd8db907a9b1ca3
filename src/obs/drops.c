#include "obs/drops.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "obs/events.h"
#include "obs/json.h"

// What people should hear of: a rule or a limit was broken, frames go round, or came where they should not
// be.
static bool is_news(enum sl_drop drop)
{
	return sl_drop_is_filter(drop) || sl_drop_is_rate(drop) || drop == SL_DROP_LOOP ||
	       drop == SL_DROP_REFLECTED || drop == SL_DROP_MISDIRECTED;
}

// Sets what there is to say; what is not there is left out. False: out of memory, or no UTF-8.
static bool put_text(json_t *members, const char *name, const char *text)
{
	return text == NULL || json_object_set_new(members, name, json_string(text)) == 0;
}

static bool put_frame(json_t *members, const struct sl_eth *eth)
{
	char mac[SL_MAC_TEXT], type[8];

	if (eth == NULL)
		return true;
	if (!put_text(members, "src", sl_mac_format(&eth->src, mac)) ||
	    !put_text(members, "dst", sl_mac_format(&eth->dst, mac)))
		return false;
	if (eth->type < SL_ETHERTYPE_MIN)
		return json_object_set_new(members, "length", json_integer(eth->type)) == 0;
	snprintf(type, sizeof(type), "0x%04x", eth->type);
	return put_text(members, "ethertype", type);
}

static json_t *filtered_json(const struct sl_framelog *entry, uint64_t held_back, const char *detail)
{
	json_t *members = json_pack("{s:s?, s:i, s:s, s:s, s:s}", "room", entry->room, "peer",
				    (int)entry->peer, "direction", entry->direction, "action",
				    sl_framelog_action(entry->drop), "reason", sl_drop_name(entry->drop));

	if (members != NULL && put_frame(members, entry->eth) &&
	    json_object_set_new(members, "len", sl_json_number(entry->frame_len)) == 0 &&
	    json_object_set_new(members, "held_back", sl_json_number(held_back)) == 0 &&
	    put_text(members, "detail", detail))
		return members;
	json_decref(members);
	return NULL;
}

static void write_line(struct sl_log *log, enum sl_log_level level, const struct sl_framelog *entry,
		       uint64_t held_back, const char *detail)
{
	char text[SL_FRAMELOG_TEXT], more[48] = "";

	if (held_back > 0)
		snprintf(more, sizeof(more), ", %" PRIu64 " more not logged", held_back);
	const struct sl_log_about about = sl_framelog_about(entry);

	sl_log_write_about(log, level, entry->scope, &about, "%s%s%s%s%s", sl_framelog_text(entry, text),
			   more, detail != NULL ? " (" : "", detail != NULL ? detail : "",
			   detail != NULL ? ")" : "");
}

void sl_drop_report(struct sl_env *env, struct sl_drop_limits *limits, const struct sl_framelog *entry,
		    const char *detail)
{
	bool news = is_news(entry->drop);
	enum sl_log_level level = news ? SL_LOG_WARNING : SL_LOG_DEBUG;
	bool in_frame_log = env->log->frames && sl_log_on(env->log, SL_LOG_INFO);
	bool line = !in_frame_log && sl_log_on(env->log, level);
	uint64_t held_back;

	if ((unsigned)entry->drop >= SL_DROP_COUNT || (!line && !news))
		return;
	if (!sl_log_every(&limits->reason[entry->drop], env->now_ns, &held_back))
		return;
	if (line)
		write_line(env->log, level, entry, held_back, detail);
	if (news && sl_events_watched(env))
		sl_event_members(env, "filtered", filtered_json(entry, held_back, detail));
}

void sl_frame_report(struct sl_env *env, struct sl_drop_limits *limits, const struct sl_framelog *entry,
		     const char *detail)
{
	if (env->log->frames)
		sl_framelog_write(env->log, entry);
	if (entry->drop != SL_DROP_NONE)
		sl_drop_report(env, limits, entry, detail);
}

// For the owner of the computer: what it does, the likely cause, the remedy. Reasons that are not here come
// from the network's state and not from anything on the computer.
static const char *const hints[SL_DROP_COUNT] = {
	[SL_DROP_INVALID_SOURCE] = "the source MAC is a group address or zero; a packet generator or a "
				   "faulty network driver is at work here",
	[SL_DROP_FORGED_SOURCE] = "the source MAC is not this player's; is a bridge or a virtual machine "
				  "connected to the TAP? Take the TAP out of the bridge, or use NAT",
	[SL_DROP_SWITCH_CONTROL] = "this computer talks to switches; is the TAP in a bridge with spanning "
				   "tree, or does an LLDP service run on it?",
	[SL_DROP_VLAN_TAG] = "VLAN or priority tags are on; turn VLAN and QoS tagging off on the TAP adapter",
	[SL_DROP_DHCP_SERVER] = "this computer answers DHCP; is Internet Connection Sharing on?",
	[SL_DROP_DHCPV6_SERVER] = "this computer answers DHCPv6; does a DHCPv6 server (dnsmasq, Kea) run on "
				  "the TAP?",
	[SL_DROP_ROUTER_ADVERTISEMENT] = "this computer says that it is a router; is Internet Connection "
					 "Sharing on, or does radvd or dnsmasq run on the TAP?",
	[SL_DROP_REDIRECT] = "this computer sends ICMP redirects; is IP forwarding on? Turn it off",
	[SL_DROP_MULTICAST_QUERY] =
		"this computer sends multicast queries, as routers and switches do; is "
		"the TAP in a bridge with a querier, or does a multicast router run here?",
	[SL_DROP_IPV6_FRAGMENT] = "a program sends IPv6 datagrams above the MTU, and their fragments do not "
				  "pass; let it send smaller ones, or use IPv4",
	[SL_DROP_HEADER_CHAIN] = "the IP headers cannot be followed to the end; a packet generator or a "
				 "faulty network driver is at work here",
	[SL_DROP_ARP_GUARD] = "this computer claims an address that is the router's or another player's; let "
			      "DHCP give it one, and turn proxy ARP off",
	[SL_DROP_JUMBO] = "more than 1500 bytes of payload; are jumbo frames on? Turn them off, and leave "
			  "the TAP's MTU as softlan sets it",
	[SL_DROP_OVER_MTU] = "larger than the room's MTU; was the MTU of the TAP changed? Leave it as "
			     "softlan sets it",
	[SL_DROP_RUNT] = "shorter than an Ethernet header; a packet generator or a faulty network driver is "
			 "at work here",
	[SL_DROP_MALFORMED] = "no valid Ethernet; a packet generator or a faulty network driver is at work "
			      "here",
	[SL_DROP_LOOP] = "the same frames go round; is the TAP in a bridge with the party's own LAN? Take it "
			 "out of the bridge",
	[SL_DROP_RATE_BROADCAST] = "more broadcasts and multicasts than the room allows; does a network "
				   "scan or a video stream run here, or is the TAP in a bridge?",
	[SL_DROP_RATE_UNKNOWN_UNICAST] = "too many to addresses that nobody in the room has; does a network "
					 "scan run here, or is the TAP in a bridge?",
	[SL_DROP_RATE_BANDWIDTH] = "more data than the relay allows a player; does a download, an upload or "
				   "a video stream run over the TAP?",
};

const char *sl_drop_sentence(enum sl_drop reason, uint64_t frames, char out[static SL_DROP_SENTENCE])
{
	const char *hint = (unsigned)reason < SL_DROP_COUNT ? hints[reason] : NULL;

	out[0] = '\0';
	if (hint != NULL && frames > 0)
		snprintf(out, SL_DROP_SENTENCE, "%" PRIu64 " frame%s %s: %s", frames, frames == 1 ? "" : "s",
			 sl_drop_is_filter(reason) ? "filtered" : "dropped", hint);
	return out;
}
