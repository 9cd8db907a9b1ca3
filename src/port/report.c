#include "port/report.h"

json_t *sl_port_json(struct sl_port *port)
{
	struct sl_port_stats stats = {0};

	port->ops->stats(port, &stats);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "rx_frames",
			 (json_int_t)stats.rx_frames, "tx_frames", (json_int_t)stats.tx_frames, "rx_super",
			 (json_int_t)stats.rx_super, "rx_segments", (json_int_t)stats.rx_segments, "rx_csum",
			 (json_int_t)stats.rx_csum, "rx_oversize", (json_int_t)stats.rx_oversize,
			 "rx_kernel_drops", (json_int_t)stats.rx_kernel_drops, "tx_super",
			 (json_int_t)stats.tx_super, "tx_segments", (json_int_t)stats.tx_segments, "tx_drops",
			 (json_int_t)stats.tx_drops);
}
