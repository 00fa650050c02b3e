"""Folders of PNG and JPEG files as arrays, and arrays of images at another size."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from simulacra.data.arrays import Raw, layout_of, to_dtype
from simulacra.data.images.idx import read_cifar_folder, read_idx_folder
from simulacra.errors import SimulacraError

if TYPE_CHECKING:
    from simulacra.data.images.codec import Codec

_SUFFIXES = (".png", ".jpg", ".jpeg")
_TEST_FOLDERS = ("test", "holdout")


def read_folder(folder: Path, size: int | None, strict: bool) -> Raw:
    """Images in a folder, in the order of their names; class sub-folders become labels.

    Files may lie at any depth below a class folder; names that begin with a dot are passed over. A folder that holds
    "train" and "test" (or "holdout") alone is a published split. IDX files and the binary version of CIFAR-10 will do
    in place of pictures.

    All pictures come out alike: grey uint8 (n, h, w) where every one is grey, with grey stored as colour counting as
    grey; else RGB (n, h, w, 3); else RGBA (n, h, w, 4) where one has a pixel that is not opaque. Grey of 16 bits stays
    uint16 where every one is so. Pictures are turned upright as their EXIF data say.

    Args:
        folder: Where to look.
        size: Crop to the central square and resize to size x size pixels; None to leave them.
        strict: Refuse a file that cannot be read; else it is skipped and named in the notes.

    Raises:
        SimulacraError: No image, images of different sizes, images beside class folders, or (strict) a damaged file.
    """
    raw = read_idx_folder(folder) or read_cifar_folder(folder)
    if raw is not None:
        return raw
    subfolders = {path.name: path for path in _visible(folder) if path.is_dir()}
    test = next((subfolders[name] for name in _TEST_FOLDERS if subfolders.keys() == {"train", name}), None)
    if test is None:
        files, labels, classes = _labelled_files(folder)
        images, kept, notes = _decode(files, folder, size, strict)
        ids = None if labels is None else labels[kept.index]
        return Raw(_stack(images, kept, folder), ids, classes=classes, notes=notes)
    files, labels, classes = _labelled_files(subfolders["train"])
    more_files, more_labels, more_classes = _labelled_files(test)
    if classes != more_classes:
        raise SimulacraError(f"{folder}: the classes in train and {test.name} differ: give both the same sub-folders")
    images, kept, notes = _decode([*files, *more_files], folder, size, strict)
    values = _stack(images, kept, folder)
    cut = int(np.searchsorted(kept.index, len(files)))
    if labels is None or more_labels is None:
        return Raw(values[:cut], None, values[cut:], notes=notes)
    ids = np.concatenate([labels, more_labels])[kept.index]
    return Raw(values[:cut], ids[:cut], values[cut:], ids[cut:], classes, notes)


def resize(values: np.ndarray, size: int) -> np.ndarray:
    """Images cropped to their central square and resized to size x size pixels by Lanczos, dtype and layout kept.

    Args:
        values: Images (n, h, w), (n, h, w, channels) or (n, channels, h, w).
        size: Pixels along each side of what comes out.
    """
    layout = layout_of(values.shape)
    height, width = values.shape[2:4] if layout == "nchw" else values.shape[1:3]
    if height == width == size:
        return values
    if layout == "nchw":
        return np.ascontiguousarray(resize(values.transpose(0, 2, 3, 1), size).transpose(0, 3, 1, 2))
    out = np.empty((len(values), size, size, *values.shape[3:]), values.dtype)
    for i, image in enumerate(values):
        out[i] = _square(image, size)
    return out


class _Kept:
    """Which of the files were read: their places in the list, (n,), and their paths."""

    def __init__(self, files: list[Path], index: list[int]):
        self.index = np.array(index, dtype=np.int64)
        self.files = [files[i] for i in index]


def read_example(path: Path, codec: Codec) -> np.ndarray:
    """One picture as a model's data came in: its dtype, range, layout; shape of one example.

    Raises:
        SimulacraError: If it cannot be read, or is of another size or in colours that the model does not know.
    """
    pixels = _read_one(path)
    channels, height, width = codec.space.shape
    if pixels.shape[:2] != (height, width):
        raise SimulacraError(
            f"{path}: {pixels.shape[0]} x {pixels.shape[1]} pixels, height x width; the model learned "
            f"{height} x {width}: resize it"
        )
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    deep = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    if channels < 4 and _is_translucent(deep):
        raise SimulacraError(f"{path}: is translucent, and the model learned opaque pictures: save it without alpha")
    if channels == 1 and not _is_grey(deep[..., :3]):
        raise SimulacraError(f"{path}: has colours, and the model learned grey pictures: save it as greyscale")
    if deep.shape[2] < channels:
        deep = np.concatenate([deep, np.full((height, width, 1), 255, np.uint8)], axis=2)
    scaled = codec.low + deep[..., :channels].astype(np.float64) * ((codec.high - codec.low) / 255)
    values = to_dtype(scaled, codec.dtype)
    if codec.layout == "nchw":
        return np.moveaxis(values, 2, 0)
    return values[..., 0] if codec.layout == "nhw" else values


def read_mask(path: Path, codec: Codec) -> np.ndarray:
    """A picture as a hole: True where it is lighter than middle grey, bool (height, width).

    Raises:
        SimulacraError: If it cannot be read, or is of another size than the model's pictures.
    """
    pixels = _read_one(path)
    if pixels.shape[:2] != codec.space.shape[1:]:
        height, width = codec.space.shape[1:]
        raise SimulacraError(
            f"{path}: a mask of {pixels.shape[0]} x {pixels.shape[1]} pixels, height x width; the model learned "
            f"{height} x {width}: resize it"
        )
    light = pixels if pixels.ndim == 2 else pixels[..., :3].mean(axis=2)
    return light > np.iinfo(pixels.dtype).max / 2


def _read_one(path: Path) -> np.ndarray:
    if not path.is_file():
        raise SimulacraError(f"{path}: no such file; name a PNG or JPEG picture")
    try:
        return _read_picture(path, None)
    except Exception as error:  # Pillow raises its own for each way in which a file is damaged
        raise SimulacraError(f"{path}: not readable as PNG or JPEG ({error}); name another picture") from error


def _visible(folder: Path) -> list[Path]:
    """What lies in a folder, in the order of names, without hidden files."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise SimulacraError(f"{folder} cannot be read ({error.strerror}): check its permissions") from None


