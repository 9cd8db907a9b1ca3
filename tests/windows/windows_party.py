"""The party with a Windows machine at the first home: relay, gateway, LAN with DHCP server, softlan-client.exe."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from party import daemons, standard  # noqa: E402  pylint: disable=C0413
import adapter  # noqa: E402  pylint: disable=C0413
import client  # noqa: E402  pylint: disable=C0413
import tables  # noqa: E402  pylint: disable=C0413
import wine  # noqa: E402  pylint: disable=C0413

TAP = "softlan"  # of the Windows machine, by this name in Linux' namespace as well
MAC = "02:00:00:00:00:2a"


def start(others=(), settings=None, joined=True):
    """A party with party.windows (wine.Prefix), party.tap (adapter.Adapter), party.client and party.netd (tables.Netd);
    `others`: homes with a Linux client. Without `joined` the client is not started."""
    with standard.building() as party:
        party.start_dhcp()
        party.relayd = daemons.make_relay(party).start()
        party.gateway = daemons.make_gateway(party).start()
        for role in others:
            party.clients[role] = daemons.make_client(party, role).start()
        party.windows = wine.Prefix(party, "c1")
        party.windows.load_driver()
        party.tap = adapter.Adapter(party.windows, TAP, MAC)
        party.client = client.WindowsClient(party, party.windows, mac=MAC, **(settings or {}))
        party.netd = tables.Netd(party.windows, party.client.path)
        if joined:
            party.client.start()
        party.clients["c1"] = party.client
    return party
