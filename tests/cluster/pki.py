"""Certificates by the openssl program: a throw-away authority for each cluster, all keys on the P-256 curve."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.shell import run

DAYS = 365

_REQUEST = """\
[req]
prompt = no
distinguished_name = name
x509_extensions = use
[name]
{name}
[use]
{use}
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM files."""

    cert: Path
    key: Path


class Authority:
    """A certificate authority that lives in a folder; made on first use, found again afterwards."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder
        self.pair = self._pair("ca", name="CN = certstorage-test-ca", use="basicConstraints = critical,CA:TRUE")

    def server(self, name: str, *, dns: Sequence[str] = (), ips: Sequence[str] = ()) -> Pair:
        """A serving certificate for these names and addresses."""
        names = ",".join([*(f"DNS:{host}" for host in dns), *(f"IP:{ip}" for ip in ips)])
        use = f"basicConstraints = CA:FALSE\nextendedKeyUsage = serverAuth\nsubjectAltName = {names}"
        return self._pair(name, name=f"CN = {name}", use=use, signed=True)

    def client(self, name: str, *, user: str, groups: Sequence[str] = ()) -> Pair:
        """A client certificate: the apiserver takes CN for the user and each O for a group."""
        subject = "\n".join([*(f"{index}.O = {group}" for index, group in enumerate(groups)), f"CN = {user}"])
        use = "basicConstraints = CA:FALSE\nextendedKeyUsage = clientAuth"
        return self._pair(name, name=subject, use=use, signed=True)

    def _pair(self, file: str, *, name: str, use: str, signed: bool = False) -> Pair:
        pair = Pair(self.folder / f"{file}.crt", self.folder / f"{file}.key")
        if pair.cert.exists():
            return pair
        request = self.folder / f"{file}.conf"
        request.write_text(_REQUEST.format(name=name, use=use))
        command: list[str | Path] = ["openssl", "req", "-x509", "-config", request, "-days", str(DAYS), "-noenc"]
        command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", pair.key]
        if signed:
            command += ["-CA", self.pair.cert, "-CAkey", self.pair.key]
        # The certificate gets its name last: whoever finds it finds the key that fits.
        unfinished = pair.cert.with_suffix(".new")
        run([*command, "-out", unfinished])
        unfinished.rename(pair.cert)
        return pair


def kubeconfig(
    path: Path, *, url: str, authority: Path, client: Pair, context: str, namespace: str = "default"
) -> Path:
    """Write a kubeconfig with everything inside, so that the file may be moved and outlives the folder."""

    def inline(file: Path) -> str:
        return base64.b64encode(file.read_bytes()).decode()

    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{"name": context, "cluster": {"server": url, "certificate-authority-data": inline(authority)}}],
        "users": [
            {
                "name": context,
                "user": {"client-certificate-data": inline(client.cert), "client-key-data": inline(client.key)},
            }
        ],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context, "namespace": namespace}}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=1))  # JSON is YAML
    return path
