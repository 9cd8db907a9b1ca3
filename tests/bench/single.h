// ngtcp2's two functions that write a DATAGRAM frame, as the linker's --wrap calls them (BENCH_WRAP in
// Makefile.am).
#pragma once

#include <ngtcp2/ngtcp2.h>

#define BENCH_WRITE_DATAGRAM(prefix)                                                                         \
	ngtcp2_ssize prefix##_ngtcp2_conn_write_datagram_versioned(                                          \
		ngtcp2_conn *conn, ngtcp2_path *path, int info_version, ngtcp2_pkt_info *info,               \
		uint8_t *dest, size_t destlen, int *accepted, uint32_t flags, uint64_t id,                   \
		const uint8_t *data, size_t datalen, ngtcp2_tstamp ts);                                      \
	ngtcp2_ssize prefix##_ngtcp2_conn_writev_datagram_versioned(                                         \
		ngtcp2_conn *conn, ngtcp2_path *path, int info_version, ngtcp2_pkt_info *info,               \
		uint8_t *dest, size_t destlen, int *accepted, uint32_t flags, uint64_t id,                   \
		const ngtcp2_vec *data, size_t datacnt, ngtcp2_tstamp ts)

BENCH_WRITE_DATAGRAM(__real);
BENCH_WRITE_DATAGRAM(__wrap);
