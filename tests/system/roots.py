"""Debian systems for the containers, and softlan's packages built in them.

Each release has one root, made by debootstrap from the machine's own archive and kept in CACHE for a week: it holds what
building and testing need. Nothing is ever written to it; who uses it puts an overlay on top. All mounts are made in
mount namespaces of their own, so that none can be left behind.
"""

import concurrent.futures
import contextlib
import fcntl
import glob
import hashlib
import os
import shutil
import subprocess
import time

CACHE = "/var/cache/softlan-tests"
RELEASES = ("bookworm", "trixie")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SOURCE = os.path.realpath(os.environ.get("SOFTLAN_SOURCE") or os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.realpath(os.environ.get("SOFTLAN_BUILD") or ".")
PACKAGES = ("softlan-relay", "softlan-gateway", "softlan-client", "softlan-tools")
OLD, NEW = "0.1.0~before", None  # an earlier version of the same sources, and debian/changelog's
INCLUDE = "systemd,systemd-sysv,dbus"
TOOLS = "build-essential iproute2 iputils-ping libcap2-bin lintian procps"
# debian/ and what `make install` installs, and so what the packages depend on.
INPUTS = ("CONTRIBUTING.md", "COPYING", "ChangeLog", "Makefile.am", "README.md", "completions", "configure.ac", "debian",
          "docs", "etc", "man", "scripts/make-cert", "src", "systemd")
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive",
               **{name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}}


class RootFailed(Exception):
    """A root or the packages could not be made."""


