"""What must be shown, as ratios in one run; and whether the run counts: the peers must be about as fast as they were
when the reference was measured, or the machine was too slow, too busy, or not set up as meant."""

import dataclasses

SHARE = 0.85  # of the reference
LEAST = {"rounds": 5, "seconds": 4, "step": 1, "idle_pings": 200, "loaded_pings": 500}  # of the run's settings

# Measured on a box with two CPUs, wires as in wire.py.
_RATES = {  # TCP up and down in Mbit/s, 200-byte UDP up and down in frames/s
    "openvpn": (522, 543, 60e3, 60e3),
    "fastd": (408, 401, 50e3, 60e3),
    "tinc": (361, 341, 50e3, 40e3),
    "vxlan": (2404, 2231, 91e3, 93e3),
    "bare": (2808, 2903, 142e3, 151e3),
}
_PINGS = {"openvpn": (228, 430), "fastd": (174, 864), "tinc": (226, 508)}  # idle, p50 and p99, in us
REFERENCE = {name: dict(zip(("tcp_up_mbit", "tcp_down_mbit", "udp_up_fps", "udp_down_fps"), figures))
             for name, figures in _RATES.items()}
for _name, _figures in _PINGS.items():
    REFERENCE[_name].update(zip(("idle_p50_us", "idle_p99_us"), _figures))

ENCRYPTED = ("openvpn", "tinc", "fastd")


@dataclasses.dataclass
class Line:
    """One demand and what was measured. `passed` is None when something was not measured."""
    what: str
    measured: str
    demand: str
    passed: bool | None

    def __str__(self):
        word = {True: "pass", False: "FAIL", None: "not measured"}[self.passed]
        return f"{word:12}  {self.what:58} {self.measured:>20}  ({self.demand})"


def _figure(medians, name, key):
    return medians.get(name, {}).get(key)


def _best(medians, key, choose):
    found = [value for name in ENCRYPTED if (value := _figure(medians, name, key)) is not None]
    return choose(found) if len(found) == len(ENCRYPTED) else None


def _ratio(what, value, base, least=None, most=None):
    """softlan's figure by another's."""
    demand = f"at least {least:g}" if most is None else f"at most {most:.3g}"
    if value is None or not base:
        return Line(what, "-", demand, None)
    ratio = value / base
    return Line(what, f"{ratio:.2f} x", demand, ratio >= least if most is None else ratio <= most)


def _none(what, lost):
    """Nothing lost, by the median."""
    return Line(what, "-" if lost is None else f"{lost:g}", "none", None if lost is None else lost == 0)


def must_show(wires, offloads):
    """The demands on softlan, from the medians of both modes."""
    def mine(key):
        return _figure(wires, "softlan", key)
    lines = []
    for way in ("up", "down"):
        key = f"tcp_{way}_mbit"
        lines.append(_ratio(f"1. TCP {way} / OpenVPN", mine(key), _figure(wires, "openvpn", key), least=3.5))
        lines.append(_ratio(f"1. TCP {way} / VXLAN", mine(key), _figure(wires, "vxlan", key), least=0.75))
    for way in ("up", "down"):
        key = f"udp_{way}_fps"
        lines.append(_ratio(f"2. 200-byte UDP {way} / best peer", mine(key), _best(wires, key, max), least=1.5))
    for key, most in (("idle_p50_us", 1.1), ("idle_p99_us", 1.5)):
        lines.append(_ratio(f"3. idle ping {key[5:8]} / best peer", mine(key), _best(wires, key, min), most=most))
    for way in ("up", "down"):
        base = _best(wires, f"full_{way}_p99_us", min)
        lines.append(_none(f"3. pings lost beside a stream {way}", mine(f"full_{way}_lost")))
        lines.append(_ratio(f"3. ping p99 beside a stream {way} / best peer", mine(f"full_{way}_p99_us"), base,
                            most=1 / 2))
        lines.append(_none(f"3. pings lost beside a paced stream {way}", mine(f"paced_{way}_lost")))
        lines.append(_ratio(f"3. ping p99, stream {way} at 80 % / best peer at full rate",
                            mine(f"paced_{way}_p99_us"), base, most=1 / 4))
    for way in ("up", "down"):
        key = f"relay_{way}_s_per_gb"
        lines.append(_ratio(f"4. relay CPU per GB {way} / OpenVPN", mine(key), _figure(wires, "openvpn", key),
                            most=1 / 3))
    for way in ("up", "down"):
        key = f"tcp_{way}_mbit"
        lines.append(_ratio(f"5. offloads left on, TCP {way} / offload = false", _figure(offloads, "softlan", key),
                            _figure(offloads, "softlan-no-offload", key), least=3))
    return lines


def validity(wires, settings):
    """Does the run count?"""
    lines = [Line(name.replace("_", " "), f"{vars(settings)[name]:g}", f"at least {least}",
                  vars(settings)[name] >= least) for name, least in LEAST.items()]
    lines.append(Line("GRO of the veths", "on" if settings.gro else "as it was", "as it was", not settings.gro))
    for name, reference in REFERENCE.items():
        for key, figure in reference.items():
            if key.endswith("_us"):
                lines.append(_ratio(f"{name} {key} / reference {figure:g}", _figure(wires, name, key), figure,
                                    most=1 / SHARE))
            else:
                lines.append(_ratio(f"{name} {key} / reference {figure:g}", _figure(wires, name, key), figure,
                                    least=SHARE))
    return lines
