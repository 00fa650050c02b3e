"""Files of strangers: what is wrong with them is said, nothing is unpacked unmeasured, and no walk goes in circles."""

import gzip
import io
import os
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from simulacra.data import kind_of, load
from simulacra.data.images import decoding
from simulacra.data.images.decoding import read_one
from simulacra.errors import SimulacraError


def pictures(n=12, *shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *(shape or (9, 8))), dtype=np.uint8)


def save_all(folder, images, suffix=".png", **options):
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(images):
        picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
        picture.save(folder / f"{i:03d}{suffix}", **options)
    return folder


def every(data):
    return ordered(np.concatenate([data.train.values, data.holdout.values]))


def ordered(values):
    return values[np.lexsort(values.reshape(len(values), -1).T)]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, *, depth=8, colour=0, extra=b"", pixels=b""):
    """A PNG of which every part may be a lie."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(pixels, 9)) + chunk(b"IEND", b"")


def rows(images):
    """Scan lines of one image, each with filter 0."""
    return b"".join(b"\0" + row.tobytes() for row in images)


# What pictures there are, and which pixels they hold


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_every_orientation_is_turned_upright(tmp_path, orientation, suffix):
    # What the camera's row 0 and column 0 are, by the EXIF standard, as operations that undo it.
    upright = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.T,
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].T,
        8: lambda a: np.rot90(a, 1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    corner = np.zeros((16, 8), np.uint8)
    corner[:8] = np.linspace(100, 250, 8, dtype=np.uint8)[:, None]  # blocks that JPEG keeps nearly as they are
    images = [np.clip(corner + i, 0, 255).astype(np.uint8) for i in range(12)]
    options = {} if suffix == ".png" else {"quality": 100}
    data = load(save_all(tmp_path / "a", images, suffix, exif=exif, **options))
    expected = np.stack([upright(image) for image in images])
    assert data.train.values.shape[1:] == expected.shape[1:]
    assert np.abs(every(data).astype(int) - ordered(expected)).max() <= (0 if suffix == ".png" else 3)


def test_damaged_exif_leaves_the_picture_as_it_is(tmp_path):
    images = pictures()
    data = load(save_all(tmp_path / "a", images, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff nonsense"))
    np.testing.assert_array_equal(every(data), ordered(images))
    assert data.notes == ()


def test_a_palette_with_an_alpha_for_each_colour_keeps_them(tmp_path):
    palette = np.random.default_rng(0).integers(0, 256, (4, 3), dtype=np.uint8)
    alpha = np.array([0, 90, 200, 255], np.uint8)
    index = pictures() % 4
    images = []
    for one in index:
        image = Image.fromarray(one, mode="P")
        image.putpalette(palette.tobytes())
        images.append(image)
    data = load(save_all(tmp_path / "a", images, transparency=alpha.tobytes()))
    expected = np.concatenate([palette[index], alpha[index][..., None]], axis=-1)
    np.testing.assert_array_equal(every(data), ordered(expected))


def test_a_transparent_grey_or_colour_becomes_alpha(tmp_path):
    grey = pictures()
    data = load(save_all(tmp_path / "grey", grey, transparency=int(grey[0, 0, 0])))
    expected = np.repeat(grey[..., None], 4, axis=-1)
    expected[..., 3] = np.where(grey == grey[0, 0, 0], 0, 255)
    np.testing.assert_array_equal(every(data), ordered(expected))
    colour = pictures(12, 9, 8, 3)
    key = tuple(int(value) for value in colour[0, 0, 0])
    data = load(save_all(tmp_path / "colour", colour, transparency=key))
    expected = np.concatenate([colour, np.where((colour == key).all(-1, keepdims=True), 0, 255)], axis=-1)
    np.testing.assert_array_equal(every(data), ordered(expected.astype(np.uint8)))


def test_sixteen_bit_colour_keeps_its_upper_eight_bits(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (12, 9, 8, 3), dtype=np.uint16)
    for i, image in enumerate(deep):
        data = png(8, 9, depth=16, colour=2, pixels=rows(image.astype(">u2")))
        (tmp_path / f"{i}.png").write_bytes(data)
    np.testing.assert_array_equal(every(load(tmp_path)), ordered((deep >> 8).astype(np.uint8)))


def test_grey_with_alpha_keeps_both(tmp_path):
    pairs = pictures(12, 9, 8, 2)
    data = load(save_all(tmp_path / "a", [Image.fromarray(pair, mode="LA") for pair in pairs]))
    expected = np.concatenate([np.repeat(pairs[..., :1], 3, axis=-1), pairs[..., 1:]], axis=-1)
    np.testing.assert_array_equal(every(data), ordered(expected))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpegs_of_every_kind_give_their_colours(tmp_path, mode, progressive):
    flat = np.random.default_rng(0).integers(40, 215, (12, 3)).astype(np.uint8)
    if mode == "L":
        flat = np.repeat(flat[:, :1], 3, axis=1)
    images = [Image.new("RGB", (16, 16), tuple(map(int, colour))).convert(mode) for colour in flat]
    data = load(save_all(tmp_path / "a", images, ".jpeg", quality=100, progressive=progressive))
    assert data.train.values.shape[1:] == ((16, 16) if mode == "L" else (16, 16, 3))
    found = every(data).reshape(12, 256, -1)
    assert (found == found[:, :1]).all(), "a flat picture stays flat"
    expected = flat[:, :1] if mode == "L" else flat
    distance = np.abs(found[:, None, 0].astype(int) - expected[None]).max(axis=-1)
    assert distance.min(axis=0).max() <= 3


def test_a_telephones_picture_with_a_preview_behind_it_is_its_first(tmp_path):
    for i in range(12):
        first = Image.new("L", (16, 16), 20 * i)
        first.save(tmp_path / f"{i}.jpg", format="MPO", save_all=True, append_images=[Image.new("L", (8, 8), 255)])
    values = every(load(tmp_path))
    np.testing.assert_array_equal(values[:, 0, 0], 20 * np.arange(12))


def test_truncated_files_are_named_however_far_they_go(tmp_path):
    folder = save_all(tmp_path / "a", pictures(24, 40, 40))
    jpegs = save_all(tmp_path / "b", pictures(12, 40, 40), ".jpg")
    for i, share in enumerate((0.0, 0.3, 0.9)):
        path = folder / f"{i:03d}.png"
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        path = jpegs / f"{i:03d}.jpg"
        (folder / path.name).write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    data = load(folder)
    np.testing.assert_array_equal(every(data), ordered(pictures(24, 40, 40)[3:]))
    assert data.notes == (
        "6 of 27 files skipped: 000.jpg (not readable as an image), 000.png (not readable as an image), 001.jpg "
        "(truncated), 001.png (truncated), 002.jpg (truncated) and 1 more",
    )


# Bombs


def test_a_picture_is_measured_before_it_is_unpacked(tmp_path):
    folder = save_all(tmp_path / "a", pictures())
    (folder / "bomb.png").write_bytes(png(30_000, 30_000, pixels=bytes(10**6)))
    tracemalloc.start()
    data = load(folder, size=8)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "bomb.png (more than 89,478,485 pixels)" in data.notes[0]
    assert peak < 20 * 2**20
    with pytest.raises(SimulacraError, match=r"bomb\.png: .*30000 x 30000|bomb\.png: not readable as PNG"):
        read_one(folder / "bomb.png")


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_a_text_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path, kind):
    bomb = zlib.compress(bytes(64 * 2**20), 9)
    body = {b"zTXt": b"a\0\0", b"iTXt": b"a\0\1\0\0\0", b"iCCP": b"a\0\0"}[kind] + bomb
    folder = save_all(tmp_path / "a", pictures())
    whole = png(8, 9, extra=chunk(kind, body), pixels=rows(pictures(1)[0]))
    assert len(whole) < 2**17
    (folder / "bomb.png").write_bytes(whole)
    tracemalloc.start()
    data = load(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * 2**20
    assert data.notes == ("1 of 13 files skipped: bomb.png (its compressed text or colour profile is too large)",)


def test_many_texts_together_are_too_much_as_well(tmp_path):
    one = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**20 - 1), 9))
    folder = save_all(tmp_path / "a", pictures())
    (folder / "bomb.png").write_bytes(png(8, 9, extra=100 * one, pixels=rows(pictures(1)[0])))
    assert "bomb.png (its compressed text" in load(folder).notes[0]


def test_a_picture_with_more_pixels_behind_it_than_it_says_is_read_as_it_says(tmp_path):
    folder = save_all(tmp_path / "a", pictures())
    (folder / "long.png").write_bytes(png(8, 9, pixels=rows(pictures(1)[0]) + bytes(32 * 2**20)))
    tracemalloc.start()
    data = load(folder)
    assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    tracemalloc.stop()
    np.testing.assert_array_equal(every(data), ordered(np.concatenate([pictures(), pictures(1)])))


def npz(path, members, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def npy(values):
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def npy_header(shape, dtype="|u1"):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def peak_of(function, message):
    tracemalloc.start()
    with pytest.raises(SimulacraError, match=message) as caught:
        function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "\n" not in str(caught.value)
    return peak


def test_an_archive_that_unpacks_to_what_no_data_do_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr("simulacra.data.arrays.SMALL", 2**22)
    path = npz(tmp_path / "a.npz", {"x.npy": npy(np.zeros((100, 500, 500), np.uint8))})
    assert path.stat().st_size < 2**16
    assert peak_of(lambda: load(path), r"a\.npz: would unpack from 0.0 to 23.8 MB") < 2**22
    # Random pixels pack nowhere near as tight, and the same array of them is read.
    values = pictures(100, 250, 250)
    assert load(npz(tmp_path / "b.npz", {"x.npy": npy(values)})).train.values.shape == (80, 250, 250)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_header_cannot_claim_more_than_there_is(tmp_path, suffix):
    data = npy_header((10**6, 1000, 1000)) + bytes(1000)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data) if suffix == ".npy" else npz(path, {"x.npy": data})
    assert peak_of(lambda: load(path), rf"a{suffix}: damaged or cut short .*header") < 2**22


def test_an_archive_that_lies_about_its_length_is_cut_off_there(tmp_path):
    path = npz(tmp_path / "a.npz", {"x.npy": npy(np.zeros((100, 100, 100), np.uint8))})
    data = path.read_bytes()
    length = struct.pack("<I", 10**6 + 128)
    assert data.count(length) == 2
    path.write_bytes(data.replace(length, struct.pack("<I", 10**4)))
    assert peak_of(lambda: load(path), r"a\.npz: damaged or cut short") < 2**22


def test_an_archive_packed_as_numpy_never_does_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x.npy", npy(pictures()))
    with pytest.raises(SimulacraError, match="packed in a way that NumPy does not write"):
        load(tmp_path / "a.npz")


def idx_header(*shape, code=0x08):
    return struct.pack(">BBBB", 0, 0, code, len(shape)) + struct.pack(f">{len(shape)}I", *shape)


def test_a_gzip_that_goes_on_beyond_its_header_is_left_there(tmp_path):
    path = tmp_path / "images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(idx_header(12, 9, 8) + bytes(64 * 2**20)))
    assert peak_of(lambda: load(path), "more than 864 bytes of numbers where its header says 864") < 2**22


def test_a_gzip_whose_header_claims_gigabytes_is_refused_unread(tmp_path):
    path = tmp_path / "images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(idx_header(2**32 - 1, 2**15, 2**15) + bytes(2**20)))
    assert peak_of(lambda: load(path), "would unpack from 0.0 to .* MB, as no data do") < 2**22
    plain = tmp_path / "images-idx3-ubyte"
    plain.write_bytes(idx_header(2**32 - 1, 2**15, 2**15) + bytes(100))
    assert peak_of(lambda: load(plain), "116 bytes where its header says") < 2**22


@pytest.mark.parametrize("header", [idx_header(*[1] * 255), idx_header(0, *[2**32 - 1] * 9), b"\0\0\x08\x03\0"])
def test_impossible_idx_headers_are_damage(tmp_path, header):
    (tmp_path / "a-idx").write_bytes(header)
    with pytest.raises(SimulacraError, match=r"a-idx: damaged|at least 10 examples|has shape"):
        load(tmp_path / "a-idx")


def test_very_large_pictures_are_decoded_one_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "_HEAVY", 5000)
    monkeypatch.setattr(decoding, "_FILES_AT_ONCE", 1)
    under_way, most = 0, 0
    upright = decoding._upright

    def watched(image):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        result = upright(image)
        under_way -= 1
        return result

    monkeypatch.setattr(decoding, "_upright", watched)
    load(save_all(tmp_path / "a", pictures(16, 80, 80)), size=8)
    assert most == 1


# Links, pipes and loops


def test_links_to_files_and_class_folders_are_followed(tmp_path):
    save_all(tmp_path / "store" / "a", pictures() // 2)
    save_all(tmp_path / "store" / "b", 128 + pictures() // 2)
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "dark").symlink_to(tmp_path / "store" / "a")
    (folder / "light").mkdir()
    for path in (tmp_path / "store" / "b").iterdir():
        (folder / "light" / path.name).symlink_to(path)
    data = load(folder)
    assert data.classes == ("dark", "light")
    assert data.notes == (f"24 of 24 pictures lie outside {folder}, behind symbolic links",)
    for split in (data.train, data.holdout):
        np.testing.assert_array_equal(split.values[:, 0, 0] // 128, split.labels)


def test_links_within_the_folder_go_without_a_word(tmp_path):
    save_all(tmp_path / "a", pictures())
    save_all(tmp_path / "b", pictures(seed=1))
    (tmp_path / "b" / "more.png").symlink_to(tmp_path / "a" / "000.png")
    data = load(tmp_path)
    assert len(data.train) + len(data.holdout) == 25
    assert data.notes == ()


def test_loops_of_links_are_walked_once(tmp_path):
    for name in ("a", "b"):
        save_all(tmp_path / name, pictures(seed=ord(name)))
        (tmp_path / name / "up").symlink_to(tmp_path)
        (tmp_path / name / "here").symlink_to(tmp_path / name)
    (tmp_path / "a" / "b").symlink_to(tmp_path / "b")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    (tmp_path / "self.png").unlink()
    data = load(tmp_path)
    assert data.classes == ("a", "b")
    assert len(data.train) + len(data.holdout) == 36, "b's pictures also stand in a, through the link there"


def test_links_that_double_at_every_level_are_not_walked_two_to_the_power_of_their_number(tmp_path):
    for level in range(30):
        (tmp_path / "photos" / str(level)).mkdir(parents=True)
        if level:
            for name in ("left", "right"):
                (tmp_path / "photos" / str(level) / name).symlink_to(tmp_path / "photos" / str(level - 1))
    save_all(tmp_path / "photos" / "0", pictures())
    save_all(tmp_path / "photos" / "1", pictures(seed=1))
    assert load(tmp_path / "photos", labels=False).train.values.shape[1:] == (9, 8)


def test_folders_below_folders_without_end_are_refused(tmp_path):
    deep = tmp_path / "a"
    for _ in range(70):
        deep = deep / "a"
    save_all(deep, pictures())
    save_all(tmp_path / "b", pictures())
    with pytest.raises(SimulacraError, match="more than 64 folders deep"):
        load(tmp_path)


def test_pipes_devices_and_broken_links_are_skipped_and_named(tmp_path):
    folder = save_all(tmp_path / "a", pictures())
    os.mkfifo(folder / "pipe.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    data = load(folder)
    np.testing.assert_array_equal(every(data), ordered(pictures()))
    assert "4 of 16 files skipped: gone.png (no such file or directory), loop.png (" in data.notes[0]
    assert "pipe.png (not a regular file), zero.png (not a regular file)" in data.notes[0]


def test_pictures_of_other_formats_are_counted(tmp_path):
    folder = save_all(tmp_path / "a", pictures())
    for name in ("a.webp", "b.WEBP", "c.gif", "notes.txt"):
        (folder / name).write_bytes(b"")
    assert load(folder).notes == ("neither PNG nor JPEG and left out: 2 .webp, 1 .gif",)
    only = tmp_path / "b"
    only.mkdir()
    (only / "a.tiff").write_bytes(b"")
    with pytest.raises(SimulacraError, match=r"holds no PNG, JPEG or IDX file but 1 \.tiff"):
        load(only)


# Sizes and counts


def test_a_folder_with_too_few_pictures_says_how_many_were_read(tmp_path):
    folder = save_all(tmp_path / "a", pictures(11))
    for i in range(3):
        (folder / f"{i:03d}.png").write_bytes(b"")
    with pytest.raises(
        SimulacraError, match=r"shape \(8, 9, 8\) \(3 of 11 files skipped: 000\.png .*at least 10 examples"
    ):
        load(folder)


def test_a_class_with_one_picture_is_learned_from_and_named(tmp_path):
    for name, n in (("ant", 12), ("bee", 1), ("cat", 12), ("dog", 1)):
        save_all(tmp_path / name, pictures(n, seed=n))
    data = load(tmp_path)
    assert data.train.labels is not None
    assert data.holdout.labels is not None
    assert np.bincount(data.train.labels).tolist()[1::2] == [1, 1]
    assert set(data.holdout.labels) == {0, 2}
    assert data.notes == ("classes with too few examples to hold one out, which are learned from alone: bee, dog",)


def test_a_class_of_which_nothing_can_be_read_is_none(tmp_path):
    for name in ("ant", "bee", "cat"):
        save_all(tmp_path / name, pictures(seed=ord(name[0])))
    for path in (tmp_path / "bee").iterdir():
        path.write_bytes(b"no picture")
    data = load(tmp_path)
    assert data.classes == ("ant", "cat")
    both = np.concatenate([data.train.of_class(1).values, data.holdout.of_class(1).values])
    np.testing.assert_array_equal(ordered(both), ordered(pictures(seed=ord("c"))))


def test_classes_of_one_picture_each_have_nothing_to_hold_out(tmp_path):
    for i in range(12):
        save_all(tmp_path / f"class{i}", pictures(1, seed=i))
    with pytest.raises(SimulacraError, match=r"each class has a single example.*--no-labels"):
        load(tmp_path)
    assert load(tmp_path, labels=False).classes == ()


@pytest.mark.parametrize("source", ["folder", "array"])
def test_large_pictures_come_with_advice_and_enormous_ones_are_refused(tmp_path, source):
    def of(side):
        images = pictures(12, 40, side)
        return images if source == "array" else save_all(tmp_path / str(side), images)

    assert load(of(128)).notes == ()
    (note,) = load(of(129)).notes
    assert note.startswith("images of 40 x 129 pixels, height x width: the networks are made for 8 to 128 a side")
    assert "--size 64" in note
    with pytest.raises(SimulacraError, match=r"40 x 1025 pixels.* more than 1,024 a side are too many.*--size 64"):
        load(of(1025))
    assert load(of(1025), size=16).notes == ()


@pytest.mark.parametrize("side", [1, 4])
def test_tiny_pictures_load(tmp_path, side):
    assert load(save_all(tmp_path / "a", pictures(12, side, side))).train.values.shape == (10, side, side)


def test_stopping_does_not_wait_for_all_files(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "_FILES_AT_ONCE", 1)
    read, seen = decoding._read, []
    monkeypatch.setattr(decoding, "_read", lambda path, size: (seen.append(path), read(path, size))[1])

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(save_all(tmp_path / "a", pictures(400)), progress=stop)
    assert len(seen) < 400


def test_no_memory_is_not_a_damaged_picture(tmp_path, monkeypatch):
    def fail(path, size):
        raise MemoryError

    monkeypatch.setattr(decoding, "_read", fail)
    with pytest.raises(MemoryError):
        load(save_all(tmp_path / "a", pictures()))


def test_random_bytes_in_any_place_never_end_in_anything_but_a_note(tmp_path):
    rng = np.random.default_rng(0)
    folder = save_all(tmp_path / "a", pictures(12, 16, 16, 3))
    whole = [(folder / "000.png").read_bytes()]
    Image.fromarray(pictures(1, 16, 16, 3)[0]).save(tmp_path / "a.jpg")
    whole.append((tmp_path / "a.jpg").read_bytes())
    info = PngImagePlugin.PngInfo()
    info.add_text("a", "b" * 100, zip=True)
    Image.fromarray(pictures(1)[0]).save(tmp_path / "b.png", pnginfo=info)
    whole.append((tmp_path / "b.png").read_bytes())
    for i in range(300):
        data = bytearray(whole[i % 3])
        for _ in range(rng.integers(1, 4)):
            data[rng.integers(len(data))] = rng.integers(256)
        (folder / f"x{i}.png").write_bytes(data)
    data = load(folder, size=8)
    assert len(data.train) + len(data.holdout) >= 12
    assert kind_of(folder) == "images"
