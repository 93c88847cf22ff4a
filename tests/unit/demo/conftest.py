"""The manifests as kustomize builds them."""

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
Documents = dict[tuple[str, str], dict[str, Any]]


@cache
def _built(folder: str) -> Documents:
    kubectl = Path(sys.executable).with_name("kubectl")
    text = subprocess.run([kubectl, "kustomize", DEPLOY / folder], check=True, capture_output=True, text=True).stdout
    found = [document for document in yaml.safe_load_all(text) if document]
    return {(document["kind"], document["metadata"]["name"]): document for document in found}


@pytest.fixture
def build() -> Callable[[str], Documents]:
    """`build("demo")`: the documents of a kustomization below deploy/, by kind and name."""
    return _built
