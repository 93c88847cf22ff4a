"""The cluster over the `kubernetes` client: JSON in and out, every failure one line. Importing it takes a third of a
second, so only a command that talks to a cluster does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError, MaxRetryError

from certstorage.cli.doc import Doc
from certstorage.cli.login import LoggedIn, log_in
from certstorage.cli.port import CliError, Json, NotFoundError, Resource
from certstorage.cli.refusals import Call, refusal, unreachable

TIMEOUT_SECONDS = (5.0, 30.0)
"""To connect, and to wait for an answer."""
PAGE = 500
"""Objects asked for in one page of a list."""

_REVIEWS = Resource("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview")


def connect(*, kubeconfig: str = "", context: str = "") -> ApiServer:
    """Log in as kubectl does. Raises CliError."""
    return ApiServer(log_in(kubeconfig=kubeconfig, context=context))


class ApiServer:
    """One user's view of one cluster; implements the protocol `Kube`."""

    def __init__(self, login: LoggedIn) -> None:
        self._api, self._place = login.api, login.place
        self.namespace = login.namespace

    def get(self, resource: Resource, namespace: str, name: str) -> Json:
        """Read one object."""
        return self._call("GET", Call(resource, namespace, name))

    def list(self, resource: Resource, namespace: str = "", *, fields: str = "") -> Sequence[Json]:
        """Read all objects, page by page."""
        found: list[Json] = []
        query = (("limit", str(PAGE)), *((("fieldSelector", fields),) if fields else ()))
        token = ""
        while True:
            page = self._call("GET", Call(resource, namespace), (*query, ("continue", token)) if token else query)
            found.extend(page.get("items") or ())
            token = Doc(page).text("metadata", "continue")
            if not token:
                return found

    def create(self, resource: Resource, namespace: str, body: Json) -> Json:
        """Create one object."""
        return self._call("POST", Call(resource, namespace), body=body)

    def whoami(self) -> str:
        """The user's name, by a SelfSubjectReview (Kubernetes 1.28 and newer)."""
        body: Json = {"apiVersion": _REVIEWS.api_version, "kind": _REVIEWS.kind}
        try:
            answer = self._call("POST", Call(_REVIEWS), body=body)
        except NotFoundError:
            return ""
        return Doc(answer).text("status", "userInfo", "username")

    def _call(self, method: str, call: Call, query: Sequence[tuple[str, str]] = (), body: Json | None = None) -> Json:
        path = call.resource.path(call.namespace, call.name)
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        try:
            request = self._api.param_serialize(
                method, path, query_params=[*query], header_params=headers, body=body, auth_settings=["BearerToken"]
            )
            response = self._api.call_api(*request, _request_timeout=TIMEOUT_SECONDS)
            raw: bytes = response.read()  # type: ignore[no-untyped-call]
        except MaxRetryError as error:
            raise unreachable(self._place, error.reason) from error
        except (HTTPError, ApiException, OSError) as error:
            raise unreachable(self._place, " ".join(str(error).split())) from error
        answer = _json(raw)
        if response.status >= 300:
            raise refusal(self._place, call, response.status, answer)
        if not isinstance(answer, dict):
            raise CliError(f"{self._place} does not answer as a Kubernetes API server does; is the context right?")
        return answer


def _json(raw: bytes) -> object:
    try:
        return json.loads(raw)
    except ValueError:
        return None
