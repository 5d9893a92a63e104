"""What the places of Gemini CLI's transcripts say: whether one is a transcript, its parent, its project's folder."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Final

import msgspec

from rollbook.importers.lines import Decoder

CHATS: Final = "chats"
_LOGS: Final = "logs"  #: beside it, with names like those of transcripts
_SESSION: Final = "session-"
_MARK: Final = ".project_root"
_REGISTRY: Final = "projects.json"
#: A transcript; one that the agent could not read and set aside; an older one, which is one object.
_TRANSCRIPT: Final = re.compile(r".+\.(?:jsonl(?:\.unreadable-\d+)?|json)")
_MOST_BYTES: Final = 4 << 20  #: of a file that names projects
_DIGEST_LEAST: Final = 16  #: characters; some versions cut it


class _Registry(msgspec.Struct):
    projects: dict[str, str] = {}


_registry = Decoder[_Registry](_Registry)


def is_transcript(name: str) -> bool:
    """Whether a file may be a transcript, by its name."""
    return _TRANSCRIPT.fullmatch(name) is not None


def is_older(path: str) -> bool:
    """Whether a file is of the older form."""
    return path.endswith(".json")


def is_in_place(path: str) -> bool:
    """Whether a file that may be a transcript is one, by where it is: other files have such names too."""
    place = PurePath(path)
    if CHATS in (place.parent.name, place.parent.parent.name):
        return True
    return place.name.startswith(_SESSION) and place.parent.name != _LOGS


def stem(path: str) -> str:
    """What a file's name says where the file does not say it itself."""
    name = PurePath(path).name.split(".json")[0]
    return "".join(char if char.isprintable() else "?" for char in name)[:128] or "unnamed"


def parent_of(path: str) -> str | None:
    """The session whose sub-agent a file is of, by its folder."""
    folder = PurePath(path).parent
    return folder.name if folder.parent.name == CHATS and folder.name.isprintable() else None


def project(path: str, digest: str | None, folders: list[str]) -> str | None:
    """The folder of a transcript's project: one whose digest the transcript states, else the noted one.

    Where there is no note, all that is known of a project is the digest of its folder's name.
    """
    own, registered = _noted(path)
    if digest and len(digest) >= _DIGEST_LEAST:
        for folder in (*folders, own, *registered):
            if sha256(folder.encode(errors="replace")).hexdigest().startswith(digest):
                return folder
    return own or digest or None


def _noted(path: str) -> tuple[str, list[str]]:
    """What lies about a transcript: the folder of its own project (or nothing), and all that are registered."""
    place = PurePath(path).parent
    if place.name != CHATS:
        place = place.parent
    if place.name != CHATS:
        return "", []
    home = place.parent
    listed = _registry.one(_read(home.parent.parent / _REGISTRY))
    projects = {} if listed is None else listed.projects
    mark = _read(home / _MARK).decode(errors="replace").strip()
    return mark or next((folder for folder, name in projects.items() if name == home.name), ""), [*projects]


def _read(path: PurePath) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(_MOST_BYTES)
    except (OSError, ValueError):
        return b""
