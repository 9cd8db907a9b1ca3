"""softlan-client.exe as one of the party's daemons."""

import contextlib
import glob
import os
import signal
import subprocess
import time

from party import daemons
import wine


def executable(name):
    return os.path.join(wine.windows_build(), name)


class WindowsClient(daemons.Daemon):
    """softlan-client.exe on a machine (a wine.Prefix), run from its console. Its file holds nothing that the Linux client
    does not take as well."""

    def __init__(self, party, prefix, name="windows-client", mac="02:00:00:00:00:2a", **settings):
        base = {"relay": "203.0.113.10", "relay_ca": party.path("relay.der"), "room": "ROOM1", "virtual_mac": mac,
                "identity_file": party.path(f"{name}-identity.json")}
        base.update(settings)
        super().__init__(party, "client", prefix.space.role, name, base)
        del self.settings["control_socket"]  # each system's default
        self.prefix, self.mac = prefix, mac
        self.path = prefix.install(executable("softlan-client.exe"), executable("softlanctl.exe"))
        self.ctl_path = os.path.join(os.path.dirname(self.path), "softlanctl.exe")

    # --- life ---

    def write_config(self):
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(daemons.config_text(self.settings))

    def start(self, wait=True, env=None, args=(), timeout=40, **options):
        """Starts it; with `wait`, returns once it has joined the room."""
        self.write_config()
        with open(self.log_path, "ab") as log:
            self.process = self.prefix.popen([self.path, "-c", self.config, *args], env=env, stdout=log, stderr=log,
                                             **options)
        if wait:
            self.wait_ready(timeout)
        return self

    def wait_ready(self, timeout=40):
        """Until it says that it is in the room; returns when that was (time.monotonic)."""
        end = time.monotonic() + timeout
        while not self.connected():
            if time.monotonic() > end:
                raise daemons.DaemonFailed(f"{self.name}: not connected within {timeout} s: {self.last_words()}")
            time.sleep(0.1)
        return time.monotonic()

    def stop(self, expect=0, timeout=15):
        """Ctrl-C; checks the exit code."""
        if self.process is None:
            return
        self.check()
        self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            why = self.stuck()
            self.kill()
            raise daemons.DaemonFailed(f"{self.name}: still running {timeout} s after Ctrl-C; {why}") from None
        self.process = None
        if code != expect:
            raise daemons.DaemonFailed(f"{self.name}: exit {code} instead of {expect}: {self.last_words()}")

    def stuck(self):
        """Why it may not have heard a Ctrl-C: its loop hangs, the wake-up was lost, or wine's thread for it never came."""
        try:
            self.ctl_text("status", timeout=5)
            why = ["it answers softlanctl"]
        except (daemons.DaemonFailed, subprocess.TimeoutExpired) as error:
            why = [f"it answers nobody ({error})"]
        for task in sorted(glob.glob(f"/proc/{self.process.pid}/task/*")):
            with contextlib.suppress(OSError):
                words = []
                for name in ("comm", "wchan", "syscall"):
                    with open(os.path.join(task, name), encoding="ascii", errors="replace") as file:
                        words.append(file.read().strip())
                why.append(f"thread {os.path.basename(task)}: {' '.join(words)}")
        return "\n".join(why)

    # --- what it says ---

    def log(self):
        return super().log().replace("\r\n", "\n")

    def ctl_text(self, *words, timeout=20):
        """What softlanctl.exe prints."""
        process = self.prefix.popen([self.ctl_path, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            output, errors = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        if process.returncode != 0:
            self.check()
            raise daemons.DaemonFailed(f"softlanctl.exe {' '.join(words)}: exit {process.returncode}: "
                                       f"{errors.decode('utf-8', 'replace').strip()[-500:]}")
        return output.decode("utf-8", "replace").replace("\r\n", "\n")

    def in_room(self):
        """Does the relay have it among the room's members? Costs less than asking itself."""
        return any(peer["mac"] == self.mac for peer in self.party.relayd.peers())


class SameFile(daemons.Daemon):
    """The Linux client with a WindowsClient's file, as it is."""

    def __init__(self, party, windows):
        super().__init__(party, "client", windows.role, f"{windows.name}-on-linux")
        self.config, self.settings = windows.config, windows.settings
        self.text = None
        self.mac = windows.mac

    def start(self, wait=True, env=None, args=(), timeout=20, **options):
        with open(self.config, encoding="utf-8") as file:
            before = file.read()
        super().start(wait, env, ["--control-socket", self.control, *args], timeout, **options)
        with open(self.config, encoding="utf-8") as file:
            self.text = file.read()
        if self.text != before:
            raise daemons.DaemonFailed(f"{self.config} is not the file that the Windows client had: {before}")
        return self
