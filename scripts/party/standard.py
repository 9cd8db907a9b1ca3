"""The party that most tests start from: relay, gateway, clients, all joined."""

import contextlib
import sys

from . import daemons, frames, topology

ADDRESSES = {"c1": "10.77.0.11", "c2": "10.77.0.12"}
ADDRESSES6 = {"c1": "fd77::11", "c2": "fd77::12"}


@contextlib.contextmanager
def building():
    """A new party. If the `with` fails, it is closed, and what its daemons said last is shown; else it stays."""
    party = topology.Party()
    try:
        yield party
    except BaseException:
        for daemon in party.daemons:
            for line in daemon.tail():
                print(f"# {daemon.name}| {line}")
        sys.stdout.flush()
        party.close()
        raise


def start(clients=("c1", "c2"), dhcp=False, relay=None, gateway=None, client=None, gateway_env=None,
          quiet=False):
    """A party with its daemons as party.relayd, party.gateway and party.clients[role]. Without
    `dhcp` the clients get fixed addresses: party.address[role]. `quiet`: the LAN is plugged in last, so that nothing
    of it comes while only some have joined."""
    with building() as party:
        if quiet:
            party.plug_lan(False)
        if dhcp:
            party.start_dhcp()
        party.relayd = daemons.make_relay(party, **(relay or {})).start()
        party.gateway = daemons.make_gateway(party, **(gateway or {})).start(env=gateway_env)
        for role in clients:
            party.clients[role] = daemons.make_client(party, role, **(client or {})).start()
            if not dhcp:
                give_address(party, role)
        if quiet:
            party.plug_lan(True)
    return party


def give_address(party, role, interface="softlan0"):
    """A fixed address of the party's subnet for a client, as a person would set it."""
    party.spaces[role].batch([f"address replace {ADDRESSES[role]}/24 broadcast + dev {interface}",
                              f"address replace {ADDRESSES6[role]}/64 dev {interface} nodad"])
    party.address[role] = ADDRESSES[role]


def ports(party, *places):
    """Raw ports by role: "lan" is the LAN host's eth0, a client its TAP."""
    return {role: frames.Port(party.spaces[role], "eth0" if role == "lan" else "softlan0") for role in places}
