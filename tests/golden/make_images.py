#!/usr/bin/env python3
"""Makes small pictures of every kind and what Pillow makes of them, for tests/unit/test_image.c. Needs pillow, numpy,
safetensors; the versions used are in the metadata.

    python3 tests/golden/make_images.py [FOLDER]      writes tests/golden/images/{*.png,*.jpg,*.webp,values.safetensors}

Kinds that Pillow does not write are put together here (raw_png), or by libjpeg-turbo (YCCK).
values.safetensors: FILE: the decoded samples [h, w, c]; FILE.small: resized to 5 x 4 by the triangle filter.
"""
import ctypes
import ctypes.util
import struct
import sys
import zlib

import numpy
import PIL
import safetensors.numpy
from PIL import Image, ImageOps

folder = sys.argv[1] if len(sys.argv) > 1 else "tests/golden/images"
values = {}


def picture(w, h, c):
    """Slopes, a disc and an edge."""
    y, x = numpy.mgrid[0:h, 0:w]
    planes = [x * 255 // (w - 1), y * 255 // (h - 1), ((x - w / 2) ** 2 + (y - h / 2) ** 2 < (h / 3) ** 2) * 200 + 20,
              255 - (x > w // 2) * 180]
    return numpy.stack(planes[:c] if c != 2 else [planes[0], planes[3]], -1).astype(numpy.uint8)


def keep(name, decoded, small=True):
    mode = {"P": "RGBA" if "transparency" in decoded.info else "RGB", "1": "L", "I;16": "L"}.get(decoded.mode, decoded.mode)
    image = decoded.convert(mode)
    values[name] = numpy.atleast_3d(numpy.asarray(image))
    if small:
        values[name + ".small"] = numpy.atleast_3d(numpy.asarray(image.resize((5, 4), Image.BILINEAR)))


def save(name, image, **options):
    path = f"{folder}/{name}"
    image.save(path, **options)
    keep(name, ImageOps.exif_transpose(Image.open(path)))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def raw_png(name, samples, kind, extra=b"", interlaced=False):
    """samples [h, w, c] of 8 or 16 bits."""
    h, w, _ = samples.shape
    rows = b""
    for x, y, dx, dy in PASSES if interlaced else ((0, 0, 1, 1),):
        part = samples[y::dy, x::dx]
        rows += b"".join(b"\0" + row.tobytes() for row in part.astype(part.dtype.newbyteorder(">"))) if part.size else b""
    header = struct.pack(">IIBBBBB", w, h, 8 * samples.dtype.itemsize, kind, 0, 0, interlaced)
    with open(f"{folder}/{name}", "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) +
                chunk(b"IEND", b""))


def raw_pngs():
    def wide(c):
        eight = picture(17, 13, c)
        return (eight.astype(numpy.uint16) * 257 - 100 * (eight > 0)).astype(numpy.uint16)

    for name, c, kind in (("rgb16.png", 3, 2), ("la16.png", 2, 4), ("rgba16.png", 4, 6)):
        raw_png(name, wide(c), kind)
        values[name] = numpy.round(wide(c) / 257.0).astype(numpy.uint8)
    for name, c, kind in (("interlaced.png", 4, 6), ("interlaced-l.png", 1, 0)):
        raw_png(name, picture(17, 13, c), kind, interlaced=True)
        keep(name, Image.open(f"{folder}/{name}"))
    raw_png("interlaced-tiny.png", picture(17, 13, 3)[:1, :2], 2, interlaced=True)
    keep("interlaced-tiny.png", Image.open(f"{folder}/interlaced-tiny.png"), small=False)
    for name, c, kind, alpha in (("transparent-l.png", 1, 0, "LA"), ("transparent-rgb.png", 3, 2, "RGBA")):
        samples = picture(17, 13, c)
        raw_png(name, samples, kind, chunk(b"tRNS", b"".join(bytes((0, v)) for v in samples[5, 7])))
        values[name] = numpy.asarray(Image.open(f"{folder}/{name}").convert(alpha))


def ycck(name, cmyk):
    """libjpeg-turbo's own interface makes YCCK of CMYK, always."""
    jpeg = ctypes.CDLL(ctypes.util.find_library("turbojpeg"))
    jpeg.tjInitCompress.restype = ctypes.c_void_p
    pixels = (255 - numpy.asarray(cmyk)).tobytes()  # inverted, as Adobe does
    out, size = ctypes.c_void_p(), ctypes.c_ulong()
    if jpeg.tjCompress2(ctypes.c_void_p(jpeg.tjInitCompress()), pixels, cmyk.width, 0, cmyk.height, 11,
                        ctypes.byref(out), ctypes.byref(size), 0, 90, 0):
        raise SystemExit("no YCCK")
    with open(f"{folder}/{name}", "wb") as f:
        f.write(ctypes.string_at(out.value, size.value))
    keep_cmyk(name)


def keep_cmyk(name):
    values[name] = numpy.asarray(Image.open(f"{folder}/{name}").convert("RGB"))


def printers():
    cmyk = Image.fromarray(picture(17, 13, 4), "CMYK")
    for name, options in (("cmyk.jpg", {}), ("cmyk-progressive.jpg", {"progressive": True})):
        cmyk.save(f"{folder}/{name}", quality=90, **options)
        keep_cmyk(name)
    ycck("ycck.jpg", cmyk)


def main():
    for mode, c in (("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4)):
        save(f"{mode.lower()}.png", Image.fromarray(picture(17, 13, c).squeeze()))
    rgb, rgba = Image.fromarray(picture(17, 13, 3)), Image.fromarray(picture(17, 13, 4))
    save("palette.png", rgb.quantize(12))
    save("transparent.png", rgb.quantize(8), transparency=3)
    save("bits.png", Image.fromarray(picture(17, 13, 1)[..., 0]).convert("1"))
    wide = picture(17, 13, 1)[..., 0].astype(numpy.uint16) * 257 - 100 * (picture(17, 13, 1)[..., 0] > 0)
    Image.fromarray(wide.astype(numpy.uint16)).save(f"{folder}/deep.png")
    values["deep.png"] = numpy.round(wide / 257.0).astype(numpy.uint8)[..., None]
    for quality, options in (("plain", {}), ("progressive", {"progressive": True, "subsampling": 2})):
        save(f"{quality}.jpg", rgb, quality=90, **options)
    save("grey.jpg", Image.fromarray(picture(17, 13, 1)[..., 0]), quality=90)
    for turn in (3, 6, 7, 8):
        exif = Image.Exif()
        exif[0x0112] = turn
        save(f"turned{turn}.jpg", rgb, quality=90, exif=exif)
    save("lossy.webp", rgb, quality=80)
    save("lossless.webp", rgba, lossless=True, exact=True)
    rgb.save(f"{folder}/moving.webp", lossless=True, save_all=True, append_images=[rgb.rotate(90, expand=False)])
    raw_pngs()
    printers()
    safetensors.numpy.save_file({k: numpy.ascontiguousarray(v) for k, v in values.items()},
                                f"{folder}/values.safetensors", metadata={"pillow": PIL.__version__})


main()
