"""Where things are: the clone, its state, the user's cache, and names derived from the clone."""

import hashlib
import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CONFIG = HERE / "config"


def state_dir() -> Path:
    """What belongs to this clone's cluster and goes with it (git-ignored)."""
    return ROOT / ".cluster"


def cache_dir() -> Path:
    """What is built once for all clones of a user; safe to delete at any time no build runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "certstorage"


def clone_id(root: Path = ROOT) -> str:
    """Eight hex digits that tell this clone's cluster from another's on the same machine."""
    return hashlib.sha256(str(root).encode()).hexdigest()[:8]
