// Frames between an adapter's device and the port's handler, by overlapped reads and writes.
//
// The driver completes a read or a write with ERROR_OPERATION_ABORTED whenever it can't serve it: the media
// is disconnected, the computer is about to sleep, the adapter is disabled. The first is no error. At the
// others we look again for a while before we give up.
#include "port/tap.h"

#include <iphlpapi.h>

#include <stdlib.h>
#include <string.h>

#include "port/tap_start_windows.h"

#define READS 32   // under way at a time
#define WRITES 512 // frames that the driver may have at a time
// Larger than any frame that may be, so that one that may not be is seen as such (WIN-3).
#define READ_SIZE 2048
#define RETRY_NS (200 * SL_NS_PER_MS)
#define RETRIES 25
#define CALM_NS (10 * SL_NS_PER_S) // after it the retries are counted anew

struct read {
	struct sl_overlapped operation; // first
	bool under_way;
	uint32_t plug; // tap.plug at its start
	uint8_t buf[READ_SIZE];
};

struct write {
	struct sl_overlapped operation; // first
	struct write *next_free;
	uint8_t buf[SL_TAP_FRAME_MAX];
};

struct tap {
	struct sl_port port;
	struct sl_port_handler handler;
	struct sl_env *env;
	struct sl_device *device;
	struct sl_timer *timer; // something is wrong: to look again, or to say so from the loop
	struct sl_port_stats stats;
	struct write *free;
	bool connected;   // the media
	bool gone;        // `failed` has been called
	bool received;    // in this burst
	uint32_t plug;    // counts the times that the media was connected
	uint32_t failure; // a Windows error that ends it
	unsigned retries;
	uint64_t retried_ns;
	struct sl_tap_adapter adapter;
	char driver[32];
	struct read reads[READS];
	struct write writes[WRITES];
};

static struct tap *tap_of(struct sl_port *port)
{
	return (struct tap *)(void *)port; // `port` is the first member
}

// ---- trouble

static void say_failed(struct tap *tap)
{
	char why[160];

	tap->gone = true;
	if (tap_device_state(tap->failure) == TAP_ABSENT)
		snprintf(why, sizeof(why),
			 "the adapter was disabled or removed; enable it in Device Manager, then start "
			 "softlan-client again");
	else
		snprintf(why, sizeof(why),
			 "the TAP driver reports Windows error %u; disable and enable the adapter in Device "
			 "Manager, then start softlan-client again",
			 (unsigned)tap->failure);
	if (tap->handler.failed)
		tap->handler.failed(tap->handler.arg, why);
}

static void fail(struct tap *tap, uint32_t code)
{
	if (!tap->failure)
		tap->failure = code;
	tap->env->ops->timer_set(tap->timer, tap->env->now_ns);
}

// The driver aborts though the media is connected.
static void interrupted(struct tap *tap)
{
	if (!tap->failure)
		tap->env->ops->timer_set(tap->timer, tap->env->now_ns + RETRY_NS);
}

// What a read or write that was not done means.
static void not_done(struct tap *tap, uint32_t code, bool expected)
{
	if (code != ERROR_OPERATION_ABORTED)
		fail(tap, code);
	else if (!expected)
		interrupted(tap);
}

// ---- from the adapter

static void start_read(struct tap *tap, struct read *read)
{
	uint32_t code;

	read->plug = tap->plug;
	read->under_way = true;
	code = sl_device_read(tap->device, &read->operation, read->buf, sizeof(read->buf));
	if (code == 0)
		return;
	read->under_way = false;
	not_done(tap, code, false);
}

static void start_reads(struct tap *tap)
{
	for (size_t i = 0; i < READS && !tap->failure; i++) {
		if (!tap->reads[i].under_way)
			start_read(tap, &tap->reads[i]);
	}
}

static void read_done(struct sl_overlapped *operation, uint32_t code, uint32_t bytes)
{
	struct read *read = (struct read *)(void *)operation;
	struct tap *tap = operation->arg;

	read->under_way = false;
	if (tap->gone)
		return;
	if (code == ERROR_MORE_DATA || (code == 0 && bytes > SL_TAP_FRAME_MAX)) {
		tap->stats.rx_oversize++;
	} else if (code == 0) {
		tap->stats.rx_frames++;
		tap->received = true;
		tap->handler.receive(tap->handler.arg, read->buf, bytes);
	} else {
		// One from before the media was connected last was aborted by that.
		bool expected = !tap->connected || read->plug != tap->plug;

		not_done(tap, code, expected);
		if (!expected || code != ERROR_OPERATION_ABORTED)
			return;
	}
	if (tap->connected && !tap->failure)
		start_read(tap, read);
}

static void burst_end(void *arg)
{
	struct tap *tap = arg;

	if (tap->received && tap->handler.batch_end)
		tap->handler.batch_end(tap->handler.arg);
	tap->received = false;
}

static void look_again(void *arg)
{
	struct tap *tap = arg;

	if (tap->gone)
		return;
	if (!tap->failure && tap->connected) {
		if (tap->env->now_ns - tap->retried_ns > CALM_NS)
			tap->retries = 0;
		tap->retried_ns = tap->env->now_ns;
		if (++tap->retries > RETRIES) {
			tap->failure = ERROR_OPERATION_ABORTED;
		} else if (tap_device_media(tap->device, true) == 0) {
			start_reads(tap);
		} else {
			interrupted(tap);
		}
	}
	if (tap->failure)
		say_failed(tap);
}

// ---- to the adapter

static void give_back(struct tap *tap, struct write *write)
{
	write->next_free = tap->free;
	tap->free = write;
}

