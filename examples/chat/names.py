"""Names of people and rooms: which are accepted, and which of them look the same."""

from __future__ import annotations

from unicodedata import category, combining, normalize

MAX_NAME = 20  # characters, as a reader counts them
MAX_CODE_POINTS = 10 * MAX_NAME  # one emoji of a family with skin tones has ten
ZWJ = "\u200d"  # joins emoji, and letters in some scripts
JOINERS = {ZWJ, "\u200c", *map(chr, range(0xE0020, 0xE0080))}  # the last ones are in flags
HIDDEN = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}  # controls, directions, private use, halves
# Thai and Lao vowels that a browser counts with the consonant before them.
TRAILING = {"\u0e33", "\u0eb3"}


class BadName(ValueError):
    """Says in its message, which is for the page, what is wrong with a name."""


def clean_name(name: object, what: str, least: int = 1) -> str:
    """Return an untrusted name on one line.

    Args:
        name: What a client has sent.
        what: What it names, for the message.
        least: How many characters it has at least.

    Raises:
        BadName: It is too short or too long, or has characters that cannot be seen.
    """
    if not isinstance(name, str) or len(name) > 2 * MAX_CODE_POINTS:
        name = ""
    tidy = normalize("NFC", " ".join(name.replace("#", " ").split()))
    if any(category(letter) in HIDDEN and letter not in JOINERS for letter in tidy):
        raise BadName(f"{what} consists of characters that can be seen.")
    visible = any(category(letter)[0] in "LNPS" for letter in tidy)
    fits = least <= characters(tidy) <= MAX_NAME and len(tidy) <= MAX_CODE_POINTS
    if not visible or not fits:
        raise BadName(f"{what} has {least} to {MAX_NAME} characters.")
    return tidy


def characters(text: str) -> int:
    """Count the characters of a text as a reader does.

    A flag, an emoji that is joined from others or has a skin tone, and a letter with its accents
    are one character each. Counts no more than the browser's Intl.Segmenter.
    """
    count, before, flag = 0, "", False
    for letter in text:
        regional = "\U0001f1e6" <= letter <= "\U0001f1ff"
        second = regional and flag
        if not before or not (second or continues(before, letter)):
            count += 1
        flag = regional and not second
        before = letter
    return count


def continues(before: str, letter: str) -> bool:
    """Whether a letter belongs to the character that the one before it is part of."""
    return (
        before == ZWJ
        or combining(before) == 9  # a virama: the next consonant joins
        or letter in JOINERS
        or letter in TRAILING
        or category(letter) in ("Mn", "Mc", "Me")
        or "\U0001f3fb" <= letter <= "\U0001f3ff"  # skin tones
    )


def look(name: str) -> str:
    """Return a name in the form in which names are compared: case and joiners do not count."""
    plain = normalize("NFKC", name).casefold()
    return "".join(letter for letter in plain if letter not in JOINERS and letter != "\ufe0f")
