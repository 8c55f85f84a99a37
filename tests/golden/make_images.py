#!/usr/bin/env python3
"""Makes small pictures of every kind and what Pillow makes of them, for tests/unit/test_image.c. Needs pillow, numpy,
safetensors; the versions used are in the metadata.

    python3 tests/golden/make_images.py [FOLDER]      writes tests/golden/images/{*.png,*.jpg,*.webp,values.safetensors}

values.safetensors: FILE: the decoded samples [h, w, c]; FILE.small: resized to 5 x 4 by the triangle filter.
"""
import sys

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
    safetensors.numpy.save_file({k: numpy.ascontiguousarray(v) for k, v in values.items()},
                                f"{folder}/values.safetensors", metadata={"pillow": PIL.__version__})


main()
