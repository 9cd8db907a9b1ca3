#include "tests/sim/party.h"

#include <gnutls/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/probe.h"
#include "quic/tls.h"
#include "relay/config.h"
#include "relay/report.h"

#define SERVER_NAME "relay.test"
#define RELAY_ADDRESS "192.0.2.1"
#define FRAME_TYPE 0x88b5 // IEEE 802 local experimental
#define FRAME_MAGIC "party frame"

// --- the certificate ---

static void write_pem(const char *path, const gnutls_datum_t *pem)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(pem->data, 1, pem->size, file), pem->size);
	fclose(file);
}

void party_files_make(struct party_files *files)
{
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
	gnutls_datum_t pem;
	time_t now = time(NULL);

	strcpy(files->directory, "/tmp/softlan-sim-XXXXXX");
	assert_non_null(mkdtemp(files->directory));
	snprintf(files->certificate, sizeof(files->certificate), "%s/relay.crt", files->directory);
	snprintf(files->key, sizeof(files->key), "%s/relay.key", files->directory);

	assert_int_equal(gnutls_x509_privkey_init(&key), 0);
	assert_int_equal(gnutls_x509_privkey_generate(key, GNUTLS_PK_EDDSA_ED25519, 0, 0), 0);
	assert_int_equal(gnutls_x509_crt_init(&crt), 0);
	gnutls_x509_crt_set_version(crt, 3);
	gnutls_x509_crt_set_serial(crt, "\1\2\3\4", 4);
	gnutls_x509_crt_set_activation_time(crt, now - 3600);
	gnutls_x509_crt_set_expiration_time(crt, now + 86400);
	gnutls_x509_crt_set_dn(crt, "CN=" SERVER_NAME, NULL);
	gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, SERVER_NAME, sizeof(SERVER_NAME) - 1,
					     GNUTLS_FSAN_SET);
	gnutls_x509_crt_set_key(crt, key);
	assert_int_equal(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA512, 0), 0);
	assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem), 0);
	write_pem(files->certificate, &pem);
	gnutls_free(pem.data);
	assert_int_equal(gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, 0, &pem), 0);
	write_pem(files->key, &pem);
	gnutls_free(pem.data);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
}

void party_files_remove(const struct party_files *files)
{
	unlink(files->certificate);
	unlink(files->key);
	rmdir(files->directory);
}

// --- what is recorded ---

static void record_retry(struct party_member *m, enum party_what what, const struct sl_session_peer *peer,
			 const char *text, uint64_t retry_ns)
{
	struct party *party = m->party;
	struct party_event *event = &party->events[party->event_count];

	if (party->event_count == PARTY_EVENTS)
		return;
	party->event_count++;
	event->at_ns = sim_now(party->sim);
	event->member = m->number;
	event->what = what;
	event->peer = peer ? peer->id : 0;
	event->role = peer ? peer->role : SL_ROLE_CLIENT;
	event->retry_ns = retry_ns;
	snprintf(event->text, sizeof(event->text), "%s", text ? text : "");
}

static void record(struct party_member *m, enum party_what what, const struct sl_session_peer *peer,
		   const char *text)
{
	record_retry(m, what, peer, text, 0);
}

int party_find(const struct party *party, size_t from, unsigned member, enum party_what what, uint16_t peer)
{
	for (size_t i = from; i < party->event_count; i++) {
		const struct party_event *event = &party->events[i];

		if (event->member == member && event->what == what && (peer == 0 || event->peer == peer))
			return (int)i;
	}
	return -1;
}

static void on_joined(void *arg, const struct sl_session_welcome *welcome)
{
	struct party_member *m = arg;

	m->joined = true;
	m->id = welcome->peer_id;
	record(m, PARTY_JOINED, NULL, NULL);
	m->inner.joined(m->inner.arg, welcome);
}

static void on_peer_joined(void *arg, const struct sl_session_peer *peer)
{
	struct party_member *m = arg;

	record(m, PARTY_PEER_JOINED, peer, NULL);
	m->inner.peer_joined(m->inner.arg, peer);
}

