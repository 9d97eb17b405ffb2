"""Is a directory what it was when it was written? A manifest of sizes and SHA-256 sums, written last."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from albert_cli.files.atomic import write_file
from albert_cli.files.json_text import parse_json

MANIFEST = "manifest.json"
_VERSION = 1


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path) -> None:
    """Record size and sum of every file below a directory; write it after all of them.

    Args:
        folder: complete but for the manifest.
    """
    files = {
        path.relative_to(folder).as_posix(): {"size": path.stat().st_size, "sha256": file_sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    write_file(folder / MANIFEST, json.dumps({"manifest_version": _VERSION, "files": files}, indent=1) + "\n")


def verify_manifest(folder: Path) -> str | None:
    """Compare a directory with its manifest.

    Files that the manifest does not name are ignored.

    Args:
        folder: what `write_manifest` described.

    Returns:
        None if all is as recorded, else what is wrong with the first file that is not.
    """
    try:
        manifest = parse_json((folder / MANIFEST).read_text(encoding="utf-8"))
        recorded = {str(name): (int(entry["size"]), str(entry["sha256"])) for name, entry in manifest["files"].items()}
    except FileNotFoundError:
        return f"{MANIFEST} is missing"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"{MANIFEST} is damaged"
    for name, (size, digest) in recorded.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != size:
            return f"{name} has {path.stat().st_size} bytes instead of {size}"
        if file_sha256(path) != digest:
            return f"{name} has another checksum than when it was written"
    return None
