"""The Python that a program is timed with: of this machine's, the one that is compiled best, as the image's is.

The image's Python and those of distributions are compiled with profile-guided optimisation. One that was compiled by
hand mostly is not, and takes a third longer for the same program, which says nothing of the program.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_PLACES = ("/usr/local/bin", "/usr/bin")
_WORK = """
import time, venv
def work():
    found = {}
    for number in range(60_000):
        key = f"folder/{number % 1000}/{number}.pdf"
        found[key] = (number, key.rpartition("/")[0], hash(key))
    return found
def seconds():
    began = time.process_time()
    work()
    return time.process_time() - began
print(min(seconds() for _ in range(7)))
"""


def equipped(folder: Path) -> Path:
    """A Python that has the locked packages: the running one, or a faster one of the same version, made in `folder`.

    Raises:
        subprocess.CalledProcessError: the packages cannot be installed.
    """
    running, name = Path(sys.executable), f"python{sys.version_info.major}.{sys.version_info.minor}"
    others = {Path(found).resolve() for place in _PLACES if (found := shutil.which(name, path=place))}
    best = min([running, *others - {running.resolve()}], key=_seconds)
    if best == running:
        return running
    subprocess.run([best, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "-q", "--python", str(python)]
    subprocess.run([*pip, "install", "--require-hashes", "-r", str(ROOT / "requirements.lock")], check=True)
    return python


def _seconds(python: Path) -> float:
    """What a little work takes; forever where environments cannot be made."""
    ran = subprocess.run([python, "-I", "-c", _WORK], capture_output=True, text=True, check=False)
    return math.inf if ran.returncode else float(ran.stdout)
