"""Certificates with their keys, as a relay's operator would have them from somewhere."""

import os
import shutil
import subprocess

NAME = "softlan-relay.local"  # in the certificates of parties


def write(certificate, key, name=NAME):
    """A self-signed pair for a server's name, in these two files."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "30", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=20)


def make(party, name):
    """A pair, NAME.crt and NAME.key in the party's directory."""
    write(party.path(f"{name}.crt"), party.path(f"{name}.key"))


def bundle(party, names, target):
    """One PEM file with the certificates of all these pairs: who trusts it trusts each."""
    with open(party.path(target), "wb") as out:
        for name in names:
            with open(party.path(f"{name}.crt"), "rb") as file:
                shutil.copyfileobj(file, out)


def install(party, name, group=0):
    """Makes the pair the relay's, relay.crt and relay.key, as a renewal hook does: complete files, each put in its
    place at once, in the daemon's group."""
    for end in ("key", "crt"):
        temporary = party.path(f"relay.{end}.new")
        shutil.copyfile(party.path(f"{name}.{end}"), temporary)
        os.chown(temporary, 0, group)
        os.chmod(temporary, 0o640)
        os.rename(temporary, party.path(f"relay.{end}"))


def relay_settings(party):
    return {"certificate": party.path("relay.crt"), "private_key": party.path("relay.key")}
