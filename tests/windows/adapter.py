"""Fake TAP-Windows6 adapters: in the registry, in the driver, and with Linux' IP stack in the place of Windows'."""

import os
import select
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CLASS = "{4D36E972-E325-11CE-BFC1-08002BE10318}"
CONTROL = "HKLM\\SYSTEM\\CurrentControlSet\\Control"
ENUM = "HKLM\\SYSTEM\\CurrentControlSet\\Enum\\ROOT\\NET"
EVENTS = {1: "opened", 2: "refused", 3: "closed", 4: "gone", 5: "back", 0x220004: "get-mac", 0x220008: "get-version",
          0x22000C: "get-mtu", 0x220018: "media"}
EPOCH = 11644473600  # seconds from 1601 to 1970


def wine_guid(index):
    """The GUID that wine gives to a Linux interface: so its iphlpapi knows the adapter."""
    return f"{{{index:08X}-0000-0000-0000-4E6574446576}}"


class Adapter:
    """One adapter of a prefix. `name`: its connection's name, and the Linux TAP's (without `stack`, there is none)."""

    def __init__(self, prefix, name="softlan", mac="00:ff:12:34:56:78", version="9.27", mtu=1500, stack=True,
                 number=0, guid=None, component="tap0901"):
        self.prefix, self.name, self.number = prefix, name, number
        self.bridge = None
        port = self._make_stack(mac, mtu) if stack else None
        if stack:
            guid = wine_guid(prefix.space.ip_json(f"link show dev {name}")[0]["ifindex"])
        self.guid = guid or f"{{{0xA0000000 + number:08X}-1111-2222-3333-444444444444}}"
        self.set(mac=mac, version=version, mtu=mtu)
        self._register(version, component)
        if stack:
            prefix.ask("bridge", self.guid, port)

    def _make_stack(self, mac, mtu):
        self.bridge = self.prefix.space.popen([sys.executable, "-B", os.path.join(HERE, "tun_bridge.py"), self.name],
                                              stdout=subprocess.PIPE, text=True)
        self.prefix.party.processes.append(self.bridge)
        if not select.select([self.bridge.stdout], [], [], 10)[0]:
            raise TimeoutError("tun_bridge.py says nothing")
        port = self.bridge.stdout.readline().split()[1]
        self.prefix.space.batch([f"link set {self.name} address {mac} mtu {mtu}", f"link set {self.name} up"])
        return port

    @property
    def class_key(self):
        return f"{CONTROL}\\Class\\{CLASS}\\{self.number:04d}"

    @property
    def connection_key(self):
        return f"{CONTROL}\\Network\\{CLASS}\\{self.guid}\\Connection"

    def _register(self, version, component):
        """What setup writes when the driver is installed and an adapter made."""
        instance = f"{ENUM}\\{self.number:04d}"
        device = f"ROOT\\NET\\{self.number:04d}"
        for key, values in (
                (self.class_key, {"ComponentId": component, "NetCfgInstanceId": self.guid,
                                  "DriverDesc": "TAP-Windows Adapter V9", "DriverVersion": f"{version}.0.0",
                                  "ProviderName": "TAP-Windows Provider V9", "MatchingDeviceId": component,
                                  "DeviceInstanceID": device}),
                (self.connection_key, {"Name": self.name, "PnpInstanceID": device}),
                (instance, {"Class": "Net", "ClassGUID": CLASS, "DeviceDesc": "TAP-Windows Adapter V9",
                            "Driver": f"{CLASS}\\{self.number:04d}", "ConfigFlags": 0})):
            for name, value in values.items():
                self.prefix.registry_set(key, name, value)
        self.prefix.registry_set(instance, "HardwareID", component, "multi")

    # --- the driver ---

    def set(self, **settings):
        """mac, version ("9.27"), mtu; busy: as if another program had it; plugged: 0 takes the device away, 1 brings it
        back, as disabling and enabling the adapter do."""
        if "mac" in settings:
            settings["mac"] = settings["mac"].replace(":", "")
        self.prefix.ask("set", self.guid, *(f"{key}={value}" for key, value in settings.items()))

    def state(self):
        return self.prefix.ask("state", self.guid)

    def log(self, after=0):
        """What the driver was asked, in order: number, time (as time.time()), event, value, status."""
        entries = self.prefix.ask("log", self.guid, after)["entries"]
        for entry in entries:
            entry["event"] = EVENTS.get(entry["event"], hex(entry["event"]))
            entry["time"] = entry["time"] / 1e7 - EPOCH
        return entries

    def media_log(self, after=0):
        """(time, up?) of each change of the media that the client asked for, by the log."""
        return [(entry["time"], bool(entry["value"])) for entry in self.log(after) if entry["event"] == "media"]

    def carrier(self):
        """Does the IP stack see the media?"""
        return "LOWER_UP" in self.prefix.space.ip_json(f"link show dev {self.name}")[0]["flags"]

    def remove(self):
        """From the registry and the driver: a later enumeration does not find it."""
        self.set(plugged=0)
        for key in (self.class_key, self.connection_key, f"{ENUM}\\{self.number:04d}"):
            self.prefix.registry_delete(key)
        if self.bridge:
            self.prefix.party.end(self.bridge)
