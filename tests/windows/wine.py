"""Windows machines made of wine: a prefix in a network namespace of a party, and programs that run in it.

A prefix lives in the party's directory and is made in a moment from a template, which is made once and kept in CACHE. Its
wineserver runs in the foreground, and is told to end when the test is gone, even by kill -9: it ends all of the prefix's
Windows programs.
"""

import contextlib
import ctypes
import fcntl
import glob
import hashlib
import json
import os
import select
import shutil
import signal
import subprocess
import time

from party import daemons, ns

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = "/var/cache/softlan-tests"
CC = "x86_64-w64-mingw32-gcc"
DDK = "/usr/x86_64-w64-mingw32/include/ddk"
PROGRAMS = {
    "faketap.sys": (["-std=c11", "-isystem", DDK, "-shared", "-nostdlib", "-Wl,--subsystem,native",
                     "-Wl,--entry,DriverEntry"], ["faketap.c", "faketap_queue.c"], ["-lntoskrnl"]),
    "helper.exe": (["-std=gnu11", "-municode", "-static"],
                   ["helper.c", "helper_bridge.c", "helper_driver.c", "helper_pipe.c", "helper_probe.c", "helper_registry.c",
                    "helper_service.c"], ["-lws2_32"]),
}
DRIVER = "softlan-faketap"  # its service
OVERRIDES = "winemenubuilder.exe,mscoree,mshtml=d"
SERVICE_STOPPED, SERVICE_RUNNING = 1, 4


class WindowsError(Exception):
    """helper.exe's answer is an error; `code` is Windows'."""

    def __init__(self, words, code):
        super().__init__(f"{' '.join(words)}: Windows error {code}")
        self.code = code


def windows_build():
    """The folder with softlan-client.exe and softlanctl.exe, or None."""
    folder = os.environ.get("SOFTLAN_WINDOWS")
    return os.path.abspath(folder) if folder else None


def unusable():
    """Why wine can't be used here, or None."""
    for name in ("wine", "wineserver", "wineboot", CC):
        if not shutil.which(name):
            return f"needs {name}"
    if not os.path.exists(os.path.join(DDK, "ntddk.h")):
        return f"needs {DDK}"
    return ns.unusable()


def client_unusable():
    """Why the Windows build of the client can't be tested here, or None."""
    folder = windows_build()
    if not folder:
        return "needs SOFTLAN_WINDOWS: the folder with softlan-client.exe and softlanctl.exe"
    for name in ("softlan-client.exe", "softlanctl.exe"):
        if not os.path.exists(os.path.join(folder, name)):
            return f"needs {name} in {folder}"
    return unusable()


