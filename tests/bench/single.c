// Linked into a program with --wrap, this makes each QUIC packet carry one frame at most, whatever else is
// ready: the same code without its coalescing, for the comparison in tests/bench/relay. It is in no product.
#include "single.h"

ngtcp2_ssize __wrap_ngtcp2_conn_write_datagram_versioned(ngtcp2_conn *conn, ngtcp2_path *path,
							 int info_version, ngtcp2_pkt_info *info,
							 uint8_t *dest, size_t destlen, int *accepted,
							 uint32_t flags, uint64_t id, const uint8_t *data,
							 size_t datalen, ngtcp2_tstamp ts)
{
	return __real_ngtcp2_conn_write_datagram_versioned(
		conn, path, info_version, info, dest, destlen, accepted,
		flags & ~(uint32_t)NGTCP2_WRITE_DATAGRAM_FLAG_MORE, id, data, datalen, ts);
}

ngtcp2_ssize __wrap_ngtcp2_conn_writev_datagram_versioned(ngtcp2_conn *conn, ngtcp2_path *path,
							  int info_version, ngtcp2_pkt_info *info,
							  uint8_t *dest, size_t destlen, int *accepted,
							  uint32_t flags, uint64_t id, const ngtcp2_vec *data,
							  size_t datacnt, ngtcp2_tstamp ts)
{
	return __real_ngtcp2_conn_writev_datagram_versioned(
		conn, path, info_version, info, dest, destlen, accepted,
		flags & ~(uint32_t)NGTCP2_WRITE_DATAGRAM_FLAG_MORE, id, data, datacnt, ts);
}
