"""Raw Ethernet frames: building, sending at a rate, recording."""

import select
import socket
import struct
import threading
import time

ETH_P_ALL = 3
ETH_OWN = 0x88B5  # IEEE 802 local experimental ethertype 1: softlan's own frames
ETH_TEST = 0x88B6  # local experimental ethertype 2
SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 8, 23
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 0x10, 0x40
BROADCAST = "ff:ff:ff:ff:ff:ff"


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def mac_text(raw):
    return raw.hex(":")


def build(destination, source, ethertype=ETH_TEST, payload=b"", size=60):
    """An Ethernet frame, filled up with a pattern to `size` bytes."""
    frame = mac_bytes(destination) + mac_bytes(source) + struct.pack("!H", ethertype) + payload
    missing = size - len(frame)
    return frame + bytes((len(frame) + i) & 0xFF for i in range(missing)) if missing > 0 else frame


def destination(frame):
    return mac_text(frame[0:6])


def source(frame):
    return mac_text(frame[6:12])


def ethertype(frame):
    return struct.unpack_from("!H", frame, 12)[0]


class Port:
    """A raw socket on an interface inside a namespace. Frames sent from the same machine through
    this interface are not received: what comes is what the other side sent."""

    def __init__(self, space, interface):
        self.space, self.interface = space, interface
        self.sock = space.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.stamp = 0.0  # when the frame that receive() gave last came to the interface; seconds since 1970
        self.sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self.sock.bind((interface, ETH_P_ALL))
        # Promiscuous, while the socket lives: struct packet_mreq, PACKET_ADD_MEMBERSHIP.
        with space.entered():
            index = socket.if_nametoindex(interface)
        self.sock.setsockopt(SOL_PACKET, 1, struct.pack("iHH8s", index, 1, 0, b""))
        self.sock.setblocking(False)

    def fileno(self):
        return self.sock.fileno()

    def send(self, frame):
        self.sock.send(frame)

    def receive(self):
        """The next frame with its VLAN tag in place, or None when none is waiting."""
        try:
            frame, extra, _, _ = self.sock.recvmsg(65536, 256)
        except BlockingIOError:
            return None
        for level, kind, data in extra:
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", data[:20])
                if status & TP_STATUS_VLAN_VALID:
                    tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
                    frame = frame[:12] + struct.pack("!HH", tpid, tci) + frame[12:]
            elif level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = struct.unpack("=qq", data[:16])
                self.stamp = seconds + nanoseconds / 1e9
        return frame

    def drain(self):
        while self.receive() is not None:
            pass

    def close(self):
        self.sock.close()


class Recorder:
    """Records, in a thread of its own, the frames that arrive on several ports.

    `wanted(frame)` chooses; frames[name] is a list of (time, frame), the kernel's time (Port.stamp)."""

    def __init__(self, ports, wanted=lambda frame: True):
        self.ports, self.wanted = ports, wanted
        self.frames = {name: [] for name in ports}
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        for port in self.ports.values():
            port.drain()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def _run(self):
        ending = False
        while not ending:
            ending = self.stopping.is_set()  # asked before the last look: what came until then is in it
            if not ending:
                select.select(list(self.ports.values()), [], [], 0.05)
            for name, port in self.ports.items():
                while (frame := port.receive()) is not None:
                    if self.wanted(frame):
                        self.frames[name].append((port.stamp, frame))

    def seen(self, name):
        return [frame for _, frame in list(self.frames[name])]

    def wait(self, name, count, timeout=5):
        """Waits until `count` frames have come at this port; says whether they have."""
        end = time.monotonic() + timeout
        while len(self.frames[name]) < count and time.monotonic() < end:
            time.sleep(0.01)
        return len(self.frames[name]) >= count


class Listening:
    """Ports that are open, and a recorder at them, as long as the `with` lasts."""

    def __init__(self, ports):
        self.ports = ports
        self.recorder = Recorder(ports)

    def __enter__(self):
        self.recorder.__enter__()
        return self

    def __exit__(self, *error):
        self.recorder.__exit__(*error)
        for port in self.ports.values():
            port.close()


def send_at_rate(port, frames, rate):
    """Sends the frames at `rate` per second, in steps of 5 ms, catching up after a late wake-up."""
    start = time.monotonic()
    sent = 0
    while sent < len(frames):
        due = min(len(frames), int((time.monotonic() - start) * rate) + 1)
        # After a long stall the rest comes at no more than four times the rate.
        for frame in frames[sent:min(due, sent + max(1, rate // 50))]:
            port.send(frame)
            sent += 1
        time.sleep(0.005)


