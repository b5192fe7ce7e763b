"""Edits change what they say and not one byte more."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemlens_bridge.errors import StemlensError
from stemlens_bridge.xmlsplice import MAX_DEPTH, Document, Element

UGLY = (
    "\ufeff<?xml version='1.0' encoding='UTF-8' standalone=\"yes\"?>\r\n"
    "<!-- < not a tag > -->\r\n"
    "<Project  version = '1.0'\r\n\tname=\"a &gt; b > c\" >\r\n"
    '  <Track id=\'t1\' name="Gr&#xfc;n &amp; Blau" comment="x&#10;y"/>\r\n'
    '  <Track id="t2" name=\'say "hi"\' /><Track></Track>\r\n'
    "  <![CDATA[ <Track/> ]]><?pi <Track> ?>\r\n"
    "  <Name>Bass &amp; 低音</Name>\r\n"
    "</Project >\r\n<!-- end -->"
).encode()


def plain(element: Element) -> tuple[object, ...]:
    return element.name, element.attributes, [plain(child) for child in element.children]


def of_etree(element: ElementTree.Element) -> tuple[object, ...]:
    return element.tag, element.attrib, [of_etree(child) for child in element]


def test_no_edit_is_the_same_bytes() -> None:
    document = Document.parse(UGLY)
    assert document.edited() == UGLY
    assert plain(document.root) == of_etree(ElementTree.fromstring(UGLY))


def test_where_things_are() -> None:
    document = Document.parse(UGLY)
    first, second, third, name = document.root.children
    assert UGLY[first.start : first.end].startswith(b"<Track id='t1'")
    assert first.self_closing and second.self_closing and not third.self_closing
    assert UGLY[third.start : third.end] == b"<Track></Track>"
    assert UGLY[name.start_end : name.end_start].decode() == "Bass &amp; 低音"
    assert name.text == "Bass & 低音"
    assert document.root.get("name") == "a > b > c"
    assert UGLY[document.root.end_start : document.root.end] == b"</Project >"
    assert [each.name for each in document.root.walk()] == ["Project"] + 3 * ["Track"] + ["Name"]
    assert document.root.child("Name") is name and name.child("Name", "Name") is None


def test_only_the_attribute_changes() -> None:
    document = Document.parse(UGLY)
    first, second, third, _ = document.root.children
    document.set_attribute(first, "comment", 'x\ny\nours "&"')
    document.set_attribute(second, "name", 'it\'s "hi"')
    document.set_attribute(third, "color", "#ff0000")
    expected = UGLY.replace(b'"x&#10;y"', b'"x&#10;y&#10;ours &quot;&amp;&quot;"')
    expected = expected.replace(b"""'say "hi"'""", b"""'it&apos;s "hi"'""")
    expected = expected.replace(b"<Track></Track>", b'<Track color="#ff0000"></Track>')
    assert document.edited() == expected


def test_text_behind_the_users_and_out_again_is_the_same_bytes() -> None:
    source = b"<a c='1&#x26;2&#x0A;&lt;&#228;' d=\"4\"/>"
    document = Document.parse(source)
    users = document.root.get("c")
    assert users == "1&2\n<ä"
    document.set_attribute(document.root, "c", users + "\n[ours]")
    there = document.edited()
    assert there == source.replace(b"&#228;", b"&#228;&#10;[ours]")
    back = Document.parse(there)
    back.set_attribute(back.root, "c", users)
    assert back.edited() == source


def test_an_attribute_added_and_removed_is_the_same_bytes() -> None:
    for source in (b"<a/>", b"<a />", b"<a\n b='1'\n/>", b"<a  b = '1' ></a>", b"<a></a >"):
        document = Document.parse(source)
        document.set_attribute(document.root, "c", "\t<ours>\r\n")
        there = document.edited()
        assert ElementTree.fromstring(there).get("c") == "\t<ours>\r\n"
        back = Document.parse(there)
        back.remove_attribute(back.root, "c")
        back.remove_attribute(back.root, "never there")
        assert back.edited() == source


def test_inserting_keeps_the_order_of_the_calls() -> None:
    document = Document.parse(b"<a><b/><c></c>\n</a>")
    root = document.root
    b, c = root.children
    document.insert(root, b"<l1/>")
    document.insert(root, b"<f/>", first=True)
    document.insert(root, b"\n<l2/>")
    document.insert(root, b"<y/>", before=c)
    document.insert(root, b"<z/>", after=b)
    document.insert(b, b"<in/>")
    document.insert(c, b"text &amp; <in/>")
    assert document.edited() == (
        b"<a><f/><b><in/></b><y/><z/><c>text &amp; <in/></c>\n<l1/>\n<l2/></a>"
    )


def test_removing_with_its_indentation() -> None:
    document = Document.parse(b"<a>\r\n\t<b x='1'><c/></b>\r\n\t<d/>\r\n</a>")
    b, d = document.root.children
    document.remove(b, space_before=True)
    document.set_attribute(b.children[0], "y", "dropped")
    document.set_attribute(b, "x", "dropped")
    document.remove(b.children[0])
    document.insert(document.root, b"<e/>", before=b)
    document.insert(document.root, b"<f/>", after=b)
    document.set_attribute(d, "x", "kept")
    assert document.edited() == b'<a><e/><f/>\r\n\t<d x="kept"/>\r\n</a>'


def test_emptying() -> None:
    document = Document.parse(b"<a><b x='1' ><c/>\n</b><d/><e></e></a>")
    b, d, e = document.root.children
    for element in (b, d, e):
        document.empty(element)
    document.set_attribute(b, "y", "2")
    document.remove(b.children[0], space_before=True)
    document.insert(b, b"<dropped/>")
    assert document.edited() == b"<a><b x='1' y=\"2\" /><d/><e/></a>"


def test_text() -> None:
    document = Document.parse(b"<a><b/><c>old</c><d><e/></d></a>")
    b, c, d = document.root.children
    document.set_text(b, "x < y")
    document.set_text(c, "]]>")
    assert document.edited() == b"<a><b>x &lt; y</b><c>]]&gt;</c><d><e/></d></a>"
    with pytest.raises(ValueError, match="has children"):
        document.set_text(d, "")


def test_what_xml_does_not_know_is_marked() -> None:
    document = Document.parse(b"<a/>")
    document.set_attribute(document.root, "n", "bell\x07 \ud800 \uffff 🎸")
    edited = ElementTree.fromstring(document.edited())
    assert edited.get("n") == "bell\ufffd \ufffd \ufffd 🎸"


def test_programming_errors() -> None:
    document = Document.parse(b"<a><b/></a>")
    with pytest.raises(ValueError, match="not well-formed"):
        document.insert(document.root, b"</a><b>")
    with pytest.raises(ValueError, match="is not in"):
        document.insert(document.root.children[0], b"<x/>", before=document.root.children[0])
    with pytest.raises(ValueError, match="root"):
        document.remove(document.root)


BOMB = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;">]><a x="&c;"/>'


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is not XML"),
        (b"<a>", "is not XML"),
        (b"<a><b></a></b>", "is not XML"),
        (b"<a>\xff</a>", "is not XML"),
        (b"<a x='&unknown;'/>", "is not XML"),
        (b"\x1f\x8b\x08\x00", "is not XML|UTF-16"),
        (BOMB, "DTD"),
        (b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "DTD"),
        ("<?xml version='1.0'?><a/>".encode("utf-16"), "UTF-16"),
        ("<a/>".encode("utf-16-le"), "UTF-16"),
        (b"<?xml version='1.0' encoding='ISO-8859-1'?><a n='\xfc'/>", "ISO-8859-1"),
        (b"<?xml version='1.0' encoding='klingon'?><a/>", "klingon"),
        (b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1), "deep"),
    ],
)
def test_what_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(StemlensError, match=says) as caught:
        Document.parse(data, "project.xml")
    assert caught.value.code == "project_invalid"
    assert caught.value.message.startswith("project.xml ")


def test_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stemlens_bridge.xmlsplice.MAX_ELEMENTS", 10)
    with pytest.raises(StemlensError, match="more than 10 elements"):
        Document.parse(b"<a>" + 10 * b"<b/>" + b"</a>")
    monkeypatch.setattr("stemlens_bridge.xmlsplice.MAX_BYTES", 2**20)
    with pytest.raises(StemlensError, match="larger than 1 MiB"):
        Document.parse(b"<a>" + b" " * 2**20 + b"</a>")


NAMES = st.sampled_from(["a", "Track", "näme", "x:y"])
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"])
    | st.sampled_from("\n\r\t&<'\"")
)
OTHER = ["\n  ", "text &amp; more", "<!-- <x> -->", "<![CDATA[</x>]]>", "<?p >?>"]


@st.composite
def sources(draw: st.DrawFn, depth: int = 3) -> str:
    """An element's source, in as many ways of writing one as there are."""
    name = draw(NAMES.filter(lambda name: ":" not in name))
    tag = "<" + name
    for key in draw(st.lists(st.sampled_from(["id", "comment", "n"]), unique=True)):
        quote = draw(st.sampled_from("'\""))
        value = draw(TEXTS).replace("&", "&#38;").replace("<", "&lt;")
        value = value.replace(quote, "&quot;" if quote == '"' else "&#x27;")
        space = draw(st.sampled_from([" ", "\r\n\t", "  "]))
        tag += f"{space}{key}{draw(st.sampled_from(['=', ' = ']))}{quote}{value}{quote}"
    tag += draw(st.sampled_from(["", " ", "\n"]))
    if depth == 0 or draw(st.booleans()):
        return tag + draw(st.sampled_from(["/>", f"></{name}>", f"></{name} >"]))
    inner = draw(
        st.lists(
            sources(depth=depth - 1)
            | st.sampled_from(
                ["\n  ", "text &amp; more", "<!-- <x> -->", "<![CDATA[</x>]]>", "<?p >?>"]
            )
        )
    )
    return f"{tag}>{''.join(inner)}</{name}>"


