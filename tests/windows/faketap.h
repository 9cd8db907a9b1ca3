// The fake TAP-Windows6 driver as its callers see it: what a client does with \\.\Global\{GUID}.tap, as with
// the real one, and what the tests do at the back door, \\.\softlan-faketap. Integers are little-endian, as
// on the machine.
#pragma once

#define FT_CODE(function) CTL_CODE(FILE_DEVICE_UNKNOWN, function, METHOD_BUFFERED, FILE_ANY_ACCESS)

// The real driver's codes.
#define TAP_GET_MAC FT_CODE(1)          // out: 6 bytes
#define TAP_GET_VERSION FT_CODE(2)      // out: ULONG major, minor, debug
#define TAP_GET_MTU FT_CODE(3)          // out: ULONG
#define TAP_SET_MEDIA_STATUS FT_CODE(6) // in: ULONG, of which the driver looks at the low byte

#define FT_BACK_DOOR L"softlan-faketap"
#define FT_GUID 40      // characters of a GUID with braces, and a zero
#define FT_QUEUE 64     // frames on the way to the client: the back door's writes wait for room
#define FT_BACKLOG 8192 // frames on the way to the back door: what comes then is lost
#define FT_HISTORY 1024 // entries of the log: the oldest go first
#define FT_BATCH 60000  // bytes that the back door reads or writes at once, at most
#define FT_FRAME_MAX 9018

// The back door's codes. FT_SET makes the adapter when there is none of that GUID. FT_SELECT ties this handle
// to an adapter: reading it gives what the client wrote, writing it sends what the client will read.
#define FT_SET FT_CODE(0x801)    // in: struct ft_set
#define FT_SELECT FT_CODE(0x802) // in: WCHAR guid[FT_GUID]
#define FT_STATE FT_CODE(0x803)  // in: WCHAR guid[FT_GUID]; out: struct ft_state
#define FT_LOG FT_CODE(0x804)    // in: struct ft_log; out: struct ft_entry[]

// What the back door reads and writes: records, each a ULONG with the frame's length in bytes and the frame.
// When it reads, FT_MEDIA | 0 or 1 with no bytes behind says that the media went down or up.
#define FT_MEDIA 0x80000000u

enum ft_what { FT_MAC = 1, FT_VERSION = 2, FT_MTU = 4, FT_BUSY = 8, FT_PLUGGED = 16 };

struct ft_set {
	WCHAR guid[FT_GUID];
	ULONG what; // enum ft_what, or-ed: which of these count
	UCHAR mac[6];
	UCHAR busy;    // as if another program held the adapter
	UCHAR plugged; // 0: the device is gone, as when disabled; 1: there, and a new one if it was gone
	ULONG version[3];
	ULONG mtu;
};

struct ft_state {
	ULONG opened, media, plugged, busy;
	ULONG reads;              // the client's that wait now
	ULONG reads_peak;         // most that ever waited since the adapter was opened
	ULONG to_client, to_back; // frames that wait
	ULONG written, read;      // frames of the client, since the adapter was made
	ULONG lost;               // frames: no room, media down, or too long for the client's read
};

// What happened at an adapter. The IOCTLs have their own codes.
enum ft_event { FT_OPENED = 1, FT_REFUSED = 2, FT_CLOSED = 3, FT_GONE = 4, FT_BACK = 5 };

struct ft_entry {
	ULONG number;  // 1, 2 ...
	ULONG event;   // enum ft_event, or the code of an IOCTL
	ULONG value;   // of TAP_SET_MEDIA_STATUS, as the client sent it
	LONG status;   // NTSTATUS that the client got
	LONGLONG time; // 100 ns since 1601, UTC
};

struct ft_log {
	WCHAR guid[FT_GUID];
	ULONG after; // entries with a greater number are wanted
};