@contextlib.contextmanager
def locked(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def compiled(name, flags, sources, libraries):
    """Builds a test program when it is older than its sources (paths below this folder); returns its path."""
    folder = os.path.join(daemons.build_directory(), "tests", "windows")
    target = os.path.join(folder, name)
    with locked(os.path.join(folder, "built.lock")):
        inputs = [os.path.join(HERE, one) for one in sources] + glob.glob(os.path.join(HERE, "*.h")) + [__file__]
        if not os.path.exists(target) or os.path.getmtime(target) < max(map(os.path.getmtime, inputs)):
            ns.run([CC, "-O2", "-Wall", "-Wextra", "-Werror", *flags, "-o", target + ".new", *inputs[:len(sources)],
                    *libraries], timeout=120)
            os.rename(target + ".new", target)
    return target


def program(name):
    """The path of one of PROGRAMS."""
    return compiled(name, *PROGRAMS[name])


def environment(prefix, extra=None):
    """For wine: nothing of this machine's own wine, no display, no messages of wine about itself."""
    return {**os.environ, "HOME": f"{prefix}/home", "XDG_RUNTIME_DIR": f"{prefix}/xdg", "WINEPREFIX": prefix,
            "WINEDEBUG": "-all", "WINEDLLOVERRIDES": OVERRIDES, "DISPLAY": "", **(extra or {})}


def server_folder(prefix):
    """Where the wineserver of a prefix has its socket."""
    with contextlib.suppress(FileNotFoundError), open(f"{prefix}/wineserver", encoding="ascii") as file:
        return f"/tmp/{file.read().strip()}"  # Debian's wine: one for each prefix
    return f"/tmp/.wine-{os.getuid()}"


def forget_server(prefix):
    """Removes what the wineserver of a prefix, which has ended, leaves in /tmp."""
    if os.path.exists(f"{prefix}/wineserver"):
        shutil.rmtree(server_folder(prefix), ignore_errors=True)


def end_programs(prefix):
    """kill -9 for what runs in a prefix without its wineserver: that would wait for it for ever."""
    mark = f"\0WINEPREFIX={prefix}\0".encode()
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{entry}/environ", "rb") as file:
            if mark in b"\0" + file.read():
                os.kill(int(entry), signal.SIGKILL)


def _interrupted_with_us():
    """For wineserver: by SIGKILL, it would leave the prefix's programs behind."""
    ctypes.CDLL(None).prctl(ns.PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)


def template():
    """A fresh prefix that says it is Windows 10, made once for each wine."""
    version = subprocess.run(["wine", "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True,
                             env={**os.environ, "WINEDEBUG": "-all"}).stdout
    path = os.path.join(CACHE, f"wine-{hashlib.sha256(version).hexdigest()[:12]}")
    with locked(f"{path}.lock"):
        if not os.path.isdir(path):
            new = f"{path}.new"
            shutil.rmtree(new, ignore_errors=True)
            for folder in ("home", "xdg"):
                os.makedirs(os.path.join(new, folder), mode=0o700)
            for argv in (["wineboot", "-i"], ["wine", "winecfg", "-v", "win10"], ["wineserver", "-k"],
                         ["wineserver", "-w"]):
                ns.run(argv, timeout=180, env=environment(new), check=argv[0] != "wineserver")
            forget_server(new)
            os.rename(new, path)
    return path


def _copy_prefix(source, target):
    """What programs write to is copied, what they only read is linked to."""
    for folder in ("home", "xdg", "dosdevices", "drive_c"):
        os.makedirs(os.path.join(target, folder), mode=0o700)
    for name in ("system.reg", "user.reg", "userdef.reg", ".update-timestamp"):
        shutil.copy2(os.path.join(source, name), target)
    os.symlink("../drive_c", os.path.join(target, "dosdevices", "c:"))
    os.symlink("/", os.path.join(target, "dosdevices", "z:"))
    for name in os.listdir(os.path.join(source, "drive_c")):
        here, there = (os.path.join(base, "drive_c", name) for base in (source, target))
        if name in ("users", "ProgramData"):
            shutil.copytree(here, there, symlinks=True)
            continue
        os.mkdir(there)
        for entry in os.listdir(here):
            if name == "windows" and entry == "temp":
                os.mkdir(os.path.join(there, entry))
            else:
                os.symlink(os.path.join(here, entry), os.path.join(there, entry))


class Program:
    """A Windows program that runs in a prefix. Its output is in a file."""

    def __init__(self, prefix, argv, name, env=None):
        self.log_path = prefix.party.path(f"{name}.log")
        with open(self.log_path, "ab") as log:
            self.process = prefix.popen(argv, env=env, stdout=log, stderr=log)
        prefix.party.processes.append(self.process)
        self.name = name

    def output(self):
        with open(self.log_path, encoding="utf-8", errors="replace", newline="") as file:
            return file.read().replace("\r\n", "\n")

    def alive(self):
        return self.process.poll() is None

    def ctrl_c(self):
        """What the console sends: CTRL_C_EVENT."""
        self.process.send_signal(signal.SIGINT)

    def kill(self):
        """As by the task manager: no handler runs."""
        self.process.kill()
        self.process.wait()

    def wait(self, timeout=15):
        """Waits for its end; returns the exit code."""
        return self.process.wait(timeout)


class Prefix:
    """One Windows machine in a namespace of the party."""

    def __init__(self, party, role, name="windows"):
        self.party, self.space = party, party.spaces[role]
        self.path = party.path(name)
        _copy_prefix(template(), self.path)
        self.helper = None
        self.server = self.space.popen(["wineserver", "-f", "-p"], own_sysfs=False, prepare=_interrupted_with_us,
                                       env=environment(self.path), start_new_session=True,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        party.endings.append(self.close)
        self._await_server()

    def _await_server(self, timeout=10):
        where = os.stat(self.path)
        end = time.monotonic() + timeout
        while not os.path.exists(f"{server_folder(self.path)}/server-{where.st_dev:x}-{where.st_ino:x}/socket"):
            if time.monotonic() > end or self.server.poll() is not None:
                raise TimeoutError(f"no wineserver for {self.path}")
            time.sleep(0.005)

    def end_helper(self):
        """Ends helper.exe, with the bridges and the files that it has open. The next verb starts another one."""
        if self.helper:
            self.helper.stdin.close()
            self.party.end(self.helper)
            self.helper = None

    def close(self):
        """Ends all programs of the prefix, as switching the machine off would."""
        self.end_helper()
        if self.server.poll() is None:
            self.server.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.server.wait(5)
        self.server.kill()
        self.server.wait()
        end_programs(self.path)
        forget_server(self.path)

    # --- programs ---

    def popen(self, argv, env=None, **options):
        """Starts a Windows program; the first word is its path, on Linux or Windows, or the name of one of Windows' own
        ("cmd.exe"). The current directory is on drive Z:, which is Linux' root: /tmp/x is the same file on both sides."""
        options.setdefault("cwd", self.party.directory)
        if not set(argv[0]) & set("/\\"):
            argv = [f"C:\\windows\\system32\\{argv[0]}", *argv[1:]]  # else wine would put start.exe in between
        return self.space.popen(["wine", *argv], own_sysfs=False, env=environment(self.path, env), **options)

    def run(self, argv, timeout=60, check=True, env=None):
        """Runs a Windows program to its end; returns what it printed."""
        process = self.popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            output, _ = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        output = output.decode("utf-8", "replace").replace("\r\n", "\n")
        if check and process.returncode != 0:
            raise ns.CommandFailed(f"{' '.join(argv)}: exit {process.returncode}: {output.strip()[-800:]}")
        return output

    def start(self, argv, name, env=None):
        """Starts a Windows program in the background."""
        return Program(self, argv, name, env)

    def ask(self, *words, timeout=20):
        """A verb of helper.exe; returns its answer, WindowsError when that is an error."""
        words = [str(word) for word in words]
        if not self.helper:
            self.helper = self.popen([program("helper.exe")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self.party.processes.append(self.helper)
        self.helper.stdin.write("\t".join(words).encode() + b"\n")
        self.helper.stdin.flush()
        if not select.select([self.helper.stdout], [], [], timeout)[0]:
            raise TimeoutError(f"helper.exe: no answer to {words} within {timeout} s")
        answer = json.loads(self.helper.stdout.readline() or '{"error": 109}')
        if code := answer.pop("error"):
            raise WindowsError(words, code)
        return answer

    def error_of(self, *words):
        """The Windows error of a verb of helper.exe, 0 for none."""
        try:
            self.ask(*words)
        except WindowsError as error:
            return error.code
        return 0

    # --- files ---

    def file(self, windows_path):
        """C:\\...: the path on Linux. Case must be right."""
        drive, rest = windows_path.split(":", 1)
        return os.path.join(self.path, "dosdevices", f"{drive.lower()}:", rest.replace("\\", "/").lstrip("/"))

    def install(self, *files, folder="C:\\softlan"):
        """Copies files into a folder of the machine; returns the Linux path of the first."""
        os.makedirs(self.file(folder), exist_ok=True)
        return [shutil.copy2(one, self.file(folder)) for one in files][0]

    def prefer_dll(self, dll, exe):
        """Programs of this name take the DLL (a file, copied beside `exe`, a Linux path) instead of wine's own. Holds
        for services, too."""
        shutil.copy2(dll, os.path.dirname(exe))
        name = os.path.splitext(os.path.basename(dll))[0]
        self.registry_set(f"HKCU\\Software\\Wine\\AppDefaults\\{os.path.basename(exe)}\\DllOverrides", name,
                          "native,builtin")

    # --- registry: keys begin with HKLM\\ or HKCU\\ ---

    def registry_set(self, key, name, value, kind=None):
        """`kind`: sz, expand, multi (a list of one text), dword; by default what the value is."""
        self.ask("reg-set", key, name, kind or ("dword" if isinstance(value, int) else "sz"), value)

    def registry_get(self, key, name):
        """None when there is none. Other kinds than texts and numbers come as hexadecimal digits."""
        try:
            return self.ask("reg-get", key, name)["value"]
        except WindowsError as error:
            if error.code == 2:
                return None
            raise

    def registry_keys(self, key):
        return self.ask("reg-list", key)["keys"]

    def registry_values(self, key):
        return {one["name"]: one["value"] for one in self.ask("reg-list", key)["values"]}

    def registry_written(self, key):
        """When the key was changed last (time.time())."""
        return self.ask("reg-list", key)["written"] / 1e7 - 11644473600  # seconds from 1601 to 1970

    def registry_delete(self, key, *name):
        self.ask("reg-delete", key, *name)

    # --- drivers and services ---

    def load_driver(self):
        self.ask("driver-load", DRIVER, "Z:" + program("faketap.sys").replace("/", "\\"))

    def unload_driver(self):
        self.ask("service-control", DRIVER, 1)

    def service(self, name):
        """A service's state, process and settings; None when there is no such service."""
        try:
            return self.ask("service-query", name)
        except WindowsError as error:
            if error.code == 1060:
                return None
            raise
