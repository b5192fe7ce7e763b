"""Edits to an XML document of another program that leave every other byte as it is.

A DAW's project is the user's work: what is not ours to change (the declaration, a byte order mark,
the order of attributes, quotes, entities, newlines, indentation, how empty elements are written)
must come out as it went in. So nothing is serialised anew. The bytes are parsed once, with expat,
into a light tree that knows where each tag begins and ends; edits are collected; `Document.edited`
splices them into the original bytes. Within an attribute only the part that differs is replaced,
so that text put behind the user's own and taken out again gives the same bytes.

What is read is the document as it was parsed, not as it will be after the edits.

Positions are byte offsets. Names are as written, with their prefix: there is no namespace
processing. Only UTF-8 is edited (with or without a byte order mark). Documents with a DTD are
refused, and with them every way of making entities grow; size, depth and the number of elements
are bounded.

Source: Extensible Markup Language (XML) 1.0, fifth edition; 3.3.3 for what a reader makes of white
space in attributes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.parsers import expat

from stemlens_bridge.errors import StemlensError

MAX_BYTES = 256 * 2**20
MAX_DEPTH = 256
MAX_ELEMENTS = 4_000_000

_START_TAG = re.compile(rb"<[^\"'>]*(?:(?:\"[^\"]*\"|'[^']*')[^\"'>]*)*>")
_ATTRIBUTE = re.compile(rb"\s+([^\s=>/]+)\s*=\s*(\"[^\"]*\"|'[^']*')")
_UNIT = re.compile(r"&#x([0-9A-Fa-f]+);|&#([0-9]+);|&(lt|gt|amp|quot|apos);|\r\n|.", re.DOTALL)
_ENTITIES = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPACE = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class RawAttribute:
    """One attribute as it is written: `lead`, where the white space before it begins; `start` and
    `end`, where its value does (quotes excluded); `source`, the value with its references."""

    lead: int
    start: int
    end: int
    source: str


class Element:
    """One element as it was parsed.

    start, start_end: where its start tag begins and ends. end_start, end: the same of its end tag;
    an element written as `<a/>` has none, and both are where its only tag ends.
    """

    __slots__ = ("_data", "children", "end", "end_start", "name", "parent", "start", "start_end")

    def __init__(
        self, data: bytes, name: str, parent: Element | None, start: int, start_end: int
    ) -> None:
        self._data = data
        self.name = name
        self.parent = parent
        self.children: Sequence[Element] = ()  # most elements are leaves; a list for each is dear
        self.start, self.start_end = start, start_end
        self.end_start = self.end = start_end

    def __repr__(self) -> str:
        return f"<{self.name} at {self.start}>"

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes in the order in which they are written, as a parser would give them."""
        return {name: _decoded(raw.source) for name, raw in self.raw_attributes().items()}

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value of one attribute."""
        return self.attributes.get(name, default)

    @property
    def text(self) -> str:
        """The character data directly inside, without that of its children."""
        parts: list[str] = []
        depth = 0

        def start(name: str, attributes: object) -> None:
            nonlocal depth
            depth += 1

        def end(name: str) -> None:
            nonlocal depth
            depth -= 1

        def data(text: str) -> None:
            if depth == 1:
                parts.append(text)

        parser = expat.ParserCreate("utf-8")
        parser.StartElementHandler, parser.EndElementHandler = start, end
        parser.CharacterDataHandler = data
        parser.Parse(self._data[self.start : self.end], True)
        return "".join(parts)

    @property
    def self_closing(self) -> bool:
        """Whether it is written as `<a/>`."""
        return self._data.endswith(b"/>", self.start, self.start_end)

    def child(self, *names: str) -> Element | None:
        """The first child of that name; with more names, its first child of the next name …"""
        found: Element | None = self
        for name in names:
            if found is None:
                return None
            found = next(found.each(name), None)
        return found

    def each(self, name: str) -> Iterator[Element]:
        """The children of that name."""
        return (child for child in self.children if child.name == name)

    def walk(self) -> Iterator[Element]:
        """This element and everything below it, in the order of the document."""
        waiting = [self]
        while waiting:
            element = waiting.pop()
            yield element
            waiting.extend(reversed(element.children))

    def raw_attributes(self) -> dict[str, RawAttribute]:
        """Where each attribute is written, and how."""
        found = {}
        position = self.name_end
        while match := _ATTRIBUTE.match(self._data, position, self.start_end):
            start, end = match.start(2) + 1, match.end(2) - 1
            source = self._data[start:end].decode()
            found[match[1].decode()] = RawAttribute(position, start, end, source)
            position = match.end()
        return found

    @property
    def name_end(self) -> int:
        """Where the name in the start tag ends."""
        return self.start + 1 + len(self.name.encode())


@dataclass(frozen=True, slots=True)
class _Splice:
    """Bytes `start` to `end` of the original give way to `new`."""

    start: int
    end: int
    order: int
    new: bytes


class Document:
    """A parsed document and the edits that wait for `edited`."""

    def __init__(self, data: bytes, root: Element) -> None:
        self.data = data
        self.root = root
        self._attributes: dict[Element, dict[str, str | None]] = {}
        self._texts: dict[Element, str] = {}
        self._inserts: list[tuple[Element, int, bytes]] = []
        self._removed: dict[Element, bool] = {}
        self._emptied: set[Element] = set()

    @classmethod
    def parse(cls, data: bytes, what: str = "The document") -> Document:
        """The document in `data`; `what` begins the sentence where it is none.

        Raises `project_invalid`: not well-formed, not UTF-8, with a DTD, too large or too deep.
        """
        return cls(data, _parsed(data, what))

    def set_attribute(self, element: Element, name: str, value: str) -> None:
        """Gives an attribute a value; a new one comes behind the others."""
        self._attributes.setdefault(element, {})[name] = value

    def remove_attribute(self, element: Element, name: str) -> None:
        """Takes an attribute out, with the space before it; one that is not there is no error."""
        self._attributes.setdefault(element, {})[name] = None

    def set_text(self, element: Element, text: str) -> None:
        """Replaces all that an element without children holds by text.

        Raises ValueError for an element with children.
        """
        if element.children:
            raise ValueError(f"{element} has children")
        self._texts[element] = text

    def insert(
        self,
        parent: Element,
        xml: bytes,
        *,
        before: Element | None = None,
        after: Element | None = None,
        first: bool = False,
    ) -> None:
        """Inserts XML (elements, and the white space that should surround them) into `parent`:
        directly before or after one of its children, right behind its start tag, or, where nothing
        is said, right before its end tag. What is inserted at one place keeps the order of the
        calls.

        Raises ValueError where `xml` is not well-formed or the place is not in `parent`.
        """
        require_fragment(xml)
        for sibling in (before, after):
            if sibling is not None and sibling.parent is not parent:
                raise ValueError(f"{sibling} is not in {parent}")
        if before is not None:
            position = before.start
        elif after is not None:
            position = after.end
        elif first or parent.self_closing:
            position = parent.start_end
        else:
            position = parent.end_start
        self._inserts.append((parent, position, xml))

    def remove(self, element: Element, *, space_before: bool = False) -> None:
        """Takes an element out with all it holds; `space_before`: and the white space before it.

        Raises ValueError for the root.
        """
        if element.parent is None:
            raise ValueError("the root cannot be removed")
        self._removed[element] = space_before

    def empty(self, element: Element) -> None:
        """Takes out all that an element holds and writes it as `<a/>`."""
        self._emptied.add(element)

    def space_before(self, element: Element) -> bytes:
        """The white space between an element and what comes before it: its indentation."""
        start = element.start
        while start and self.data[start - 1] in _SPACE:
            start -= 1
        return self.data[start : element.start]

    def edited(self) -> bytes:
        """The document with all edits; without any, the very same bytes.

        An edit inside an element that is removed or emptied is dropped. An element that was written
        as `<a/>` and gets text or children is written with an end tag; one whose children are all
        removed keeps its end tag.
        """
        splices = [*self._removals(), *self._splices()]
        splices.sort(key=lambda splice: (splice.start, splice.end, splice.order))
        parts: list[bytes] = []
        position = 0
        for splice in splices:
            parts += (self.data[position : splice.start], splice.new)
            position = max(position, splice.end)
        parts.append(self.data[position:])
        return b"".join(parts)

    def _removals(self) -> Iterator[_Splice]:
        for element, space in self._removed.items():
            start = element.start - (len(self.space_before(element)) if space else 0)
            yield _Splice(start, element.end, -1, b"")
        for element in self._emptied:
            if self._stays(element) and not element.self_closing:
                yield _Splice(element.start_end - 1, element.end, -1, b"/>")

    def _stays(self, element: Element | None) -> bool:
        inside: Element | None = None
        while element is not None:
            if element in self._removed or (inside and element in self._emptied):
                return False
            element, inside = element.parent, element
        return True

    def _splices(self) -> Iterator[_Splice]:
        order = 0
        opened: set[Element] = set()
        contents: dict[Element, list[bytes]] = {}
        for element, changes in self._attributes.items():
            if self._stays(element):
                yield from self._attribute_splices(element, changes)
        for element, text in self._texts.items():
            if not self._stays(element) or element in self._emptied:
                continue
            if element.self_closing:
                opened.add(element)
                contents.setdefault(element, []).append(escaped(text).encode())
            else:
                yield _Splice(
                    element.start_end, element.end_start, order := order + 1, escaped(text).encode()
                )
        for parent, position, xml in self._inserts:
            if not self._stays(parent) or parent in self._emptied:
                continue
            if parent.self_closing:
                opened.add(parent)
                contents.setdefault(parent, []).append(xml)
            else:
                yield _Splice(position, position, order := order + 1, xml)
        for element in opened:
            inner = b"".join(contents[element])
            closing = b">" + inner + b"</" + element.name.encode() + b">"
            yield _Splice(element.start_end - 2, element.start_end, order := order + 1, closing)

    def _attribute_splices(
        self, element: Element, changes: dict[str, str | None]
    ) -> Iterator[_Splice]:
        there = element.raw_attributes()
        added = b""
        for name, value in changes.items():
            raw = there.get(name)
            if raw is not None and value is None:
                yield _Splice(raw.lead, raw.end + 1, 0, b"")
            elif raw is not None and value is not None:
                quote = self.data[raw.start - 1 : raw.start].decode()
                yield from _value_splices(raw, value, quote)
            elif value is not None:
                added += f' {name}="{escaped(value, quote=chr(34))}"'.encode()
        if added:
            behind = max((raw.end + 1 for raw in there.values()), default=element.name_end)
            yield _Splice(behind, behind, 1, added)


def escaped(text: str, quote: str | None = None) -> str:
    """Text as it is written in XML; with `quote`, as it is written in an attribute in such quotes.

    White space other than blanks is written as a reference where a reader would change it.
    Characters that XML does not know (controls, half pairs) become U+FFFD.
    """
    text = _NOT_XML.sub("\ufffd", text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = text.replace("\r", "&#13;")
    if quote is None:
        return text
    named = "&quot;" if quote == '"' else "&apos;"
    return text.replace("\n", "&#10;").replace("\t", "&#9;").replace(quote, named)


def require_fragment(xml: bytes) -> None:
    """Raises ValueError where `xml` cannot stand inside an element."""
    parser = expat.ParserCreate("utf-8")
    try:
        parser.Parse(b"<fragment>" + xml + b"</fragment>", True)
    except expat.ExpatError as error:
        raise ValueError(f"{xml!r} is not well-formed: {error}") from error


def _decoded(raw: str) -> str:
    return "".join(character for _, character in _units(raw))


def _units(raw: str) -> Iterator[tuple[str, str]]:
    """The pieces of an attribute's source, each with the one character that it stands for."""
    for match in _UNIT.finditer(raw):
        source = match[0]
        if match[1] or match[2]:
            yield source, chr(int(match[1], 16) if match[1] else int(match[2]))
        elif match[3]:
            yield source, _ENTITIES[match[3]]
        else:
            yield source, " " if source in ("\r\n", "\r", "\n", "\t") else source


