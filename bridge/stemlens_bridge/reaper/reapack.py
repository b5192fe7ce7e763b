"""The index by which ReaPack installs and updates the scripts, made from their headers.

    python -m stemlens_bridge.reaper.reapack [FOLDER] --base-url URL     writes index.xml
    python -m stemlens_bridge.reaper.reapack [FOLDER] --check            fails if it is out of date

A package is a script whose header has a version; every other script says `@noindex` and is provided
by exactly one package. A header is the comment at the very top: one tag a line, no blank line in
it, further lines of a tag indented.

    -- @description what it is      -- @version 1.2.3      -- @author who
    -- @about       in Markdown     -- @changelog what is new
    -- @provides    one line for each file or pattern: [main] adds actions, [nomain] does not
    -- @metapackage the package's own file is not installed      -- @noindex is no package

The URL of a file is that of the folder (with the commit or tag in it, so that a version never
changes) and the file's path. Who publishes the scripts says where they lie; the index that is kept
here has a placeholder. Versions that the index knew before are kept.

Source: the packaging documentation of reapack-index and the index format of ReaPack.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from stemlens_bridge import resources
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.reaper.rtf import rtf
from stemlens_bridge.writing import written

INDEX_NAME = "Stemlens"  # also the folder below REAPER's Scripts
FILE_NAME = "index.xml"
PLACEHOLDER = "https://example.org/stemlens/raw/v{version}/reaper_scripts"
MAX_SEGMENT = 65_535  # of a version
SECTIONS = (
    "main",
    "midi_editor",
    "midi_inlineeditor",
    "midi_eventlisteditor",
    "mediaexplorer",
    "crossfade_editor",
)
# fmt: off
PLATFORMS = (
    "windows", "win32", "win64", "windows-arm64ec", "darwin", "darwin32", "darwin64",
    "darwin-arm64", "linux", "linux32", "linux64", "linux-armv7l", "linux-aarch64",
)
# fmt: on
# tag: what its value may be
TAGS = {
    "description": "line",
    "version": "line",
    "author": "line",
    "about": "text",
    "changelog": "text",
    "provides": "text",
    "link": "text",
    "screenshot": "text",
    "donation": "text",
    "metapackage": "flag",
    "noindex": "flag",
}
NEEDED = ("description", "version", "author", "about")
LINKS = {"link": "website", "screenshot": "screenshot", "donation": "donation"}
_TAG = re.compile(r"-- @(\w+)(?:\s+(.*\S))?\s*$")
_PROVIDES = re.compile(r"(?:\[([^\]]*)\])?\s*(.+?)(?:\s*>\s*(.+)|\s+(https?://\S+))?$")


class Problem(Exception):
    """What is wrong with a header, as a sentence with the file's name."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file of a package: where it is fetched from, where it goes, whether it adds actions."""

    url: str
    file: str | None = None
    main: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a package."""

    name: str
    author: str
    changelog: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Package:
    """One package: its path below the folder, its header, the files of its present version."""

    path: PurePosixPath
    tags: dict[str, str]
    files: tuple[tuple[PurePosixPath, Source], ...]

    @property
    def version(self) -> str:
        return self.tags["version"]


def header(text: str, name: str) -> dict[str, str]:
    """The tags of a script's header; raises Problem. A script without one has none."""
    tags: dict[str, str] = {}
    current: str | None = None
    lines = text.splitlines()
    end = len(lines)
    for at, line in enumerate(lines):
        found = _TAG.match(line)
        if found:
            current = found[1].lower()
            if current in tags:
                raise Problem(f"{name}: the header has @{current} twice.")
            tags[current] = found[2] or ""
        elif TAGS.get(current or "") == "text" and line.startswith("--  "):
            tags[str(current)] += "\n" + line[2:]
        elif TAGS.get(current or "") == "text" and line.rstrip() == "--":
            tags[str(current)] += "\n"
        else:
            end = at
            break
    for line in lines[end:]:
        stray = _TAG.match(line)
        if stray and stray[1].lower() in TAGS:
            raise Problem(
                f"{name}: @{stray[1]} is not part of the header, which begins in the first line; "
                "no blank or other line may stand between tags."
            )
    for tag, value in tags.items():
        tags[tag] = _outdented(value)
        _check(name, tag, tags[tag])
    return tags


def _outdented(value: str) -> str:
    first, *more = value.split("\n")
    used = [line for line in more if line.strip()]
    indent = min((len(line) - len(line.lstrip()) for line in used), default=0)
    return "\n".join([first, *(line[indent:].rstrip() for line in more)]).strip("\n")