def run(argv, timeout, **options):
    """Runs a program to its end; RootFailed with its last words when it fails."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", timeout=timeout, check=False, **options)
    if done.returncode != 0:
        raise RootFailed(f"{argv[0]}: exit {done.returncode}\n{done.stdout[-3000:]}")
    return done.stdout


def inside(root, script, timeout, upper=None):
    """Runs a shell script with `root` as its root, or an overlay on it, whose changes go to `upper`. It has namespaces of
    its own for mounts and processes: both end with it."""
    mount = "mount --rbind -- \"$1\" \"$1\""
    if upper:
        for name in ("work", "root", "diff"):
            os.makedirs(os.path.join(upper, name), exist_ok=True)
        mount = 'mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/diff,workdir=$2/work" "$2/root"'
    outer = f'{mount} && mount -t proc proc "$3/proc" && exec chroot "$3" sh -ec "$4"'
    # It dies with the thread that waits for it.
    return run(["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private", "--pid", "--fork",
                "--kill-child", "sh", "-ec", outer, "sh", root, upper or "",
                os.path.join(upper, "root") if upper else root, script], timeout, env=ENVIRONMENT)


@contextlib.contextmanager
def locked(name):
    """One process at a time, and one thread."""
    os.makedirs(CACHE, mode=0o700, exist_ok=True)
    with open(os.path.join(CACHE, f"{name}.lock"), "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def digest(paths):
    """A name for the contents of these files and folders of the source."""
    total = hashlib.sha256()
    for top in paths:
        path = os.path.join(SOURCE, top)
        files = [path] if os.path.isfile(path) else sorted(
            os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)
        for file in files:
            if not file.endswith((".o", ".a", ".pyc")):
                total.update(os.path.relpath(file, SOURCE).encode() + b"\0")
                with open(file, "rb") as data:
                    total.update(data.read())
    return total.hexdigest()[:16]


def base(release):
    """The root of this release; makes it if there is none of this week."""
    key = hashlib.sha256("".join([digest(["debian/control"]), INCLUDE, TOOLS, time.strftime("%G-%V")]).encode())
    path = os.path.join(CACHE, f"{release}-{key.hexdigest()[:12]}")
    with locked(release):
        if not os.path.isdir(path):
            for old in glob.glob(os.path.join(CACHE, f"{release}-*")):
                if old.endswith(".new") or time.time() - os.stat(old).st_mtime > 7 * 24 * 3600:
                    shutil.rmtree(old)
            _make_base(release, f"{path}.new")
            os.rename(f"{path}.new", path)
    return path


def _make_base(release, root):
    mirror = run([os.path.join(SOURCE, "scripts/install-deps"), "--mirror"], 30).strip()
    run(["debootstrap", "--variant=minbase", f"--keyring={KEYRING}", f"--include={INCLUDE}", release, root, mirror], 900,
        env=ENVIRONMENT)
    sources = [f"deb {mirror} {release} main\n"]
    if release == "bookworm":
        sources.append(f"deb {mirror} bookworm-backports main\n")
        _write(root, "etc/apt/preferences.d/ngtcp2",
               "Package: libngtcp2*\nPin: release n=bookworm-backports\nPin-Priority: 500\n")
    _write(root, "etc/apt/sources.list", "".join(sources))
    _write(root, "etc/dpkg/dpkg.cfg.d/tests", "force-unsafe-io\n")
    shutil.copytree(os.path.join(SOURCE, "debian"), os.path.join(root, "tmp/softlan/debian"))
    for name in ("resolv.conf", "hosts"):
        shutil.copy(f"/etc/{name}", os.path.join(root, "etc", name))
    install = "apt-get -q -y -o Dpkg::Use-Pty=0 --no-install-recommends"
    inside(root, f"apt-get -q update; {install} install {TOOLS}; cd /tmp/softlan; {install} -P nocheck build-dep .", 900)
    shutil.rmtree(os.path.join(root, "tmp/softlan"))
    # From here on it has neither the way out nor the address of the archive.
    for name in ("apt/sources.list", "resolv.conf", "hosts"):
        os.unlink(os.path.join(root, "etc", name))
    for path in glob.glob(os.path.join(root, "var/lib/apt/lists/*")) + glob.glob(
            os.path.join(root, "var/cache/apt/archives/*.deb")):
        if os.path.isfile(path):
            os.unlink(path)


def _write(root, path, text):
    with open(os.path.join(root, path), "w", encoding="ascii") as file:
        file.write(text)


def packages(release, version=NEW):
    """The folder of the packages built for this release, of debian/changelog's version or of OLD. Builds them if the
    sources have changed since the last time."""
    root = base(release)
    out = os.path.join(BUILD, "tests/system/packages", release)
    with locked(f"packages-{release}"):
        key = digest(INPUTS)
        stamp = os.path.join(out, "sources")
        if not os.path.exists(stamp) or open(stamp, encoding="ascii").read() != key:
            shutil.rmtree(out, ignore_errors=True)
            _build(root, out)
            _write(out, "sources", key)
    return os.path.join(out, "old" if version == OLD else "new")


def prepare():
    """The packages of all releases, side by side."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(packages, RELEASES))


def _build(root, out):
    """Both versions from what `make dist` packs, the second time without compiling anew."""
    upper = os.path.join(out, "build")
    tree = os.path.join(upper, "diff/build/softlan")
    os.makedirs(os.path.dirname(tree))
    with locked("dist"):
        run(["make", "-s", "-C", BUILD, "distdir", "distdir=tests/system/dist"], 120,
            env={name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))})
        os.rename(os.path.join(BUILD, "tests/system/dist"), tree)
    build = "DEB_BUILD_PROFILES=nocheck DEB_BUILD_OPTIONS='nocheck noautodbgsym parallel=2' dpkg-buildpackage -b -us -uc"
    log = inside(root, f"""
        cd /build/softlan
        {build}
        mkdir ../new; mv ../*.deb ../new
        sed -i '1s/(.*)/({OLD})/' debian/changelog
        for daemon in relay client; do echo '// as it was before' >>etc/$daemon.conf; done
        {build} -nc
        mkdir ../old; mv ../*.deb ../old
        """, 900, upper)
    _write(out, "log", "".join(char for char in log if ord(char) < 128))
    for name in ("new", "old"):
        shutil.move(os.path.join(upper, "diff/build", name), os.path.join(out, name))
    shutil.rmtree(upper)