def _value_splices(raw: RawAttribute, value: str, quote: str) -> Iterator[_Splice]:
    """What changes between the quotes: only what differs from the value that is there."""
    value = _NOT_XML.sub("\ufffd", value)
    units = list(_units(raw.source))
    least = min(len(units), len(value))
    before = 0
    while before < least and units[before][1] == value[before]:
        before += 1
    behind = 0
    while behind < least - before and units[-1 - behind][1] == value[-1 - behind]:
        behind += 1
    start = raw.start + _bytes(units[:before])
    end = raw.end - _bytes(units[len(units) - behind :])
    new = escaped(value[before : len(value) - behind], quote).encode()
    if new or end > start:
        yield _Splice(start, end, 0, new)


def _bytes(units: Sequence[tuple[str, str]]) -> int:
    return sum(len(source.encode()) for source, _ in units)


def _parsed(data: bytes, what: str) -> Element:
    if len(data) > MAX_BYTES:
        raise _invalid(f"{what} is larger than {MAX_BYTES // 2**20} MiB")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]:
        raise _invalid(f"{what} is written in UTF-16 or UTF-32; Stemlens edits only UTF-8")
    parser = expat.ParserCreate()
    root: Element | None = None
    current: Element | None = None
    depth = count = 0

    def declaration(version: str, encoding: str | None, standalone: int) -> None:
        if (encoding or "utf-8").lower() != "utf-8":
            raise _invalid(f"{what} is written in {encoding}; Stemlens edits only UTF-8")

    def doctype(*_: object) -> None:
        raise _invalid(f"{what} has a DTD, which no project of a DAW has; it is left alone")

    def start(name: str, _: object) -> None:
        nonlocal root, current, depth, count
        depth, count = depth + 1, count + 1
        if depth > MAX_DEPTH:
            raise _invalid(f"{what} is nested more than {MAX_DEPTH} elements deep")
        if count > MAX_ELEMENTS:
            raise _invalid(f"{what} has more than {MAX_ELEMENTS} elements")
        at = parser.CurrentByteIndex
        tag = _START_TAG.match(data, at)
        if tag is None:  # expat has read this tag: it is there
            raise _invalid(f"{what} cannot be followed at byte {at}")
        element = Element(data, name, current, at, tag.end())
        if current is None:
            root = element
        elif isinstance(current.children, list):
            current.children.append(element)
        else:
            current.children = [element]
        current = element

    def end(_: str) -> None:
        nonlocal current, depth
        depth -= 1
        assert current is not None
        if not current.self_closing:
            current.end_start = parser.CurrentByteIndex
            current.end = data.index(b">", current.end_start) + 1
        current = current.parent

    parser.XmlDeclHandler = declaration
    parser.StartDoctypeDeclHandler = doctype
    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise _invalid(f"{what} is damaged: it is not XML ({error})") from error
    except ValueError as error:  # an encoding that Python does not know
        raise _invalid(f"{what} is in an encoding that cannot be read ({error})") from error
    if root is None:
        raise _invalid(f"{what} is empty")
    return root


def _invalid(sentence: str) -> StemlensError:
    return StemlensError("project_invalid", f"{sentence}.")
