"""Functions for an enclosed process: what it may do with its own folder, and how it may end."""

import os
import tempfile
import time

import numpy as np


def write(fields, arrays):
    """Uses the folder that it was given, then tries the same elsewhere."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a")
        with open(path, "wb") as stream:
            stream.write(arrays["content"].tobytes())
        os.rename(path, path + "2")
        with open(path + "2", "rb") as stream:
            back = stream.read()
    outside = []
    for name in fields["elsewhere"]:
        try:
            with open(os.path.join(name, "made"), "wb"):
                outside.append(name)
        except OSError:
            pass
        try:
            os.mkdir(os.path.join(name, "folder"))
            outside.append(name)
        except OSError:
            pass
    links = 0
    for make in (os.symlink, os.link):
        try:
            make(__file__, os.path.join(tempfile.gettempdir(), "link"))
            links += 1
        except OSError:
            pass
    return {"outside": outside, "links": links, "home": os.environ.get("HOME")}, {
        "back": np.frombuffer(back, dtype=np.uint8)
    }


def fill(fields, arrays):
    """Writes until the folder is full; how many MiB that was."""
    done = 0
    try:
        for at in range(4096):
            with open(os.path.join(tempfile.gettempdir(), str(at)), "wb") as stream:
                stream.write(bytes(2**20))
            done += 1
    except OSError:
        pass
    return {"mib": done}, {}


def end(fields, arrays):
    from audit.errors import DataError, VerificationError

    how = fields["how"]
    if how == "refuse":
        raise VerificationError("pages", "it is another page", got="a", expected="b", todo="read the fresh one")
    if how == "input":
        raise DataError("the table is no table", got="a", expected="b", todo="mend it")
    if how == "raise":
        raise KeyError("x")
    if how == "crash":
        os.abort()
    if how == "hog":
        return {}, {"a": np.ones(2**34)}
    time.sleep(60)
    return {}, {}


def print_page(fields, arrays):
    """A page, as reports make them: WeasyPrint, then its text by PDFium, its fonts by pikepdf."""
    import io

    import matplotlib
    import pikepdf
    import pypdfium2
    import weasyprint

    pdf = weasyprint.HTML(string=fields["page"]).write_pdf()
    text = pypdfium2.PdfDocument(pdf)[0].get_textpage().get_text_range()
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        fonts = sorted(
            {str(o.BaseFont)[8:] for o in opened.objects if isinstance(o, pikepdf.Dictionary) and "/BaseFont" in o}
        )
    return {"text": text, "fonts": fonts, "drawing": matplotlib.get_cachedir()}, {}