HEADS = st.sampled_from(
    ["", "\ufeff", "<?xml version='1.0'?>\n", '\ufeff<?xml version="1.0" encoding="utf-8"?>\r\n']
)


@given(sources(), HEADS, st.data())
@settings(max_examples=30)
def test_edits_are_those_of_a_tree(source: str, head: str, data: st.DataObject) -> None:
    original = (head + source).encode()
    document, tree = Document.parse(original), ElementTree.fromstring(original)
    assert document.edited() == original
    assert plain(document.root) == of_etree(tree)
    pairs = list(zip(document.root.walk(), tree.iter(), strict=True))
    parents = {child: parent for parent in tree.iter() for child in parent}
    gone: set[ElementTree.Element] = set()
    undo: list[tuple[int, str, str | None]] = []
    for at, (own, theirs) in enumerate(pairs):
        if own.parent is not None and data.draw(st.integers(0, 9)) == 0:
            document.remove(own, space_before=data.draw(st.booleans()))
            gone.add(theirs)
        for key in data.draw(st.lists(st.sampled_from(["id", "comment", "new"]), unique=True)):
            undo.append((at, key, own.get(key)))
            if data.draw(st.booleans()):
                value = data.draw(TEXTS)
                document.set_attribute(own, key, value)
                theirs.set(key, value)
            else:
                document.remove_attribute(own, key)
                theirs.attrib.pop(key, None)
        for _ in range(data.draw(st.integers(0, 2))):
            document.insert(own, b"\n<Marker n='1'/>")
            theirs.append(ElementTree.Element("Marker", {"n": "1"}))
    for element in gone:
        parents[element].remove(element)
    edited = document.edited()
    assert plain(Document.parse(edited).root) == of_etree(tree)
    assert of_etree(ElementTree.fromstring(edited)) == of_etree(tree)
    assert re.match(rb"(\xef\xbb\xbf)?(<\?xml.*?\?>\r?\n)?", edited)[0] == head.encode()  # type: ignore[index]
