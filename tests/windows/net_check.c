// src/net on Windows: the clock, wake-ups from other threads, overlapped I/O, UDP, look-ups, signals. Prints
// TAP; run by test_windows_net.py.
#include <sys/socket.h> // before windows.h

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "net/async.h"
#include "net/overlapped.h"

#define THREADS 4
#define SENDS 1000
#define DATAGRAMS 300
#define RESTLESS 1000000
#define PIPE_NAME L"\\\\.\\pipe\\softlan-net-check"

struct world {
	struct sl_log log;
	struct sl_loop *loop;
	struct sl_env *env;
	struct sl_timer *late; // ends what does not end by itself
	bool too_late;
	DWORD thread;
	int count;
};

static int cases, failures;

static void check(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++cases, what);
	failures += !good;
	fflush(stdout);
}

static void on_late(void *arg)
{
	struct world *w = arg;

	w->too_late = true;
	sl_loop_stop(w->loop);
}

// Runs until somebody stops the loop. False: nobody did.
static bool run(struct world *w, uint64_t ms)
{
	w->too_late = false;
	w->env->ops->timer_set(w->late, sl_clock_ns(CLOCK_MONOTONIC) + ms * SL_NS_PER_MS);
	sl_loop_run(w->loop);
	w->env->ops->timer_set(w->late, SL_TIME_NEVER);
	return !w->too_late;
}

static void start(struct world *w)
{
	struct sl_error error = {{0}};

	memset(w, 0, sizeof(*w));
	sl_log_init(&w->log);
	w->thread = GetCurrentThreadId();
	w->loop = sl_loop_new(&w->log, &error);
	if (!w->loop) {
		printf("Bail out! %s\n", error.text);
		exit(1);
	}
	w->env = sl_loop_env(w->loop);
	w->late = w->env->ops->timer_new(w->env, on_late, w);
}

static void end(struct world *w)
{
	w->env->ops->timer_free(w->late);
	sl_loop_free(w->loop);
}

// ---- the clock

static void clock_is_the_counter(void)
{
	LARGE_INTEGER frequency, before, after;
	uint64_t now, last = 0;
	bool forward = true;

	QueryPerformanceFrequency(&frequency);
	QueryPerformanceCounter(&before);
	now = sl_clock_ns(CLOCK_MONOTONIC);
	QueryPerformanceCounter(&after);
	// In 128 bits, which hold it: 64 are over after half an hour at 10 MHz.
	check(now + 1000 >= (uint64_t)((unsigned __int128)before.QuadPart * 1000000000 /
				       (unsigned)frequency.QuadPart) &&
		      now <= 1000 + (uint64_t)((unsigned __int128)after.QuadPart * 1000000000 /
					       (unsigned)frequency.QuadPart),
	      "the monotonic clock is the performance counter, without an overflow");
	for (int i = 0; i < 200000; i++) {
		now = sl_clock_ns(CLOCK_MONOTONIC);
		forward = forward && now >= last;
		last = now;
	}
	check(forward, "it never goes back");
}

static void on_timer(void *arg)
{
	struct world *w = arg;

	w->count++;
	sl_loop_stop(w->loop);
}

static void timers_are_precise(void)
{
	struct world w;
	uint64_t worst = 0;
	bool early = false;

	start(&w);
	struct sl_timer *timer = w.env->ops->timer_new(w.env, on_timer, &w);
	for (int i = 0; i < 20; i++) {
		uint64_t due = sl_clock_ns(CLOCK_MONOTONIC) + 5 * SL_NS_PER_MS, now;

		w.env->ops->timer_set(timer, due);
		run(&w, 1000);
		now = sl_clock_ns(CLOCK_MONOTONIC);
		early = early || now < due;
		worst = now - due > worst ? now - due : worst;
	}
	printf("# the latest of 20 timers was %llu us late\n", (unsigned long long)(worst / SL_NS_PER_US));
	check(w.count == 20 && !early, "timers fire, and never early");
	w.env->ops->timer_free(timer);
	end(&w);
}

// ---- wake-ups

struct threads {
	struct world w;
	struct sl_async *async;
	volatile LONG sent;
	bool wrong_thread;
};

static DWORD WINAPI send_many(void *arg)
{
	struct threads *t = arg;

	for (int i = 0; i < SENDS; i++) {
		InterlockedIncrement(&t->sent);
		sl_async_send(t->async);
	}
	return 0;
}

