// The floor under a relay's cost per frame on this machine: what one packet in and one packet out cannot do
// without. One AEAD decryption and one encryption, two header-protection masks, batched UDP receive and send.
//
//     tests/bench/floor [--cpu N] [--rounds N]
//
// The cryptography is called as ngtcp2 calls it (AES-128-GCM, 11 bytes of header as associated data); the
// datagrams go over loopback in trains (UDP_SEGMENT, UDP_GRO). Nanoseconds, the best of many rounds: what
// disturbs a round only ever adds to it. Prints JSON.
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <gnutls/crypto.h>
#include <jansson.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/time.h"
#include "quic/tls.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define ROUNDS 400
#define OPERATIONS 1000 // of cryptography in a round
#define AAD 11          // a short header: flags, eight bytes of connection id, two of packet number
#define TAG 16
#define SAMPLE 16 // of header protection
#define TRAINS 8  // sent, and then received, in a round of I/O …
#define REPEAT 20 // … that many times
#define TRAIN_MAX 65536
#define PACKET_MAX 1500

static const size_t sizes[] = {64, 200, 1200, 1300, 1400};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))
static const size_t frames[] = {200, 1300};
#define FRAMES (sizeof(frames) / sizeof(frames[0]))

struct crypto {
	ngtcp2_crypto_aead aead;
	ngtcp2_crypto_aead_ctx seal, open;
	ngtcp2_crypto_cipher cipher;
	ngtcp2_crypto_cipher_ctx mask;
	uint8_t aad[AAD], nonce[12];
	uint8_t plain[PACKET_MAX], sealed[PACKET_MAX + TAG];
};

struct io {
	int tx, rx;
	uint8_t *data; // TRAINS buffers
	size_t size, segments;
	double send_ns, receive_ns; // per packet
};

static void keep_best(double *best, uint64_t ns, size_t count)
{
	double one = (double)ns / (double)count;

	if (*best <= 0 || one < *best)
		*best = one;
}

// ---- cryptography

static bool crypto_init(struct crypto *crypto)
{
	uint8_t key[16] = {1, 2, 3}, iv[16] = {0};
	gnutls_datum_t key_datum = {key, sizeof(key)}, iv_datum = {iv, sizeof(iv)};
	gnutls_cipher_hd_t handle = NULL;

	// As ngtcp2's library makes them for itself. GnuTLS has no ECB; one block of CBC is the same.
	crypto->aead =
		(ngtcp2_crypto_aead){.native_handle = (void *)GNUTLS_CIPHER_AES_128_GCM, .max_overhead = TAG};
	crypto->cipher.native_handle = (void *)GNUTLS_CIPHER_AES_128_CBC;
	if (gnutls_cipher_init(&handle, GNUTLS_CIPHER_AES_128_CBC, &key_datum, &iv_datum) != 0)
		return false;
	crypto->mask.native_handle = handle;
	return ngtcp2_crypto_aead_ctx_encrypt_init(&crypto->seal, &crypto->aead, key,
						   sizeof(crypto->nonce)) == 0 &&
	       ngtcp2_crypto_aead_ctx_decrypt_init(&crypto->open, &crypto->aead, key,
						   sizeof(crypto->nonce)) == 0;
}

static void crypto_fini(struct crypto *crypto)
{
	ngtcp2_crypto_aead_ctx_free(&crypto->seal);
	ngtcp2_crypto_aead_ctx_free(&crypto->open);
	if (crypto->mask.native_handle != NULL)
		gnutls_cipher_deinit(crypto->mask.native_handle);
}

static int seal(struct crypto *crypto, size_t size)
{
	return ngtcp2_crypto_encrypt_cb(crypto->sealed, &crypto->aead, &crypto->seal, crypto->plain, size,
					crypto->nonce, sizeof(crypto->nonce), crypto->aad, AAD);
}

static int unseal(struct crypto *crypto, size_t size)
{
	return ngtcp2_crypto_decrypt_cb(crypto->plain, &crypto->aead, &crypto->open, crypto->sealed,
					size + TAG, crypto->nonce, sizeof(crypto->nonce), crypto->aad, AAD);
}

