"""One API server with everything of ours installed, and who asks what of it: for the tests of this folder."""

import http.client
import json
import re
import ssl
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.cluster import ControlPlane
from tests.cluster.shell import until

GROUP = "/apis/storage.deltacrown.io/v1alpha1"

Json = dict[str, Any]

_VALUE = re.compile(r"^(?:Invalid|Unsupported) value: (?:\"(?:[^\"\\]|\\.)*\"|\S+): ")
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_OURS = ("spec", "metadata.name", "unknown time zone")


def _warning(header: str) -> str:
    """The text of a Warning header: a code, an agent, and a quoted string."""
    return header.split(" ", 2)[2].removeprefix('"').removesuffix('"').replace('\\"', '"')


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server said; `warnings` are the texts of its Warning headers."""

    code: int
    body: Json
    warnings: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))

    @property
    def complaints(self) -> list[str]:
        """Each thing that is wrong with a document: our rules' messages as they are, others with their field before."""
        said = []
        for cause in self.body.get("details", {}).get("causes", ()):
            text = _VALUE.sub("", cause["message"])
            if not text.startswith("some validation rules were not checked"):
                said.append(text if " in body " in text or text.startswith(_OURS) else f"{cause['field']}: {text}")
        return said


class Client:
    """One identity, on one connection. A user is impersonated by the administrator; an account shows its token."""

    def __init__(self, url: str, tls: ssl.SSLContext, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.headers = headers
        place = urlsplit(url)
        self._connection = http.client.HTTPSConnection(place.hostname or "", place.port, context=tls, timeout=30)
        self.close = self._connection.close

    def call(self, method: str, path: str, body: object = None, how: str = "application/json", **query: str) -> Answer:
        """One request; the answer is read whole, so a watch needs a `timeoutSeconds`."""
        self._connection.putrequest(method, f"{path}?{urlencode(query)}" if query else path)
        content = b"" if body is None else json.dumps(body).encode()
        for name, value in (*self.headers, ("Content-Type", how), ("Content-Length", str(len(content)))):
            self._connection.putheader(name, value)
        self._connection.endheaders(content)
        reply = self._connection.getresponse()
        raw = reply.read()
        decoded = json.loads(raw) if raw[:1] == b"{" else {"message": raw.decode(errors="replace")}
        return Answer(reply.status, decoded, tuple(_warning(text) for text in reply.headers.get_all("Warning") or ()))

    def get(self, path: str, **query: str) -> Answer:
        return self.call("GET", path, **query)

    def create(self, path: str, body: Json, **query: str) -> Answer:
        return self.call("POST", path, body, **query)

    def merge(self, path: str, body: Json, **query: str) -> Answer:
        return self.call("PATCH", path, body, "application/merge-patch+json", **query)

    def replace(self, path: str, body: Json, **query: str) -> Answer:
        return self.call("PUT", path, body, **query)

    def delete(self, path: str, **query: str) -> Answer:
        return self.call("DELETE", path, **query)


class Server:
    """The API server with everything of ours installed; close it to end the connections of its clients."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self._open = ExitStack()
        self._trusting = ssl.create_default_context(cafile=str(plane.ca))
        self._as_admin = ssl.create_default_context(cafile=str(plane.ca))
        self._as_admin.load_cert_chain(plane.client_cert, plane.client_key)
        self.admin = self._client(self._as_admin)

    def close(self) -> None:
        self._open.close()

    def _client(self, tls: ssl.SSLContext, *headers: tuple[str, str]) -> Client:
        return self._open.enter_context(closing(Client(self.plane.url, tls, headers)))

    def user(self, name: str) -> Client:
        """A person; what the name may do is up to RBAC."""
        who = (("Impersonate-User", name), ("Impersonate-Group", "system:authenticated"))
        return self._client(self._as_admin, *who)

    def account(self, namespace: str, name: str) -> Client:
        """A service account by its own token, as a Pod of it would log in."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        answer = self.admin.create(path, request)
        assert answer.code == 201, answer
        return self._client(self._trusting, ("Authorization", f"Bearer {answer.body['status']['token']}"))

    def allow(self, namespace: str, user: str, *rules: tuple[str, str, str]) -> None:
        """Give a user verbs in a namespace: rules of API group, resources and verbs, the last two with commas."""
        made = [
            {"apiGroups": [group], "resources": resources.split(","), "verbs": verbs.split(",")}
            for group, resources, verbs in rules
        ]
        self.grant(namespace, user, *made)

    def grant(self, namespace: str, user: str, *rules: Json) -> None:
        """Give a user these rules in a namespace, as a Role writes them."""
        path = f"{_RBAC}/namespaces/{namespace}/roles"
        assert self.admin.create(path, {"metadata": {"name": user}, "rules": rules}).code == 201
        self.bind(namespace, user, "Role", user)
        first = rules[0]
        self.wait_until_allowed(namespace, user, first["apiGroups"][0], first["resources"][0], first["verbs"][0])

    def bind(self, namespace: str, user: str, kind: str, role: str) -> None:
        """Bind a Role or ClusterRole to a user in a namespace."""
        binding = {
            "metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        }
        assert self.admin.create(f"{_RBAC}/namespaces/{namespace}/rolebindings", binding).code == 201

    def wait_until_allowed(self, namespace: str, user: str, group: str, resource: str, verb: str) -> None:
        """The API server learns of roles by watching, a moment after they were made."""
        attributes = {"namespace": namespace, "group": group, "resource": resource, "verb": verb}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "groups": ["system:authenticated"], "resourceAttributes": attributes},
        }

        def allowed() -> bool:
            answer = self.admin.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
            return bool(answer.body["status"]["allowed"])

        until(f"{user} may {verb} {resource} in {namespace}", allowed, seconds=30)


def policy(namespace: str, name: str = "certificates", /, **spec: object) -> Json:
    """The least document that is accepted, with these fields of its spec set."""
    base = {"targetRef": {"name": "deltacrown"}, "storage": {"bucket": "deltacrown-certificates"}}
    return {
        "apiVersion": "storage.deltacrown.io/v1alpha1",
        "kind": "CertStoragePolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {**base, **spec},
    }