static void on_peer_left(void *arg, const struct sl_session_peer *peer, const char *reason)
{
	struct party_member *m = arg;

	record(m, PARTY_PEER_LEFT, peer, reason);
	m->inner.peer_left(m->inner.arg, peer, reason);
}

static void on_frame(void *arg, struct sl_session_peer *peer, const uint8_t *frame, size_t len)
{
	struct party_member *m = arg;

	m->inner.frame(m->inner.arg, peer, frame, len);
}

static void on_batch_end(void *arg)
{
	struct party_member *m = arg;

	m->inner.batch_end(m->inner.arg);
}

static void on_down(void *arg, const char *sentence, uint64_t retry_ns)
{
	struct party_member *m = arg;

	m->joined = false;
	m->downs++;
	record_retry(m, PARTY_DOWN, NULL, sentence, retry_ns);
	m->inner.down(m->inner.arg, sentence, retry_ns);
}

static void on_ended(void *arg, const char *sentence)
{
	struct party_member *m = arg;

	m->joined = false;
	m->ended = true;
	record(m, PARTY_ENDED, NULL, sentence);
	m->inner.ended(m->inner.arg, sentence);
}

// --- frames ---

static uint8_t filler(unsigned from, unsigned number, size_t i)
{
	return (uint8_t)(from * 53 + number * 7 + i * 13 + (i >> 8));
}

static struct party_member *member_of(struct sl_port *port)
{
	return (struct party_member *)(void *)((uint8_t *)port - offsetof(struct party_member, port));
}

static bool is_probe(const uint8_t *frame, size_t len)
{
	struct sl_probe probe;
	struct sl_eth eth;

	return sl_eth_parse(frame, len, &eth) == SL_OK && sl_probe_parse(&eth, &probe);
}

static int port_send(struct sl_port *port, const uint8_t *frame, size_t len)
{
	struct party_member *m = member_of(port);
	unsigned from, number;

	assert_true(len >= 60);
	if (m->party->lan && (m->bridged || party_is_gateway(m->party, m->number)))
		party_lan_put(m->party, m->number, frame, len);
	m->probes += is_probe(frame, len);
	if (memcmp(frame + 14, FRAME_MAGIC, 11) != 0)
		return SL_OK; // a probe, or the gateway's own: CAM refresh
	from = frame[25];
	number = (unsigned)frame[26] << 8 | frame[27];
	assert_int_equal((size_t)frame[28] << 8 | frame[29], len);
	assert_true(from < PARTY_MEMBERS && number < PARTY_NUMBERS && from != m->number);
	for (size_t i = 30; i < len; i++) {
		if (frame[i] != filler(from, number, i))
			fail_msg("frame %u from %u is damaged at %zu", number, from, i);
	}
	assert_memory_equal(frame + 6, m->party->member[from].mac.b, 6);
	if (!(frame[0] & 1) && !m->party->lan)
		assert_memory_equal(frame, m->mac.b, 6);
	if (m->seen[from][number]++ && !m->party->lan)
		fail_msg("frame %u from %u came twice to %u", number, from, m->number);
	m->received[from]++;
	return SL_OK;
}

static void port_flush(struct sl_port *port)
{
	(void)port;
}

static void port_stats(struct sl_port *port, struct sl_port_stats *out)
{
	(void)port;
	memset(out, 0, sizeof(*out));
}

static const struct sl_port_ops port_ops = {
	.send = port_send, .flush = port_flush, .stats = port_stats, .close = port_flush};

void party_send(struct party *party, unsigned from, unsigned to, unsigned number, size_t len)
{
	struct party_member *m = &party->member[from];
	uint8_t frame[2048];

	assert_true(len >= 60 && len <= sizeof(frame) && number < PARTY_NUMBERS);
	if (to == PARTY_ALL)
		memset(frame, 0xff, 6);
	else
		memcpy(frame, party->member[to].mac.b, 6);
	memcpy(frame + 6, m->mac.b, 6);
	frame[12] = FRAME_TYPE >> 8;
	frame[13] = FRAME_TYPE & 0xff;
	memcpy(frame + 14, FRAME_MAGIC, 11);
	frame[25] = (uint8_t)from;
	frame[26] = (uint8_t)(number >> 8);
	frame[27] = (uint8_t)number;
	frame[28] = (uint8_t)(len >> 8);
	frame[29] = (uint8_t)len;
	for (size_t i = 30; i < len; i++)
		frame[i] = filler(from, number, i);
	if (party->lan && party_is_gateway(party, from)) {
		party_lan_put(party, PARTY_ALL, frame, len);
		return;
	}
	m->handler.receive(m->handler.arg, frame, len);
	m->handler.batch_end(m->handler.arg);
}

