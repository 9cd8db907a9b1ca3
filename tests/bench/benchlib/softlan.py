"""softlan, and two references that encrypt nothing: kernel VXLAN and a bare veth.

A system is made for one party, which ends all it starts. It has start(), which returns the process whose CPU time is
the relay's (or None), options() for the report, and the name of the player's `interface`."""

import os

from party import daemons, standard, topology

from . import wire

VXLAN_MTU = 1450  # 1500 less outer IPv4, UDP, VXLAN and the inner Ethernet header


class Softlan:
    """softlan as it is, or with all its offloads switched off."""

    interface = "softlan0"

    def __init__(self, party, offload=True):
        self.party, self.offload = party, offload
        self.client = None

    def start(self):
        party, setting = self.party, {} if self.offload else {"offload": False}
        relay = daemons.make_relay(party, **setting).start()
        daemons.make_gateway(party, **setting).start()
        self.client = daemons.make_client(party, "c1", **setting).start()
        standard.give_address(party, "c1")
        return relay.process.pid

    def options(self):
        status = self.client.status()
        return {"version": status["version"], "cipher": status["cipher"], "mtu": self.party.c1.mtu(self.interface),
                "settings": "all by default" if self.offload else "offload = false, all else by default",
                "scheduling": "SCHED_RR" if os.sched_getscheduler(self.client.process.pid) == os.SCHED_RR else "fair"}


class Vxlan:
    """The kernel's VXLAN: two tunnels that a bridge joins at the relay. What the same way costs without encryption
    and without a switch to user space."""

    interface = "vxlan0"
    ends = (("c1", f"{topology.HOMES['c1']}.2", 71), ("gw", "198.51.100.2", 72))

    def __init__(self, party):
        self.party = party

    def start(self):
        party = self.party
        for role, address, number in self.ends:
            party.spaces[role].batch([self._link("vxlan0", number, address, topology.RELAY), "link set vxlan0 up"])
            party.relay.batch([self._link(f"vxlan-{role}", number, topology.RELAY, address)])
        wire.bridge(party.relay, "vxbr", "vxlan-c1", "vxlan-gw")
        wire.bridge(party.gw, "vxbr", "lan0", "vxlan0")
        standard.give_address(party, "c1", self.interface)

    @staticmethod
    def _link(name, number, local, remote):
        return f"link add {name} mtu {VXLAN_MTU} type vxlan id {number} local {local} remote {remote} dstport 4789"

    def options(self):
        return {"version": "the kernel's", "cipher": "none", "mtu": self.party.c1.mtu(self.interface),
                "settings": self._link("vxlan0", 71, "PLAYER", "RELAY") + "; relay and gateway: in a bridge"}


class Bare:
    """No tunnel: the player has a cable to the LAN's switch."""

    interface = "cable0"

    def __init__(self, party, wires=True):
        self.party, self.wires = party, wires

    def start(self):
        party = self.party
        party.c1.batch([f"link add {self.interface} type veth peer name c1 netns {party.switch.name}"])
        if self.wires:
            wire.straighten(party.c1, self.interface, lan=True)
            wire.straighten(party.switch, "c1", lan=True)
        party.c1.batch([f"link set {self.interface} up"])
        party.switch.batch(["link set c1 master br0 up"])
        standard.give_address(party, "c1", self.interface)

    def options(self):
        return {"version": "the kernel's", "cipher": "none", "mtu": self.party.c1.mtu(self.interface),
                "settings": "a veth from the player to the LAN's switch"}