def _pictures(folder: Path) -> list[Path]:
    """All PNG and JPEG files in a folder and below it, in a fixed order."""
    found = []
    for path in _visible(folder):
        if path.is_dir():
            found += _pictures(path)
        elif path.suffix.lower() in _SUFFIXES:
            found.append(path)
    return found


def _labelled_files(folder: Path) -> tuple[list[Path], np.ndarray | None, tuple[str, ...]]:
    """Pictures, class ids (n,) if there are at least two class folders, and the names of the classes."""
    loose, by_class = [], {}
    for path in _visible(folder):
        if path.is_dir():
            if pictures := _pictures(path):
                by_class[path.name] = pictures
        elif path.suffix.lower() in _SUFFIXES:
            loose.append(path)
    if loose and by_class:
        raise SimulacraError(
            f"{folder} holds {len(loose):,} images beside {len(by_class):,} folders of images: move them into class "
            "folders, or all into one"
        )
    if len(by_class) == 1:  # a lone folder tells nothing apart; the classes may lie in it
        return _labelled_files(folder / next(iter(by_class)))
    files = loose or [path for pictures in by_class.values() for path in pictures]
    if not files:
        raise SimulacraError(f"{folder} holds no PNG, JPEG or IDX file: pass a folder of images")
    if len(by_class) < 2:
        return files, None, ()
    labels = np.repeat(np.arange(len(by_class)), [len(pictures) for pictures in by_class.values()])
    return files, labels, tuple(by_class)


def _decode(
    files: list[Path], folder: Path, size: int | None, strict: bool
) -> tuple[list[np.ndarray | None], _Kept, tuple[str, ...]]:
    """Images, which files they are, and a note on files that were skipped."""

    def read(path: Path) -> np.ndarray | str:
        try:
            return _read_picture(path, size)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            return f"more than {Image.MAX_IMAGE_PIXELS or 0:,} pixels"
        except Exception as error:  # Pillow's decoders raise nearly anything on damaged bytes
            return "truncated" if "truncated" in str(error).lower() else "not readable as an image"

    with warnings.catch_warnings():
        # Set here and not in each thread: the filters are the process's, and so would race.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            results = []
            for path, result in zip(files, pool.map(read, files), strict=True):
                if strict and isinstance(result, str):
                    pool.shutdown(cancel_futures=True)
                    raise SimulacraError(f"{path}: {result}: replace or remove it, or load without strict to skip it")
                results.append(result)
    bad = [(path, result) for path, result in zip(files, results, strict=True) if isinstance(result, str)]
    index = [i for i, result in enumerate(results) if not isinstance(result, str)]
    if not index:
        raise SimulacraError(f"{folder}: none of {len(files):,} images can be read ({bad[0][0].name}: {bad[0][1]})")
    notes = ()
    if bad:
        named = ", ".join(f"{path.relative_to(folder)} ({reason})" for path, reason in bad[:5])
        more = f" and {len(bad) - 5:,} more" if len(bad) > 5 else ""
        notes = (f"{len(bad):,} of {len(files):,} files skipped: {named}{more}",)
    return [results[i] for i in index], _Kept(files, index), notes


