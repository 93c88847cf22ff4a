"""The Python that a program is timed with: of this machine's, the one that is compiled best, as the image's is.

The image's Python and those of distributions are compiled with profile-guided optimisation. One that was compiled by
hand mostly is not, and takes a third longer for the same program, which says nothing of the program.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_PLACES = ("/usr/local/bin", "/usr/bin")
_WORTH = 0.9
"""Share of the time that another Python must stay below to be taken instead of the running one."""
_WORK = """
import sys, time
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
print(*sys.version_info[:2], min(seconds() for _ in range(7)))
"""


def equipped(folder: Path) -> Path:
    """A Python that has the locked packages: the running one, or a faster one of the same version, made in `folder`.

    Raises:
        subprocess.CalledProcessError: the packages cannot be installed.
    """
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    others = {Path(found).resolve() for place in _PLACES if (found := shutil.which(name, path=place))}
    times = {python: seconds for python in others if (seconds := _seconds(python)) is not None}
    running = Path(sys.executable)
    best = min(times, key=times.__getitem__, default=running)
    if best == running or times[best] > _WORTH * (_seconds(running) or 0.0):
        return running
    subprocess.run([best, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "-q", "--python", str(python)]
    subprocess.run([*pip, "install", "--require-hashes", "-r", str(ROOT / "requirements.lock")], check=True)
    return python


def _seconds(python: Path) -> float | None:
    """What a little work takes; None where it is another version, or cannot make environments."""
    ran = subprocess.run([python, "-I", "-c", f"import venv\n{_WORK}"], capture_output=True, text=True, check=False)
    if ran.returncode:
        return None
    major, minor, seconds = ran.stdout.split()
    return float(seconds) if (int(major), int(minor)) == sys.version_info[:2] else None