static int mask(struct crypto *crypto, size_t size)
{
	uint8_t out[SAMPLE + TAG];

	(void)size;
	return ngtcp2_crypto_hp_mask_cb(out, &crypto->cipher, &crypto->mask, crypto->sealed);
}

// Less than 0: it failed.
static double measure(struct crypto *crypto, int (*run)(struct crypto *crypto, size_t size), size_t size,
		      unsigned rounds)
{
	double best = 0;

	if (seal(crypto, size) != 0)
		return -1;
	for (unsigned round = 0; round < rounds; round++) {
		uint64_t begin_ns = sl_clock_ns(CLOCK_MONOTONIC);

		for (unsigned i = 0; i < OPERATIONS; i++)
			if (run(crypto, size) != 0)
				return -1;
		keep_best(&best, sl_clock_ns(CLOCK_MONOTONIC) - begin_ns, OPERATIONS);
	}
	return best;
}

// ---- datagrams

static bool io_open(struct io *io)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int on = 1, room = 8 * 1024 * 1024;

	io->rx = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	io->tx = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	io->data = calloc(TRAINS, TRAIN_MAX);
	if (io->rx < 0 || io->tx < 0 || io->data == NULL)
		return false;
	(void)setsockopt(io->rx, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	(void)setsockopt(io->tx, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	return bind(io->rx, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
	       getsockname(io->rx, (struct sockaddr *)&addr, &len) == 0 &&
	       connect(io->tx, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
	       setsockopt(io->rx, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) == 0;
}

static void io_close(struct io *io)
{
	if (io->rx >= 0)
		close(io->rx);
	if (io->tx >= 0)
		close(io->tx);
	free(io->data);
}

static bool send_trains(struct io *io)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(uint16_t))];
	} control = {0};
	struct iovec iov = {.iov_base = io->data, .iov_len = io->size * io->segments};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control.room)};
	uint16_t segment = (uint16_t)io->size;

	control.header = (struct cmsghdr){
		.cmsg_level = IPPROTO_UDP, .cmsg_type = UDP_SEGMENT, .cmsg_len = CMSG_LEN(sizeof(segment))};
	memcpy(CMSG_DATA(&control.header), &segment, sizeof(segment));
	for (unsigned i = 0; i < TRAINS; i++)
		if (sendmsg(io->tx, &msg, 0) != (ssize_t)iov.iov_len)
			return false;
	return true;
}

static bool receive_trains(struct io *io)
{
	struct mmsghdr msgs[TRAINS] = {0};
	struct iovec iovs[TRAINS];
	char control[TRAINS][64];
	size_t bytes = 0, expected = TRAINS * io->size * io->segments;

	while (bytes < expected) {
		for (unsigned i = 0; i < TRAINS; i++) {
			iovs[i] = (struct iovec){io->data + (size_t)i * TRAIN_MAX, TRAIN_MAX};
			msgs[i].msg_hdr = (struct msghdr){.msg_iov = &iovs[i],
							  .msg_iovlen = 1,
							  .msg_control = control[i],
							  .msg_controllen = sizeof(control[i])};
		}
		int got = recvmmsg(io->rx, msgs, TRAINS, MSG_DONTWAIT, NULL);
		if (got <= 0)
			return false; // some were lost: this round does not count
		for (int i = 0; i < got; i++)
			bytes += msgs[i].msg_len;
	}
	return true;
}

static bool io_measure(struct io *io, size_t size, unsigned rounds)
{
	size_t packets;

	io->size = size;
	io->segments = 60000 / size < 60 ? 60000 / size : 60; // as softlan cuts its trains
	io->send_ns = io->receive_ns = 0;
	packets = TRAINS * io->segments;
	for (unsigned round = 0; round < rounds * REPEAT; round++) {
		uint64_t begin_ns = sl_clock_ns(CLOCK_MONOTONIC), sent_ns;

		if (!send_trains(io))
			return false;
		sent_ns = sl_clock_ns(CLOCK_MONOTONIC);
		if (!receive_trains(io))
			return false;
		keep_best(&io->receive_ns, sl_clock_ns(CLOCK_MONOTONIC) - sent_ns, packets);
		keep_best(&io->send_ns, sent_ns - begin_ns, packets);
	}
	return true;
}

