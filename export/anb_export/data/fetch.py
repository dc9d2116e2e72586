"""Downloads the published measurements and models into a cache.

A file appears under its name only when it is whole and has the expected SHA-256. Until then it is
a ``.part`` beside it: kept when the connection breaks, so that the next attempt goes on where this
one stopped (HTTP range requests), and removed when its content turns out to be wrong.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from anb_export._io.files import to_json, write_atomically
from anb_export._io.json_file import read_json
from anb_export.data.download import (
    FetchError,
    OnBytes,
    Patience,
    Source,
    discard,
    download,
    state_of,
)

__all__ = ["DATA", "MODELS", "FetchError", "Fetched", "Patience", "Source", "cache_folder", "fetch"]

#: Environment variable that names the cache folder.
CACHE_VARIABLE = "ANB_ONNX_CACHE"

_RECORD = ".sha256"

#: The 5,138 measurements of Accel-NASBench.
DATA = Source(
    "anb_dataset_jsons.tar.gz",
    "https://github.com/afzalxo/Accel-NASBench/raw/master/anb_dataset/anb_dataset_jsons.tar.gz",
    "3520992d42e368b7c08c99fc3f6612855b5b366bf98668a7f19d49f3131aa4ae",
    1 << 28,
)
#: The published ensembles, version 0.9. The publisher states no digest.
MODELS = Source(
    "anb_models_0_9.zip", "https://figshare.com/ndownloader/files/40109821", None, 1 << 36
)


def cache_folder() -> Path:
    """Return ``$ANB_ONNX_CACHE``, else ``anb_onnx`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification has relative paths ignored.
    root = Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache"
    return root / "anb_onnx"


@dataclass(frozen=True)
class Fetched:
    """What `fetch` returns.

    Attributes
    ----------
    path : Path
        The file.
    sha256 : str
        Its digest.
    downloaded : bool
        False if it was in the cache.
    trusted : bool
        False if the digest was recorded only now, as that of the first download.
    """

    path: Path
    sha256: str
    downloaded: bool
    trusted: bool


def fetch(
    source: Source,
    folder: Path | None = None,
    *,
    sha256: str | None = None,
    offline: bool = False,
    on_bytes: OnBytes = lambda done, total: None,
    patience: Patience | None = None,
) -> Fetched:
    """Return a published file from the cache, downloaded if it is not there.

    Parameters
    ----------
    source : Source
    folder : Path, optional
        The cache; `cache_folder` if not given.
    sha256 : str, optional
        Digest the file must have, instead of that of the source.
    offline : bool
        Whether the network must not be used.
    on_bytes : callable, optional
        Called as ``on_bytes(bytes so far, bytes in all or None)``.
    patience : Patience, optional
        How often and how long the server is asked.

    Raises
    ------
    FetchError
        If the file is not cached and `offline` is set, the server does not deliver in time, or what
        it delivers is too large or has another digest. No file is then under the source's name,
        unless one with the right digest was before.
    """
    folder = cache_folder() if folder is None else Path(folder)
    path = folder / source.name
    wanted = _wanted(sha256 or source.sha256, path)
    if path.is_file():
        found = _digest(path)
        if wanted is None:  # put there by hand: take it as the first download
            _record(path, source, found)
            return Fetched(path, found, downloaded=False, trusted=False)
        if found == wanted:
            return Fetched(path, found, downloaded=False, trusted=True)
        if offline:
            msg = (
                f"{path} is damaged: sha256 {found}, expected {wanted}; run again without "
                "--offline to download it anew"
            )
            raise FetchError(msg)
    elif offline:
        msg = f"{source.name} is not in the cache {folder}; run again without --offline"
        raise FetchError(msg)
    part = path.with_name(f"{path.name}.part")
    patience = patience or Patience()
    deadline = time.monotonic() + patience.total
    known = replace(source, sha256=wanted)
    with _claimed(part):
        resumed = download(known, part, on_bytes, patience, deadline)
        found = _digest(part)
        if wanted not in (None, found) and resumed:
            # Perhaps the beginning was of an older file: once more, from the start.
            discard(part)
            download(known, part, on_bytes, patience, deadline)
            found = _digest(part)
        if wanted not in (None, found):
            discard(part)
            msg = (
                f"{source.url} has sha256 {found}, expected {wanted}: it was changed, or damaged "
                "on the way; nothing was kept"
            )
            raise FetchError(msg)
        _finish(part, path)
        if source.sha256 is None:
            # Also if `sha256` was given: later runs then need not be given it again.
            _record(path, source, found)
    return Fetched(path, found, downloaded=True, trusted=wanted is not None)


def _wanted(given: str | None, path: Path) -> str | None:
    """Return the digest the file must have: the one given, else the recorded one, else none."""
    if given is not None:
        if not re.fullmatch(r"[0-9a-f]{64}", given):
            msg = f"a sha256 has 64 digits of 0-9 and a-f, found {given[:80]!r}"
            raise FetchError(msg)
        return given
    record = path.with_name(path.name + _RECORD)
    try:
        found = str(read_json(record)["sha256"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        msg = f"cannot read the recorded digest {record} ({error}); remove it to record a new one"
        raise FetchError(msg) from error
    return _wanted(found, path)


def _record(path: Path, source: Source, digest: str) -> None:
    note = {"sha256": digest, "url": source.url, "recorded": "at the first download"}
    write_atomically(path.with_name(path.name + _RECORD), to_json(note))


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        msg = f"cannot read {path}: {error.strerror}"
        raise FetchError(msg) from error


def _finish(part: Path, path: Path) -> None:
    try:
        part.replace(path)
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror}"
        raise FetchError(msg) from error
    state_of(part).unlink(missing_ok=True)


@contextlib.contextmanager
def _claimed(part: Path) -> Iterator[None]:
    """Keep two processes from writing one file."""
    lock = part.with_name(f"{part.name}.lock")
    for file in (part, lock):
        if file.exists() and not file.is_file():
            msg = f"{file} is not a regular file; remove it"
            raise FetchError(msg)
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        handle = lock.open("wb")
    except OSError as error:
        msg = f"cannot write to the cache {part.parent}: {error.strerror}"
        raise FetchError(msg) from error
    with handle:
        try:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The former holder removes the file: then this is the lock of nobody.
            if not os.path.samestat(os.fstat(handle.fileno()), lock.stat()):
                raise BlockingIOError
        except ImportError:  # Windows: there, one download at a time is up to the user
            pass
        except OSError as error:
            msg = f"another process is downloading {part.name.removesuffix('.part')}; wait for it"
            raise FetchError(msg) from error
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