static void write_done(struct sl_overlapped *operation, uint32_t code, uint32_t bytes)
{
	struct tap *tap = operation->arg;

	(void)bytes;
	give_back(tap, (struct write *)(void *)operation);
	if (code == 0) {
		tap->stats.tx_frames++;
		return;
	}
	tap->stats.tx_drops++;
	if (!tap->gone)
		not_done(tap, code, true); // reads tell whether an abort means more
}

static int tap_send(struct sl_port *port, const uint8_t *frame, size_t len)
{
	struct tap *tap = tap_of(port);
	struct write *write = tap->free;
	uint32_t code;

	if (tap->gone)
		return SL_ERR_CLOSED;
	if (!sl_tap_frame_fits(frame, len)) { // none that CVE-2024-1305 is about
		tap->stats.tx_drops++;
		return SL_ERR_INVALID;
	}
	if (!tap->connected || !write) {
		tap->stats.tx_drops++;
		return SL_ERR_AGAIN;
	}
	tap->free = write->next_free;
	memcpy(write->buf, frame, len);
	code = sl_device_write(tap->device, &write->operation, write->buf, (uint32_t)len);
	if (code == 0)
		return SL_OK;
	give_back(tap, write);
	tap->stats.tx_drops++;
	not_done(tap, code, true);
	return code == ERROR_OPERATION_ABORTED ? SL_ERR_AGAIN : SL_ERR_CLOSED;
}

static void tap_flush(struct sl_port *port)
{
	(void)port; // each frame leaves as it comes
}

// ---- the rest

static void tap_stats(struct sl_port *port, struct sl_port_stats *out)
{
	*out = tap_of(port)->stats;
}

static void tap_close(struct sl_port *port)
{
	struct tap *tap;

	if (!port)
		return;
	tap = tap_of(port);
	if (tap->timer)
		tap->env->ops->timer_free(tap->timer);
	if (tap->device && tap->connected)
		(void)tap_device_media(tap->device, false); // closing does it as well, a little later
	if (sl_device_close(tap->device))
		free(tap);
}

static const struct sl_port_ops tap_ops = {
	.send = tap_send,
	.flush = tap_flush,
	.stats = tap_stats,
	.close = tap_close,
};

static void prepare(struct tap *tap)
{
	for (size_t i = 0; i < READS; i++) {
		tap->reads[i].operation.done = read_done;
		tap->reads[i].operation.arg = tap;
	}
	for (size_t i = WRITES; i-- > 0;) {
		tap->writes[i].operation.done = write_done;
		tap->writes[i].operation.arg = tap;
		give_back(tap, &tap->writes[i]);
	}
}

int sl_tap_open(struct sl_loop *loop, const struct sl_tap_config *config,
		const struct sl_port_handler *handler, struct sl_port **out, struct sl_error *error)
{
	struct tap *tap = calloc(1, sizeof(*tap));
	struct tap_started started;
	int result;

	*out = NULL;
	if (!tap)
		return sl_fail(error, SL_ERR_NOMEM, "TAP adapter: out of memory");
	tap->port.ops = &tap_ops;
	tap->handler = *handler;
	tap->env = sl_loop_env(loop);
	prepare(tap);
	tap->timer = tap->env->ops->timer_new(tap->env, look_again, tap);
	if (!tap->timer) {
		result = sl_fail(error, SL_ERR_NOMEM, "TAP adapter: out of memory");
		goto out;
	}
	result = tap_start(loop, config, burst_end, tap, &started, error);
	if (result != SL_OK)
		goto out;
	tap->device = started.device;
	tap->adapter = started.adapter;
	snprintf(tap->driver, sizeof(tap->driver), "TAP-Windows %u.%u", (unsigned)started.version.major,
		 (unsigned)started.version.minor);
	*out = &tap->port;
	tap = NULL;
out:
	if (tap)
		tap_close(&tap->port);
	return result;
}

// `id` is "{xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}".
static void guid_of(const char *id, GUID *out)
{
	const char *digits = id + 20;

	out->Data1 = strtoul(id + 1, NULL, 16);
	out->Data2 = (unsigned short)strtoul(id + 10, NULL, 16);
	out->Data3 = (unsigned short)strtoul(id + 15, NULL, 16);
	for (size_t i = 0; i < sizeof(out->Data4); i++, digits += 2) {
		char byte[3] = {0};

		digits += *digits == '-';
		memcpy(byte, digits, 2);
		out->Data4[i] = (unsigned char)strtoul(byte, NULL, 16);
	}
}

int sl_tap_ifindex(const struct sl_port *port)
{
	NET_IFINDEX index = 0;
	NET_LUID luid;
	GUID guid;

	guid_of(((const struct tap *)(const void *)port)->adapter.id, &guid);
	if (ConvertInterfaceGuidToLuid(&guid, &luid) != NO_ERROR ||
	    ConvertInterfaceLuidToIndex(&luid, &index) != NO_ERROR)
		return 0;
	return (int)index;
}

const char *sl_tap_name(const struct sl_port *port)
{
	return ((const struct tap *)(const void *)port)->adapter.name;
}

const char *sl_tap_driver(const struct sl_port *port)
{
	return ((const struct tap *)(const void *)port)->driver;
}

const char *sl_tap_offload(const struct sl_port *port)
{
	(void)port;
	return "none";
}

int sl_tap_set_carrier(struct sl_port *port, bool on)
{
	struct tap *tap = tap_of(port);

	uint32_t code = tap->gone ? ERROR_OPERATION_ABORTED : tap_device_media(tap->device, on);

	if (code != 0) {
		fail(tap, code);
		return SL_ERR_SYSTEM;
	}
	if (on && !tap->connected)
		tap->plug++;
	tap->connected = on;
	if (on)
		start_reads(tap);
	return SL_OK;
}