size_t party_probes(const struct party *party)
{
	size_t count = 0;

	for (unsigned i = 0; i <= party->options.clients; i++)
		count += party->member[i].probes;
	return count;
}

bool party_isolated(const struct party *party, unsigned member)
{
	json_t *all = relay_report_peers(party->relay, party_room(party, member)), *peer;
	bool isolated = false;
	size_t i;

	json_array_foreach(json_object_get(all, "peers"), i, peer)
	{
		if (json_integer_value(json_object_get(peer, "id")) == party->member[member].id)
			isolated = json_is_true(json_object_get(peer, "isolated"));
	}
	json_decref(all);
	return isolated;
}

static bool watched(void *arg)
{
	(void)arg;
	return true;
}

static void on_member_event(void *arg, json_t *event)
{
	struct party_member *m = arg;

	m->loops += strcmp(json_string_value(json_object_get(event, "event")), "loop") == 0;
	json_decref(event);
}

static void on_event(void *arg, json_t *event)
{
	struct party *party = arg;
	const char *name = json_string_value(json_object_get(event, "event"));

	party->isolated += strcmp(name, "loop") == 0;
	party->cleared += strcmp(name, "loop_cleared") == 0;
	json_decref(event);
}

// --- members ---

static void session_make(struct party *party, struct party_member *m)
{
	struct sl_session_ops ops = {.joined = on_joined,
				     .peer_joined = on_peer_joined,
				     .peer_left = on_peer_left,
				     .frame = on_frame,
				     .batch_end = on_batch_end,
				     .down = on_down,
				     .ended = on_ended,
				     .arg = m};
	struct sl_session_config config = {
		.role = party_is_gateway(party, m->number) ? SL_ROLE_GATEWAY : SL_ROLE_CLIENT,
		.scope = party_is_gateway(party, m->number) ? "gateway" : "client",
		.server_name = SERVER_NAME,
		.tls = party->client_tls,
		.mac = m->mac,
		.max_datagram_size = party->options.endpoint_max_size,
		.split = party->options.split,
		.congestion = party->options.congestion,
		.offload = party->options.offload,
		.idle_timeout_ns = party->options.idle_timeout_s * SL_NS_PER_S,
		.keep_alive_ns = party->options.keep_alive_s * SL_NS_PER_S,
		.stats_interval_ns = party->options.stats_interval_s * SL_NS_PER_S,
		.agent = "simulation",
	};
	struct sl_error error = {0};

	snprintf(config.room, sizeof(config.room), "%s", party_room(party, m->number));
	assert_int_equal(sl_host_parse(SERVER_NAME, &config.relay, NULL), SL_OK);
	if (sl_session_new(m->env, &config, &ops, &m->session, &error) != SL_OK)
		fail_msg("session: %s", error.text);
}

static void program_make(struct party *party, struct party_member *m)
{
	if (party_is_gateway(party, m->number)) {
		m->gateway = sl_gateway_bridge_new(m->env, PARTY_ROOM, 30 * SL_NS_PER_S, NULL);
		assert_non_null(m->gateway);
		sl_gateway_bridge_port_handler(m->gateway, &m->handler);
		sl_gateway_bridge_session_ops(m->gateway, &m->inner);
		session_make(party, m);
		sl_gateway_bridge_attach(m->gateway, m->session, &m->port);
	} else {
		m->client = sl_client_bridge_new(m->env, &m->mac, PARTY_ROOM, NULL);
		assert_non_null(m->client);
		sl_client_bridge_port_handler(m->client, &m->handler);
		sl_client_bridge_session_ops(m->client, &m->inner);
		session_make(party, m);
		sl_client_bridge_attach(m->client, m->session, &m->port);
	}
}