static void on_async(void *arg)
{
	struct threads *t = arg;

	t->w.count++;
	t->wrong_thread = t->wrong_thread || GetCurrentThreadId() != t->w.thread;
	if (t->sent == THREADS * SENDS)
		sl_loop_stop(t->w.loop);
}

static void wakeups_come_from_threads(void)
{
	struct threads t = {.sent = 0};
	HANDLE threads[THREADS];

	start(&t.w);
	t.async = sl_loop_async(t.w.loop, on_async, &t);
	for (int i = 0; i < THREADS; i++)
		threads[i] = CreateThread(NULL, 0, send_many, &t, 0, NULL);
	check(run(&t.w, 10000), "no wake-up is lost: the last of 4,000 from four threads is heard");
	check(!t.wrong_thread && t.w.count > 0 && t.w.count <= THREADS * SENDS,
	      "they are heard in the loop's thread");
	WaitForMultipleObjects(THREADS, threads, TRUE, 5000);
	for (int i = 0; i < THREADS; i++)
		CloseHandle(threads[i]);
	sl_async_free(t.async);
	end(&t.w);
}

// Sends itself again whenever it is called.
static void on_restless(void *arg)
{
	struct threads *t = arg;

	if (++t->w.count < RESTLESS)
		sl_async_send(t->async);
}

static void wakeups_leave_others_their_turn(void)
{
	struct threads t = {.sent = 0};

	start(&t.w);
	t.async = sl_loop_async(t.w.loop, on_restless, &t);
	sl_async_send(t.async);
	run(&t.w, 20);
	check(t.w.count > 1 && t.w.count < RESTLESS, "one that is always sent keeps no timer waiting");
	sl_async_free(t.async);
	end(&t.w);
}

static void on_hup(void *arg)
{
	struct world *w = arg;

	w->count++;
	sl_loop_stop(w->loop);
}

static DWORD WINAPI raise_hup(void *arg)
{
	sl_loop_raise(((struct world *)arg)->loop, SIGHUP);
	return 0;
}

static void signals_come_from_threads(void)
{
	struct world w;

	start(&w);
	struct sl_signal *hup = sl_loop_signal(w.loop, SIGHUP, on_hup, &w);
	struct sl_signal *term = sl_loop_signal(w.loop, SIGTERM, on_late, &w);
	HANDLE thread = CreateThread(NULL, 0, raise_hup, &w, 0, NULL);
	check(run(&w, 5000) && w.count == 1,
	      "a signal that another thread raises is delivered, and no other one");
	WaitForSingleObject(thread, 5000);
	CloseHandle(thread);
	sl_signal_free(hup);
	sl_signal_free(term);
	end(&w);
}

// ---- the console's events

static DWORD WINAPI console_event(void *arg)
{
	// What Windows calls in a thread that it makes for the event.
	HMODULE library = GetModuleHandleW(L"kernelbase.dll");
	DWORD(WINAPI * routine)(void *event) = (void *)GetProcAddress(library, "CtrlRoutine");

	return routine ? routine(arg) : 99;
}

static HANDLE send_event(DWORD event)
{
	return CreateThread(NULL, 0, console_event, (void *)(UINT_PTR)event, 0, NULL);
}

static void console_events_are_signals(void)
{
	struct world w;
	HANDLE thread;

	start(&w);
	struct sl_signal *interrupt = sl_loop_signal(w.loop, SIGINT, on_hup, &w);
	thread = send_event(CTRL_BREAK_EVENT);
	check(run(&w, 5000) && w.count == 1, "Ctrl-Break interrupts");
	WaitForSingleObject(thread, 5000);
	CloseHandle(thread);
	struct sl_signal *term = sl_loop_signal(w.loop, SIGTERM, on_hup, &w);
	thread = send_event(CTRL_LOGOFF_EVENT);
	check(!run(&w, 300) && w.count == 1 && WaitForSingleObject(thread, 5000) == WAIT_OBJECT_0,
	      "without a console, as in a service, somebody's log-off ends nothing");
	CloseHandle(thread);
	// Last: its thread waits for our end, and SetConsoleCtrlHandler for that thread.
	thread = send_event(CTRL_CLOSE_EVENT);
	check(run(&w, 5000) && w.count == 2, "a console that is closed ends it");
	sl_signal_free(interrupt);
	sl_signal_free(term);
	end(&w);
	check(WaitForSingleObject(thread, 0) == WAIT_TIMEOUT, "in order, while Windows waits");
	CloseHandle(thread);
}

// ---- overlapped I/O

