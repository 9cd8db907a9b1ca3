"""The party's veths. Left alone they hand whole 64 KB super-frames from end to end, unsegmented and with no checksum;
as wires they carry what a wire carries."""

from party import topology

NO_SEGMENTATION = ("tso", "off", "tx-udp-segmentation", "off")
NO_CHECKSUMS = ("tx", "off")  # takes scatter-gather and generic segmentation along
LAN_PORTS = {"lan": ("eth0",), "gw": ("lan0",), "switch": ("lan", "gw")}
MEANING = ("every veth: tso off, tx-udp-segmentation off; the LAN's (host, switch, gateway): tx off too; "
           "gso and gro as the kernel has them")


def straighten(space, interface, lan=False):
    """Makes a wire of one end of a veth: whoever sends through it makes the frames that fit, in the LAN with their
    checksums as well."""
    space.run(["ethtool", "-K", interface, *NO_SEGMENTATION, *(NO_CHECKSUMS if lan else ())])


def make_wires(party, merge=False):
    """`merge`: receivers merge what belongs together (GRO), as network cards' drivers do, and veths not by default."""
    for role, space in party.spaces.items():
        for link in space.ip_json("link show type veth"):
            straighten(space, link["ifname"], link["ifname"] in LAN_PORTS.get(role, ()))
            if merge:
                space.run(["ethtool", "-K", link["ifname"], "gro", "on"])


def only_through_relay(party):
    """The player and the gateway box reach the relay and nothing of each other, whatever a peer may try."""
    party.c1.batch(["route add blackhole 198.51.100.0/24"])
    party.gw.batch([f"route add blackhole {topology.HOMES['c1']}.0/24"])


def bridge(space, name, *ports):
    """A switch of the kernel's between these interfaces."""
    space.batch([f"link add {name} type bridge mcast_snooping 0 forward_delay 0 stp_state 0"]
                + [f"link set {port} master {name} up" for port in ports] + [f"link set {name} up"])