static void program_free(struct party_member *m)
{
	sl_session_free(m->session);
	sl_gateway_bridge_free(m->gateway);
	sl_client_bridge_free(m->client);
	m->session = NULL;
	m->gateway = NULL;
	m->client = NULL;
	m->joined = m->ended = false;
}

static void member_make(struct party *party, unsigned number)
{
	struct party_member *m = &party->member[number];
	char address[32];

	m->party = party;
	m->number = number;
	m->log = party->log;
	snprintf(address, sizeof(address), "198.51.100.%u", 10 + number);
	m->env = sim_host_add(party->sim, address, &m->log);
	m->events = (struct sl_events){.watched = watched, .emit = on_member_event, .arg = m};
	m->env->events = &m->events;
	m->port.ops = &port_ops;
	m->mac = party_is_gateway(party, number)
			 ? (struct sl_mac){{0x00, 0x16, 0x3e, 0, 0, (uint8_t)(number + 1)}}
			 : (struct sl_mac){{0x02, 0, 0, 0, 0, (uint8_t)number}};
	party_link(party, number, party->options.link, party->options.link);
	program_make(party, m);
}

void party_link(struct party *party, unsigned member, struct sim_link up, struct sim_link down)
{
	sim_link_set(party->sim, party->member[member].env, party->relay_env, up);
	sim_link_set(party->sim, party->relay_env, party->member[member].env, down);
}

void party_restart(struct party *party, unsigned member)
{
	struct sim_link cut = party->options.link;

	cut.loss_ppm = 1000000;
	party_link(party, member, cut, party->options.link);
	program_free(&party->member[member]);
	party_link(party, member, party->options.link, party->options.link);
	program_make(party, &party->member[member]);
}

void party_start(struct party *party, unsigned member)
{
	sl_session_start(party->member[member].session);
}

void party_stop(struct party *party, unsigned member, const char *reason)
{
	sl_session_stop(party->member[member].session, reason);
}

struct wait {
	struct party *party;
	unsigned count;
};

static bool not_joined(void *arg)
{
	const struct wait *wait = arg;

	for (unsigned i = 0; i < wait->count; i++) {
		const struct party_member *m = &wait->party->member[i];

		if (!m->joined)
			return true;
		for (unsigned k = 0; k < wait->count; k++) {
			if (k != i && party_room(wait->party, i) == party_room(wait->party, k) &&
			    !sl_session_peer_by_id(m->session, wait->party->member[k].id))
				return true;
		}
	}
	return false;
}

bool party_wait_joined(struct party *party, unsigned count, uint64_t limit_ns)
{
	struct wait wait = {party, count};

	return sim_run_while(party->sim, not_joined, &wait, limit_ns);
}

void party_start_all(struct party *party)
{
	for (unsigned i = 0; i <= party->options.clients; i++)
		party_start(party, i);
	if (!party_wait_joined(party, party->options.clients + 1, 60 * SL_NS_PER_S))
		fail_msg("not everybody has joined within a minute; the last line of the log: %s",
			 party->last_log);
}

// --- the relay ---

void party_relay_start(struct party *party)
{
	const struct relay_config config = {
		.listen = (char *)(uintptr_t) "443/udp",
		.max_rooms = 8,
		.max_peers_per_room = 16,
		.max_peers = 64,
		.handshakes_per_second = 200,
		.malformed_datagrams = 32,
		.broadcast_pps = 500,
		.unknown_unicast_pps = 200,
		.lan_broadcast_pps = 1000,
		.max_size = (long long)party->options.max_size,
		.split = party->options.split,
		.congestion = (char *)(uintptr_t)(party->options.congestion == SL_CC_BBR ? "bbr" : "cubic"),
		.offload = party->options.offload,
		.idle_timeout = party->options.idle_timeout_s,
		.keep_alive = party->options.keep_alive_s,
		.stats_interval = party->options.stats_interval_s,
	};
	struct sl_error error = {0};

	if (sl_relay_new(party->relay_env, &config, party->server_tls, &party->relay, &error) != SL_OK)
		fail_msg("relay: %s", error.text);
}