struct pipe {
	struct world w;
	struct sl_device *server;
	struct sl_overlapped connect, read, more, write;
	HANDLE client;
	char got[64], sent[64];
	int bursts, connected, written;
	uint32_t error;
};

static void on_written(struct sl_overlapped *operation, uint32_t error, uint32_t bytes)
{
	struct pipe *p = operation->arg;

	(void)bytes;
	p->error |= error;
	p->written++;
	sl_loop_stop(p->w.loop);
}

static void on_read(struct sl_overlapped *operation, uint32_t error, uint32_t bytes)
{
	struct pipe *p = operation->arg;

	p->error |= error;
	memcpy(p->sent, p->got, bytes);
	p->error |= sl_device_write(p->server, &p->write, p->sent, bytes);
}

static void on_connected(struct sl_overlapped *operation, uint32_t error, uint32_t bytes)
{
	struct pipe *p = operation->arg;

	(void)bytes;
	p->error |= error;
	p->connected++;
	p->error |= sl_device_read(p->server, &p->read, p->got, sizeof(p->got));
}

static void on_burst(void *arg)
{
	((struct pipe *)arg)->bursts++;
}

static DWORD WINAPI ask(void *arg)
{
	struct pipe *p = arg;
	char answer[64] = {0};
	DWORD bytes = 0;

	p->client = CreateFileW(PIPE_NAME, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
	if (p->client == INVALID_HANDLE_VALUE)
		return 1;
	Sleep(50);
	WriteFile(p->client, "hello", 5, &bytes, NULL);
	ReadFile(p->client, answer, sizeof(answer), &bytes, NULL);
	return bytes == 5 && memcmp(answer, "hello", 5) == 0 ? 0 : 2;
}

static void devices_complete_in_the_loop(void)
{
	struct pipe p = {.connect.done = on_connected,
			 .read.done = on_read,
			 .more.done = on_read,
			 .write.done = on_written};
	struct sl_error error;
	DWORD code = 99;

	p.connect.arg = p.read.arg = p.more.arg = p.write.arg = &p;
	start(&p.w);
	HANDLE handle = CreateNamedPipeW(PIPE_NAME, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, PIPE_TYPE_BYTE,
					 1, 4096, 4096, 0, NULL);
	check(sl_device_new(p.w.loop, handle, on_burst, &p, &p.server, &error) == SL_OK,
	      "a pipe is a device");
	p.error |= sl_device_connect(p.server, &p.connect);
	HANDLE thread = CreateThread(NULL, 0, ask, &p, 0, NULL);
	check(run(&p.w, 5000) && p.error == 0 && p.connected == 1 && p.written == 1,
	      "connect, read and write are completed, each once");
	check(p.bursts > 0 && p.bursts <= 3, "and each batch ends with a call");
	WaitForSingleObject(thread, 5000);
	GetExitCodeThread(thread, &code);
	check(code == 0, "the other side got its answer");
	CloseHandle(thread);
	// Under way at the close: given back, and not reported.
	p.connected = 0;
	memset(p.got, 0, sizeof(p.got));
	check(sl_device_read(p.server, &p.more, p.got, sizeof(p.got)) == 0, "a read begins");
	check(sl_device_close(p.server), "closing takes it back");
	CloseHandle(p.client);
	run(&p.w, 100);
	check(p.written == 1, "and nothing is heard of it");
	end(&p.w);
}

// ---- UDP

struct talk {
	struct world w;
	struct sl_udp *udp;
	size_t datagrams, wanted;
	bool wrong;
};

static void on_datagrams(void *arg, const struct sl_udp_rx *batch, size_t count)
{
	struct talk *t = arg;

	for (size_t i = 0; i < count; i++)
		t->wrong = t->wrong || batch[i].len != 1200 || batch[i].data[0] != batch[i].data[1199];
	t->datagrams += count;
	if (t->datagrams >= t->wanted)
		sl_loop_stop(t->w.loop);
}

static void udp_talks(void)
{
	struct talk t = {.wanted = DATAGRAMS};
	const struct sl_udp_handler handler = {.recv = on_datagrams, .arg = &t};
	struct sl_udp_options options = {.remote.len = sizeof(struct sockaddr_in)};
	uint8_t train[10 * 1200], got[1500];
	struct sl_udp_stats stats;
	struct sl_addr local;
	struct sl_error error;
	int received = 0;

	start(&t.w);
	SOCKET peer = socket(AF_INET, SOCK_DGRAM, 0);
	int len = sizeof(options.remote.in), wait_ms = 2000, buffer = 1 << 20;
	options.remote.in.sin_family = AF_INET;
	options.remote.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	bind(peer, &options.remote.sa, len);
	getsockname(peer, &options.remote.sa, &len);
	setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, (char *)&wait_ms, sizeof(wait_ms));
	setsockopt(peer, SOL_SOCKET, SO_RCVBUF, (char *)&buffer, sizeof(buffer));
	// Nobody is there at first. What ICMP says of that changes nothing.
	closesocket(peer);
	check(t.w.env->ops->udp_open(t.w.env, &options, &handler, &t.udp, &error) == SL_OK,
	      "a socket is connected");
	struct sl_udp_tx lone = {.remote = &options.remote, .data = train, .len = 1200};
	memset(train, 7, sizeof(train));
	for (int i = 0; i < 3; i++) {
		check(t.w.env->ops->udp_send(t.udp, &lone, 1) == 1, "a datagram to a closed port is taken");
		run(&t.w, 50);
	}
	peer = socket(AF_INET, SOCK_DGRAM, 0);
	setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, (char *)&wait_ms, sizeof(wait_ms));
	setsockopt(peer, SOL_SOCKET, SO_RCVBUF, (char *)&buffer, sizeof(buffer));
	check(bind(peer, &options.remote.sa, len) == 0, "now somebody is there");
	struct sl_udp_tx batch[2] = {
		{.remote = &options.remote, .data = train, .len = sizeof(train), .segment = 1200},
		{.remote = &options.remote, .data = train, .len = 700}};
	check(t.w.env->ops->udp_send(t.udp, batch, 2) == 2, "a train and a datagram are taken");
	for (int i = 0; i < 11; i++)
		received += recv(peer, (char *)got, sizeof(got), 0);
	check(received == 10 * 1200 + 700, "and arrive, cut as they should be");
	t.w.env->ops->udp_local(t.udp, &local);
	for (int i = 0; i < DATAGRAMS; i++) {
		memset(got, i, sizeof(got));
		sendto(peer, (char *)got, 1200, 0, &local.sa, local.len);
	}
	check(run(&t.w, 5000) && !t.wrong, "300 datagrams come back in batches, whole");
	t.w.env->ops->udp_stats(t.udp, &stats);
	check(stats.rx_datagrams == DATAGRAMS && stats.tx_datagrams >= 11 && stats.rx_calls < DATAGRAMS,
	      "and are counted");
	t.w.env->ops->udp_close(t.udp);
	closesocket(peer);
	end(&t.w);
}