// ---- the program

static json_t *run(struct crypto *crypto, struct io *io, unsigned rounds)
{
	json_t *out = json_pack("{s:s, s:s, s:i}", "libraries", sl_quic_library_versions(), "cipher",
				"AES-128-GCM", "aad_bytes", AAD);
	json_t *aead = json_object(), *datagrams = json_object(), *floors = json_object();
	double seal_ns[SIZES], open_ns[SIZES], mask_ns = measure(crypto, mask, sizes[0], rounds);
	char name[24];

	for (size_t i = 0; i < SIZES; i++) {
		seal_ns[i] = measure(crypto, seal, sizes[i], rounds);
		open_ns[i] = measure(crypto, unseal, sizes[i], rounds);
		snprintf(name, sizeof(name), "%zu", sizes[i]);
		json_object_set_new(
			aead, name,
			json_pack("{s:f, s:f}", "encrypt_ns", seal_ns[i], "decrypt_ns", open_ns[i]));
		if (seal_ns[i] < 0 || open_ns[i] < 0 || mask_ns < 0)
			goto failed;
	}
	for (size_t i = 0; i < FRAMES; i++) {
		size_t at = 0;

		while (sizes[at] != frames[i])
			at++;
		if (!io_measure(io, frames[i], rounds)) {
			fprintf(stderr, "floor: no trains of datagrams over loopback: %s\n", strerror(errno));
			goto failed;
		}
		snprintf(name, sizeof(name), "%zu", frames[i]);
		json_object_set_new(
			datagrams, name,
			json_pack("{s:f, s:f}", "send_ns", io->send_ns, "receive_ns", io->receive_ns));
		json_object_set_new(
			floors, name,
			json_real(open_ns[at] + seal_ns[at] + 2 * mask_ns + io->receive_ns + io->send_ns));
	}
	json_object_set_new(out, "aead", aead);
	json_object_set_new(out, "header_protection_ns", json_real(mask_ns));
	json_object_set_new(out, "datagrams", datagrams);
	json_object_set_new(out, "floor_ns", floors);
	return out;
failed:
	json_decref(out);
	json_decref(aead);
	json_decref(datagrams);
	json_decref(floors);
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{"cpu", required_argument, NULL, 'c'}, {"rounds", required_argument, NULL, 'r'}, {0}};
	struct crypto *crypto = calloc(1, sizeof(*crypto));
	struct io io = {.tx = -1, .rx = -1};
	unsigned rounds = ROUNDS;
	json_t *result = NULL;
	int option, status = 2;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (option == 'c')
			CPU_SET((unsigned)strtoul(optarg, NULL, 10), &cpus);
		else if (option == 'r')
			rounds = (unsigned)strtoul(optarg, NULL, 10);
		else
			goto out;
	}
	status = 1;
	if (CPU_COUNT(&cpus) > 0 && sched_setaffinity(0, sizeof(cpus), &cpus) != 0) {
		fprintf(stderr, "floor: no such CPU: %s\n", strerror(errno));
		goto out;
	}
	if (crypto == NULL || !crypto_init(crypto) || !io_open(&io)) {
		fprintf(stderr, "floor: cannot set up cryptography and sockets\n");
		goto out;
	}
	result = run(crypto, &io, rounds);
	if (result == NULL)
		goto out;
	json_dumpf(result, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(5) | JSON_PRESERVE_ORDER);
	putchar('\n');
	status = 0;
out:
	json_decref(result);
	if (crypto != NULL)
		crypto_fini(crypto);
	free(crypto);
	io_close(&io);
	return status;
}