void party_relay_kill(struct party *party)
{
	struct sim_link cut = party->options.link;

	cut.loss_ppm = 1000000;
	for (unsigned i = 0; i <= party->options.clients; i++)
		sim_link_set(party->sim, party->relay_env, party->member[i].env, cut);
	sl_relay_free(party->relay);
	party->relay = NULL;
	for (unsigned i = 0; i <= party->options.clients; i++)
		sim_link_set(party->sim, party->relay_env, party->member[i].env, party->options.link);
}

static void sink(void *arg, enum sl_log_level level, const char *line)
{
	struct party *party = arg;

	(void)level;
	snprintf(party->last_log, sizeof(party->last_log), "%s", line);
	if (getenv("SIM_LOG"))
		fprintf(stderr, "# %llu.%06llu %s\n", (unsigned long long)(sim_now(party->sim) / SL_NS_PER_S),
			(unsigned long long)(sim_now(party->sim) % SL_NS_PER_S / 1000), line);
}

struct party *party_new(uint64_t seed, const struct party_options *options, const struct party_files *files)
{
	struct party *party = calloc(1, sizeof(*party));
	struct sl_error error = {0};

	assert_non_null(party);
	assert_true(options->clients < PARTY_MEMBERS);
	party->options = *options;
	party->sim = sim_new(seed);
	sl_log_init(&party->log);
	party->log.sink = sink;
	party->log.sink_arg = party;
	if (getenv("SIM_LOG") && strcmp(getenv("SIM_LOG"), "debug") == 0)
		party->log.level = SL_LOG_DEBUG;
	party->server_tls = sl_tls_server_new(files->certificate, files->key, &error);
	if (!party->server_tls)
		fail_msg("%s", error.text);
	party->client_tls = sl_tls_client_new(files->certificate, &error);
	if (!party->client_tls)
		fail_msg("%s", error.text);
	party->relay_env = sim_host_add(party->sim, RELAY_ADDRESS, &party->log);
	party->relay_events = (struct sl_events){.watched = watched, .emit = on_event, .arg = party};
	party->relay_env->events = &party->relay_events;
	sim_name_add(party->sim, SERVER_NAME, RELAY_ADDRESS);
	party_relay_start(party);
	for (unsigned i = 0; i <= options->clients; i++)
		member_make(party, i);
	return party;
}

void party_free(struct party *party)
{
	if (!party)
		return;
	for (unsigned i = 0; i <= party->options.clients; i++)
		program_free(&party->member[i]);
	sl_relay_free(party->relay);
	party_lan_free(party);
	sl_tls_free(party->server_tls);
	sl_tls_free(party->client_tls);
	sim_free(party->sim);
	free(party);
}

static void dump_counters(const char *who, const struct sl_counters *c)
{
	fprintf(stderr, "# %s: rx_frames %llu tx_frames %llu rx_datagrams %llu split_rx %llu split_tx %llu",
		who, (unsigned long long)c->rx_frames, (unsigned long long)c->tx_frames,
		(unsigned long long)c->rx_datagrams, (unsigned long long)c->split_rx,
		(unsigned long long)c->split_tx);
	for (int i = 0; i < SL_DROP_COUNT; i++) {
		if (c->drops[i])
			fprintf(stderr, " %s %llu", sl_drop_name((enum sl_drop)i),
				(unsigned long long)c->drops[i]);
	}
	fprintf(stderr, "\n");
}

void party_dump(const struct party *party)
{
	struct sl_relay_info info;

	if (party->relay) {
		sl_relay_info(party->relay, &info);
		dump_counters("relay", &info.counters);
	}
	for (unsigned i = 0; i <= party->options.clients; i++) {
		const struct party_member *m = &party->member[i];
		struct sl_session_status status;
		char who[64];

		snprintf(who, sizeof(who), "member %u %s", i, m->joined ? "joined" : "not joined");
		dump_counters(who, sl_session_counters(m->session));
		sl_session_status(m->session, &status);
		fprintf(stderr, "#   %s; rtt %llu us, cwnd %llu, in flight %llu, mtu %zu, queued %zu\n",
			status.sentence, (unsigned long long)(status.rtt_ns / 1000),
			(unsigned long long)status.conn.cwnd, (unsigned long long)status.conn.in_flight,
			status.conn.max_udp_payload, status.conn.queued);
	}
}