def _check(name: str, tag: str, value: str) -> None:
    if tag not in TAGS:
        raise Problem(f"{name}: there is no tag @{tag}; known are {', '.join(TAGS)}.")
    if TAGS[tag] == "flag" and value:
        raise Problem(f"{name}: @{tag} takes no value.")
    if TAGS[tag] != "flag" and not value:
        raise Problem(f"{name}: @{tag} has no value.")
    if tag == "version":
        numbers = [int(part) for part in re.findall(r"\d+", value)]
        if not re.match(r"\d", value) or max(numbers) > MAX_SEGMENT:
            raise Problem(
                f"{name}: the version {value!r} must begin with a number, and no number in it may "
                f"be above {MAX_SEGMENT}."
            )


def packages(folder: Path, base_url: str = PLACEHOLDER) -> list[Package]:
    """All packages of a folder, after checking that each script belongs to exactly one.

    Raises Problem.
    """
    scripts = sorted(
        PurePosixPath(path.relative_to(folder).as_posix()) for path in folder.rglob("*.lua")
    )
    found, loose = [], []
    for path in scripts:
        tags = header((folder / path).read_text(encoding="utf-8"), str(path))
        if "noindex" in tags:
            loose.append(path)
            continue
        lacking = [tag for tag in NEEDED if tag not in tags]
        if lacking:
            raise Problem(
                f"{path}: its header lacks @{', @'.join(lacking)}; a file that is no package by "
                "itself says @noindex."
            )
        if len(path.parts) < 2:
            raise Problem(f"{path} must lie in a folder: the folder is the category.")
        base = base_url.replace("{version}", tags["version"])
        files = tuple(_provided(path, tags, scripts, base))
        if not files:
            raise Problem(f"{path}: the package provides no file.")
        found.append(Package(path, tags, files))
    owners: dict[PurePosixPath, PurePosixPath] = {}
    for package in found:
        for file, _ in package.files:
            if file in owners:
                raise Problem(f"{file} is provided by {owners[file]} and by {package.path}.")
            owners[file] = package.path
    for path in loose:
        if path not in owners:
            raise Problem(f"{path} says @noindex, but no package provides it.")
    return found


def _provided(
    own: PurePosixPath, tags: dict[str, str], scripts: Sequence[PurePosixPath], base: str
) -> Iterator[tuple[PurePosixPath, Source]]:
    given = False
    for line in tags.get("provides", "").splitlines():
        parsed = _PROVIDES.match(line.strip())
        if not line.strip() or parsed is None:
            continue
        options, pattern, target, url = parsed.groups()
        if url or target:
            raise Problem(f"{own}: @provides with a target or an address is not used here: {line}.")
        main, platform = _options(own, (options or "").split())
        files = [own] if pattern == "." else _matching(own, pattern, scripts)
        if not files:
            raise Problem(f"{own}: @provides {pattern} fits no file.")
        for file in files:
            if file == own:
                given = True
                main = "main" if main is None and "metapackage" not in tags else main
                place = None
            else:
                place = _relative(file, own.parent)
            yield file, Source(f"{base}/{quote(file.as_posix())}", place, main or "", platform)
    if not given and "metapackage" not in tags:
        yield own, Source(f"{base}/{quote(own.as_posix())}", None, "main", "")


def _options(own: PurePosixPath, options: Sequence[str]) -> tuple[str | None, str]:
    """Sections of the action list (None: not said) and platform."""
    main, platform = None, ""
    for option in options:
        word, _, value = option.lower().partition("=")
        sections = value.split(",") if value else ["main"]
        if word == "nomain" and not value:
            main = ""
        elif word == "main" and set(sections) <= set(SECTIONS):
            main = " ".join(section for section in SECTIONS if section in sections)
        elif option in PLATFORMS:
            platform = option
        else:
            raise Problem(f"{own}: @provides cannot have [{option}].")
    return main, platform


def _matching(
    own: PurePosixPath, pattern: str, scripts: Sequence[PurePosixPath]
) -> list[PurePosixPath]:
    whole = pattern[1:] if pattern.startswith("/") else (own.parent / pattern).as_posix()
    parts = re.split(r"(\*\*|\*|\?)", whole)
    wild = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    rule = re.compile("".join(wild.get(part) or re.escape(part) for part in parts))
    return [script for script in scripts if rule.fullmatch(script.as_posix())]


def _relative(file: PurePosixPath, folder: PurePosixPath) -> str:
    """The way from a package's folder to a file."""
    common = 0
    while file.parts[common : common + 1] == folder.parts[common : common + 1]:
        common += 1
    up = [".."] * (len(folder.parts) - common)
    return "/".join([*up, *file.parts[common:]])