def _read_picture(path: Path, size: int | None) -> np.ndarray:
    """One file as uint8 (h, w), (h, w, 3) or (h, w, 4), or uint16 (h, w)."""
    with Image.open(path, formats=("PNG", "JPEG")) as image:
        if size is not None:
            # A JPEG can be decoded at a fraction of its size; four times what is wanted leaves Lanczos its due.
            image.draft(image.mode, (4 * size, 4 * size))
        image.load()
        upright = ImageOps.exif_transpose(image)
        alpha = "A" in upright.getbands() or "transparency" in upright.info
        if upright.mode.startswith("I"):
            pixels = np.asarray(upright).astype(np.uint16)
        elif alpha:
            pixels = np.asarray(upright.convert("RGBA"))
        else:
            pixels = np.asarray(upright.convert("L" if upright.mode in ("1", "L") else "RGB"))
    return pixels if size is None else _square(pixels, size)


def _square(image: np.ndarray, size: int) -> np.ndarray:
    """One image (h, w) or (h, w, channels), its central square at size x size, in its dtype."""
    height, width = image.shape[:2]
    if height == width == size:
        return image
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    image = image[top : top + side, left : left + side]
    if side == size:
        return image
    if image.dtype == np.uint8 and (image.ndim == 2 or image.shape[2] in (3, 4)):
        return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize((size, size), Image.Resampling.LANCZOS))
    planes = np.ascontiguousarray(np.moveaxis(image.astype(np.float32).reshape(side, side, -1), 2, 0))
    small = [np.asarray(Image.fromarray(plane).resize((size, size), Image.Resampling.LANCZOS)) for plane in planes]
    # Lanczos overshoots at edges, out of the range that the pixels came in.
    resized = np.clip(np.stack(small, axis=-1), planes.min(), planes.max())
    return to_dtype(resized.reshape(size, size, *image.shape[2:]), image.dtype)


def _stack(images: list[np.ndarray | None], kept: _Kept, folder: Path) -> np.ndarray:
    """All images in one array with as few channels as hold them all; empties the list, to halve the memory."""
    shapes = [image.shape for image in images if image is not None]
    sizes = Counter(shape[:2] for shape in shapes)
    if len(sizes) > 1:
        most = ", ".join(f"{h} x {w} ({count:,})" for (h, w), count in sizes.most_common(3))
        most += ", ..." if len(sizes) > 3 else ""
        usual = sizes.most_common(1)[0][0]
        odd = next(path for path, shape in zip(kept.files, shapes, strict=True) if shape[:2] != usual)
        raise SimulacraError(
            f"{folder}: images of {len(sizes)} different sizes, height x width {most}, such as "
            f"{odd.name}: crop and resize all of them with --size N (size=N in Python)"
        )
    clear = any(_is_translucent(image) for image in images if image is not None)
    grey = not clear and all(_is_grey(image) for image in images if image is not None)
    deep = grey and all(image.dtype == np.uint16 for image in images if image is not None)
    depth = 4 if clear else 3
    out = np.empty((len(images), *shapes[0][:2], *(() if grey else (depth,))), np.uint16 if deep else np.uint8)
    for i, image in enumerate(images):
        assert image is not None
        images[i] = None
        if image.dtype == np.uint16 and not deep:
            image = (image >> 8).astype(np.uint8)
        if grey:
            out[i] = image if image.ndim == 2 else image[:, :, 0]
        elif image.ndim == 2:
            out[i] = 255
            out[i, :, :, :3] = image[:, :, None]
        else:
            channels = min(image.shape[2], depth)
            out[i, :, :, channels:] = 255
            out[i, :, :, :channels] = image[:, :, :channels]
    return out


def _is_translucent(image: np.ndarray) -> bool:
    return image.ndim == 3 and image.shape[2] == 4 and bool((image[:, :, 3] != 255).any())


def _is_grey(image: np.ndarray) -> bool:
    """Whether an image without translucent pixels has no colour."""
    if image.ndim == 2:
        return True
    return bool((image[:, :, 0] == image[:, :, 1]).all() and (image[:, :, 1] == image[:, :, 2]).all())
