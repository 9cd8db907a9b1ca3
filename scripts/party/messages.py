"""Messages of games and of the services that find them, as the programs send them, and parts of packets."""

import os
import socket
import struct

from . import frames

# --- games and discovery over UDP ---

SSDP_GROUP, SSDP_PORT = "239.255.255.250", 1900
MINECRAFT_GROUP, MINECRAFT_PORT = "224.0.2.60", 4445
NETBIOS_PORT = 137
SOURCE_PORT = 27015

SSDP_SEARCH = (b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\n"
               b"ST: upnp:rootdevice\r\n\r\n")
MINECRAFT = b"[MOTD]A party[/MOTD][AD]25565[/AD]"
SOURCE_QUERY = b"\xff\xff\xff\xffTSource Engine Query\0"  # A2S_INFO
SOURCE_ANSWER = (b"\xff\xff\xff\xffI\x11A party\0de_dust2\0cstrike\0Counter-Strike: Source\0"
                 + struct.pack("<HBBBccBB", 240, 3, 16, 0, b"d", b"l", 0, 1) + b"1.0.0.70\0")


def ssdp_answer(address):
    return (f"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nEXT:\r\nLOCATION: http://{address}:49152/root.xml\r\n"
            "SERVER: Linux UPnP/1.0 party/1\r\nST: upnp:rootdevice\r\n"
            "USN: uuid:7a1a7a1a-0000-1000-8000-00163e770001::upnp:rootdevice\r\n\r\n").encode()


def ssdp_notify(address):
    return (f"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nCACHE-CONTROL: max-age=1800\r\n"
            f"LOCATION: http://{address}:49152/root.xml\r\nNT: upnp:rootdevice\r\nNTS: ssdp:alive\r\n"
            "USN: uuid:7a1a7a1a-0000-1000-8000-00163e770001::upnp:rootdevice\r\n\r\n").encode()


def netbios_name(name, suffix=0x20):
    """First-level encoding (RFC 1001 14.1): 15 letters and the suffix, a letter for each half of a byte."""
    raw = name.upper().ljust(15).encode()[:15] + bytes([suffix])
    return b"\x20" + bytes(0x41 + half for byte in raw for half in (byte >> 4, byte & 15)) + b"\0"


def netbios_query(name):
    """Name query request, broadcast (RFC 1002 4.2.12)."""
    return struct.pack("!2s5H", os.urandom(2), 0x0110, 1, 0, 0, 0) + netbios_name(name) + struct.pack("!HH", 0x20, 1)


def netbios_answer(query, name, address):
    """Positive name query response (RFC 1002 4.2.13)."""
    return (query[:2] + struct.pack("!5H", 0x8500, 0, 1, 0, 0) + netbios_name(name)
            + struct.pack("!HHIHH4s", 0x20, 1, 300000, 6, 0, socket.inet_aton(address)))


# --- IPX ---

def ipx_sap(node, name="PARTY", kind=4):
    """An IPX packet: a SAP response of one server (socket 0x0452), to everybody."""
    entry = struct.pack("!H48s4s6sHH", kind, name.encode(), b"\0\0\0\x01", frames.mac_bytes(node), 0x0451, 1)
    body = struct.pack("!H", 2) + entry
    header = struct.pack("!HHBB4s6sH4s6sH", 0xFFFF, 30 + len(body), 0, 4, bytes(4), b"\xff" * 6, 0x0452,
                         bytes(4), frames.mac_bytes(node), 0x0452)
    return header + body


