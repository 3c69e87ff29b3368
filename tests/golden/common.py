"""Numbers that Python and C make alike (tests/golden.h), so that the committed files hold results only."""


def number(stream, i):
    """In [-2, 2), exact in a float."""
    h = (stream * 2654435761 + i * 2246822519 + 12345) & 0xffffffff
    h = ((h ^ (h >> 15)) * 2654435761) & 0xffffffff
    h = ((h ^ (h >> 13)) * 3266489917) & 0xffffffff
    return ((h ^ (h >> 16)) >> 8) / 4194304.0 - 2.0


def text(v):
    return "%.9g" % v
