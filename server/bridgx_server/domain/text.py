"""Which characters a text from outside may have: those that a reader can see.

Two names that look alike and differ in an invisible character are two clusters for us and one for the person who shrinks
them; a bidirectional override makes a name read as another; a NUL byte is an error in PostgreSQL.
"""

from __future__ import annotations

import unicodedata

# Cc: control. Cf: bidirectional marks, zero-width spaces and joiners, soft hyphens, tags. Zl, Zp: line and paragraph separators.
# Cs: halves of surrogate pairs, which no UTF-8 text has.
_REFUSED = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})
# Of other categories, and without a shape either: the default ignorable code points of the Unicode character database, but for
# the variation selectors, which emoji have.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")


def unreadable(text: str, *, formats: bool = False) -> str:
    """The first character that a name may not have, as ``U+202E RIGHT-TO-LEFT OVERRIDE``; empty where there is none.

    ``formats`` allows those of Unicode's category Cf, which emoji and some scripts join letters with.
    """
    # isprintable says no to all of _REFUSED, and to some that are fine, such as letters newer than this interpreter.
    if text.isprintable() and _INVISIBLE.isdisjoint(text):
        return ""
    for character in text:
        if _is_refused(character) and not (formats and _joins(character)):
            return f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()
    return ""


def visible(text: str) -> str:
    """The text with an escape, such as ``\\u202e``, for each character that :func:`unreadable` would name."""
    if not unreadable(text):
        return text
    return "".join(
        character.encode("unicode_escape").decode("ascii") if _is_refused(character) else character
        for character in text
    )


def _is_refused(character: str) -> bool:
    return character in _INVISIBLE or unicodedata.category(character) in _REFUSED


def _joins(character: str) -> bool:
    return character in _INVISIBLE or unicodedata.category(character) == "Cf"