# ---------------------------------------------------------------------------- the index


def index(found: Sequence[Package], former: str = "") -> str:
    """The text of `index.xml`; versions in the `former` one that are no longer present stay."""
    known = _former(former)
    lines = ['<?xml version="1.0" encoding="utf-8"?>', f'<index version="1" name="{INDEX_NAME}">']
    categories = sorted({package.path.parent for package in found})
    for category in categories:
        lines.append(f"  <category name={quoteattr(category.as_posix())}>")
        for package in [package for package in found if package.path.parent == category]:
            lines += _package(package, known.get(package.path, ()))
        lines.append("  </category>")
    return "\n".join([*lines, "</index>", ""])


def _package(package: Package, former: Sequence[Version]) -> Iterator[str]:
    tags = package.tags
    name, what = quoteattr(package.path.name), quoteattr(tags["description"])
    yield f'    <reapack name={name} type="script" desc={what}>'
    yield "      <metadata>"
    yield f"        <description>{_cdata(rtf(tags['about']))}</description>"
    for tag, kind in LINKS.items():
        for line in tags.get(tag, "").splitlines():
            words, _, address = line.strip().rpartition(" ")
            if address:
                yield f'        <link rel="{kind}" href={quoteattr(address)}>' + (
                    f"{escape(words.strip() or address)}</link>"
                )
    yield "      </metadata>"
    sources = tuple(source for _, source in package.files)
    present = Version(package.version, tags["author"], tags.get("changelog", ""), sources)
    for version in [v for v in former if v.name != present.name] + [present]:
        yield f"      <version name={quoteattr(version.name)} author={quoteattr(version.author)}>"
        if version.changelog:
            yield f"        <changelog>{_cdata(version.changelog)}</changelog>"
        for source in version.sources:
            given = (("main", source.main), ("platform", source.platform), ("file", source.file))
            attributes = "".join(f" {key}={quoteattr(value)}" for key, value in given if value)
            yield f"        <source{attributes}>{escape(source.url)}</source>"
        yield "      </version>"
    yield "    </reapack>"


def _cdata(text: str) -> str:
    return "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"


def _former(text: str) -> dict[PurePosixPath, list[Version]]:
    """The versions in an index, by the package's path; none in what is no index."""
    if not text:
        return {}
    try:
        root = ElementTree.fromstring(text.encode())
    except ElementTree.ParseError as error:
        raise Problem(f"{FILE_NAME} is no XML ({error}); delete it and make it anew.") from error
    found: dict[PurePosixPath, list[Version]] = {}
    for category in root.iter("category"):
        for package in category.iter("reapack"):
            path = PurePosixPath(category.get("name", ""), package.get("name", ""))
            found[path] = [
                Version(
                    version.get("name", ""),
                    version.get("author", ""),
                    version.findtext("changelog", ""),
                    tuple(
                        Source(
                            source.text or "",
                            source.get("file"),
                            source.get("main", ""),
                            source.get("platform", ""),
                        )
                        for source in version.iter("source")
                    ),
                )
                for version in package.iter("version")
            ]
    return found


def base_of(text: str, folder: Path) -> str:
    """The base URL that an index was made with; the placeholder where it has none."""
    known = _former(text)
    for package in packages(folder):
        for version in known.get(package.path, ()):
            for (file, _), source in zip(package.files, version.sources, strict=False):
                ending = "/" + quote(file.as_posix())
                if version.name == package.version and source.url.endswith(ending):
                    return source.url.removesuffix(ending)
    return PLACEHOLDER


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes or checks an index; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m stemlens_bridge.reaper.reapack")
    parser.add_argument("folder", type=Path, nargs="?", default=None)
    parser.add_argument(
        "--base-url", help="where the folder's content can be fetched", metavar="URL"
    )
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    given = parser.parse_args(arguments)
    folder = given.folder or resources.folder("reaper_scripts")
    path = folder / FILE_NAME
    try:
        former = path.read_text(encoding="utf-8") if path.is_file() else ""
        base = given.base_url or (base_of(former, folder) if given.check else PLACEHOLDER)
        text = index(packages(folder, base.rstrip("/")), former)
        if not given.check:
            with written(path) as part:
                part.write_text(text, encoding="utf-8", newline="\n")
    except (Problem, StemlensError) as problem:
        print(problem, file=sys.stderr)
        return 1
    if given.check and text != former:
        print(f"{path} is not what the headers say; make it anew.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
