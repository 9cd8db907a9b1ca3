// Texts of control messages for the tests, with a place for what is to be wrong.
#pragma once

#define MAC "\"02:11:22:33:44:55\""
#define HELLO(rest) "{\"type\":\"hello\",\"protocol\":1," rest "}"
#define CLIENT(room, mac, size, more)                                                                        \
	HELLO("\"role\":\"client\",\"room\":" room ",\"mac\":" mac ",\"max_datagram_size\":" size            \
	      ",\"agent\":\"test/1\"" more)
#define GATEWAY(more)                                                                                        \
	HELLO("\"role\":\"gateway\",\"room\":\"R\",\"max_datagram_size\":1400,\"agent\":\"g\"" more)
#define WELCOME(protocol, mode, id, room, mtu, size, gateway, features)                                      \
	"{\"type\":\"welcome\",\"protocol\":" protocol ",\"mode\":" mode ",\"peer_id\":" id                  \
	",\"room_id\":" room ",\"effective_tap_mtu\":" mtu ",\"max_datagram_size\":" size                    \
	",\"gateway\":" gateway ",\"features\":" features "}"