// ---- look-ups

static void on_resolved(void *arg, const struct sl_addr *addrs, size_t count, const char *error)
{
	struct world *w = arg;

	w->count = (int)count;
	if (count > 0 && sl_addr_port(&addrs[0]) != 4433)
		w->count = -1;
	if (error)
		printf("# %s\n", error);
	sl_loop_stop(w->loop);
}

static bool look_up(struct world *w, const char *text)
{
	struct sl_host host;
	struct sl_error error;

	w->count = -2;
	if (sl_host_parse(text, &host, &error) != SL_OK)
		return false;
	return w->env->ops->resolve(w->env, &host, on_resolved, w) != NULL && run(w, 20000);
}

static void names_are_looked_up(void)
{
	struct world w;
	struct sl_host host;
	struct sl_error error;

	start(&w);
	check(look_up(&w, "localhost:4433") && w.count >= 1,
	      "a name has its addresses, with the port [NET-3]");
	check(look_up(&w, "127.0.0.1:4433") && w.count == 1, "so has an address");
	check(look_up(&w, "softlan.invalid:4433") && w.count == 0, "one that does not exist has none");
	sl_host_parse("softlan.invalid", &host, &error);
	w.env->ops->resolve_cancel(w.env->ops->resolve(w.env, &host, on_resolved, &w));
	w.count = -2;
	run(&w, 500);
	check(w.count == -2, "one that was cancelled says nothing");
	w.env->ops->resolve(w.env, &host, on_resolved, &w);
	end(&w);
	check(w.count == -2, "nor one whose loop is gone");
}

int main(void)
{
	clock_is_the_counter();
	timers_are_precise();
	wakeups_come_from_threads();
	wakeups_leave_others_their_turn();
	signals_come_from_threads();
	devices_complete_in_the_loop();
	udp_talks();
	names_are_looked_up();
	console_events_are_signals();
	printf("1..%d\n", cases);
	return failures != 0;
}