def ipx_frames(source):
    """The packet in each of the four encapsulations that IPX has on Ethernet, by their Novell names."""
    packet = ipx_sap(source)
    llc, snap = b"\xe0\xe0\x03" + packet, b"\xaa\xaa\x03\0\0\0\x81\x37" + packet
    # A query of 34 bytes, which is padded to the shortest frame there is.
    short = ipx_sap(source)[:30] + struct.pack("!HH", 1, 4)
    short = short[:2] + struct.pack("!H", len(short)) + short[4:]
    return {
        "Ethernet_II": frames.build(frames.BROADCAST, source, 0x8137, packet, 0),
        "802.3 raw": frames.build(frames.BROADCAST, source, len(packet), packet, 0),
        "802.2": frames.build(frames.BROADCAST, source, len(llc), llc, 0),
        "SNAP": frames.build(frames.BROADCAST, source, len(snap), snap, 0),
        "Ethernet_II, padded": frames.build(frames.BROADCAST, source, 0x8137, short, 60),
        "802.3 raw, padded": frames.build(frames.BROADCAST, source, len(short), short, 60),
    }


# --- reading packets from the wire (well-formed ones: what our own kernel sent) ---

def ipv4(frame):
    """(protocol, source, destination, what follows the header) of an IPv4 packet, else None."""
    if frames.ethertype(frame) != 0x0800:
        return None
    header, total = (frame[14] & 15) * 4, struct.unpack_from("!H", frame, 16)[0]
    return frame[23], socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34]), frame[14 + header:14 + total]


def ipv6(frame):
    """(next headers in order, source, destination, what follows hop-by-hop options), else None."""
    if frames.ethertype(frame) != 0x86DD:
        return None
    chain, rest = [frame[20]], frame[54:54 + struct.unpack_from("!H", frame, 18)[0]]
    while chain[-1] == 0:
        chain.append(rest[0])
        rest = rest[8 * (rest[1] + 1):]
    return (chain, socket.inet_ntop(socket.AF_INET6, frame[22:38]), socket.inet_ntop(socket.AF_INET6, frame[38:54]),
            rest)


def udp(frame):
    """(source, source port, destination, destination port, payload) of a UDP packet in one piece, else None."""
    found = ipv4(frame)
    if found and found[0] == 17 and not struct.unpack_from("!H", frame, 20)[0] & 0x3FFF:
        source, destination, rest = found[1:]
    elif (found := ipv6(frame)) and found[0][-1] == 17:
        source, destination, rest = found[1:]
    else:
        return None
    from_port, to_port = struct.unpack_from("!HH", rest)
    return source, from_port, destination, to_port, rest[8:]


# --- the LAN's querier ---

def _checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def igmp_query(source_mac, source, version=2):
    """IGMP general query with the router alert option, of version 2 (RFC 2236) or 3 (RFC 3376); to be answered within
    0.5 s."""
    igmp = struct.pack("!BBHI", 0x11, 5, 0, 0) + (struct.pack("!BBH", 2, 125, 0) if version == 3 else b"")
    igmp = igmp[:2] + struct.pack("!H", _checksum(igmp)) + igmp[4:]
    header = struct.pack("!BBHHHBBH4s4sI", 0x46, 0xC0, 24 + len(igmp), 0, 0, 1, 2, 0, socket.inet_aton(source),
                         socket.inet_aton("224.0.0.1"), 0x94040000)
    header = header[:10] + struct.pack("!H", _checksum(header)) + header[12:]
    return frames.build("01:00:5e:00:00:01", source_mac, 0x0800, header + igmp, 0)


def mld_query(source_mac, source, version=1):
    """MLD general query behind its hop-by-hop header, of version 1 (RFC 2710) or 2 (RFC 3810); to be answered within
    0.5 s."""
    addresses = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, "ff02::1")
    mld = struct.pack("!BBHHH16s", 130, 0, 0, 500, 0, bytes(16)) + (struct.pack("!BBH", 2, 125, 0) if version == 2
                                                                  else b"")
    total = _checksum(addresses + struct.pack("!II", len(mld), 58) + mld)
    mld = mld[:2] + struct.pack("!H", total) + mld[4:]
    hops = bytes.fromhex("3a00050200000100")
    header = struct.pack("!IHBB", 0x60000000, len(hops) + len(mld), 0, 1) + addresses
    return frames.build("33:33:00:00:00:01", source_mac, 0x86DD, header + hops + mld, 0)
