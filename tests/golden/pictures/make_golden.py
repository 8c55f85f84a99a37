#!/usr/bin/env python3
"""Archives of pictures as other programs write them: Python's tarfile and zipfile. tests/unit/test_pictures.c reads them.

usage: python3 make_golden.py [folder for the archives: this one]

Written with Python 3.11. Pictures are 2 x 2, grey, of one value each, written with zlib and struct alone.
"""
import io, json, os, struct, sys, tarfile, zipfile, zlib


def png(value):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = bytes([0, value, value]) * 2
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def text(words):
    return words.encode()


# WebDataset: files of one stem stand side by side.
webdataset = [
    ("train/000.png", png(10)), ("train/000.txt", text("a small cat\nmore about it\n")), ("train/000.cls", text("3\n")),
    ("train/001.cls", text("5")), ("train/001.json", text(json.dumps({"text": "ein H\u00fcndchen"}))),
    ("train/001.png", png(11)),
    ("train/002.txt", text("words without a picture")),
    ("train/003.left.png", png(12)), ("train/003.seg.png", png(99)), ("train/003.txt", text("two pictures, the first counts")),
    ("train/notes.md", text("no picture")),
    ("val/000.json", text(json.dumps({"caption": "from json", "label": 7, "split": "train"}))), ("val/000.png", png(13)),
    ("val/001.png", png(14)), ("val/001.txt", b""),
]
# Folders in an archive, with what a Mac leaves in it.
folders = [
    ("set/cats/a.png", png(20)), ("set/cats/a.txt", text("a cat")), ("set/dogs/b.png", png(21)),
    ("__MACOSX/set/cats/._a.png", png(98)), ("set/.hidden.png", png(97)), ("set/test/dogs/c.png", png(22)),
]


def write_tar(path, files, mode):
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as out:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 0
            out.addfile(info, io.BytesIO(data))


def write_zip(path, files, method):
    with zipfile.ZipFile(path, "w", method) as out:
        out.writestr(zipfile.ZipInfo("set/"), b"")
        for name, data in files:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            out.writestr(info, data)


where = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
write_tar(os.path.join(where, "webdataset.tar.xz"), webdataset, "w:xz")
write_zip(os.path.join(where, "webdataset.zip"), webdataset, zipfile.ZIP_DEFLATED)
write_zip(os.path.join(where, "folders.zip"), folders, zipfile.ZIP_STORED)
