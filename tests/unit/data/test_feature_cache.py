"""Encoded splits on disk: found again, mapped, made anew where anything changed or broke."""

from __future__ import annotations

import dataclasses
import math
import os
from functools import partial
from pathlib import Path

import datasets
import numpy as np
import pytest

from albert_cli.data import feature_cache, features, sampler, span_features
from albert_cli.data.feature_cache import FeatureCache, code_version, content_key, kept_features, table_key
from albert_cli.data.features import EncodedTask, encode_task
from albert_cli.data.parallel import encoding_processes, map_parts
from albert_cli.errors import DataError


@dataclasses.dataclass(frozen=True)
class Windows:
    ids: np.ndarray
    empty: np.ndarray
    names: tuple[str, ...]
    sizes: list[int]
    share: float
    title: str | None


def windows(seed=0):
    ids = np.random.default_rng(seed).integers(0, 100, (7, 3)).astype(np.int32)
    return Windows(ids, np.empty((0, 2), np.float32), ("a", "b"), [1, 2], 0.5, None)


def cache(tmp_path, warnings=None):
    return FeatureCache(tmp_path / "features", (warnings if warnings is not None else []).append)


def never():
    raise AssertionError("built although it is in the cache")


def test_what_comes_back_is_what_went_in_and_lies_on_disk(tmp_path):
    first = cache(tmp_path).get(Windows, "k", windows)
    again = cache(tmp_path).get(Windows, "k", never)
    for name in ("ids", "empty"):
        found, expected = getattr(again, name), getattr(first, name)
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)
    assert isinstance(again.ids.base, np.memmap)
    assert not again.ids.flags.writeable
    plain = [(value.names, value.sizes, value.share, value.title) for value in (first, again)]
    assert plain[0] == plain[1] == (("a", "b"), [1, 2], 0.5, None)


@pytest.mark.parametrize("harm", ["cut", "flip", "remove", "no manifest"])
def test_a_damaged_entry_is_made_anew_with_one_warning(harm, tmp_path):
    warnings = []
    store = cache(tmp_path, warnings)
    store.get(Windows, "k", windows)
    entry = tmp_path / "features" / "Windows-k"
    file = entry / "ids.npy"
    if harm == "cut":
        os.truncate(file, 150)
    elif harm == "flip":
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    else:
        (file if harm == "remove" else entry / "manifest.json").unlink()
    made = store.get(Windows, "k", partial(windows, 1))
    assert np.array_equal(made.ids, windows(1).ids)
    assert len(warnings) == 1
    assert "damaged" in warnings[0]
    assert np.array_equal(store.get(Windows, "k", never).ids, windows(1).ids)
    assert len(warnings) == 1


def test_a_folder_that_takes_no_files_costs_one_warning_and_no_work(tmp_path):
    (tmp_path / "features").write_text("a file stands in the way")
    warnings = []
    made = cache(tmp_path, warnings).get(Windows, "k", windows)
    assert np.array_equal(made.ids, windows().ids)
    assert len(warnings) == 1
    assert "not kept" in warnings[0]


def test_nothing_half_written_is_left_where_building_fails(tmp_path):
    with pytest.raises(TypeError, match="ids is a dict"):
        cache(tmp_path).get(Windows, "k", lambda: dataclasses.replace(windows(), ids={}))
    assert list((tmp_path / "features").iterdir()) == []


def test_the_longest_unused_entries_make_room_and_nothing_else_does(tmp_path, monkeypatch):
    store = cache(tmp_path)
    keys = {name: name[0] * 40 for name in ("old", "used", "new", "last")}
    (tmp_path / "features" / "my-thesis").mkdir(parents=True)
    for number, name in enumerate(["old", "used", "new"]):
        store.get(Windows, keys[name], windows)
        os.utime(tmp_path / "features" / f"Windows-{keys[name]}", (number, number))
    store.get(Windows, keys["used"], never)
    entry = tmp_path / "features" / f"Windows-{keys['old']}"
    monkeypatch.setattr(feature_cache, "_MOST_BYTES", 3 * sum(path.stat().st_size for path in entry.iterdir()))
    store.get(Windows, keys["last"], windows)
    left = {path.name for path in (tmp_path / "features").iterdir()}
    assert left == {"my-thesis", *(f"Windows-{keys[name]}" for name in ("used", "new", "last"))}


def table(texts=("one", "two", "three"), labels=(0, 1, 0), names=("no", "yes")):
    declared = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=list(names))}
    return datasets.Dataset.from_dict(
        {"text": list(texts), "label": list(labels)}, features=datasets.Features(declared)
    )


def test_the_key_of_rows_follows_their_content_alone():
    key = table_key(table())
    parts = [table(texts[:], labels) for texts, labels in ((("one",), (0,)), (("two", "three"), (1, 0)))]
    assert table_key(datasets.concatenate_datasets(parts)) == key
    assert table_key(table(("x", "one", "two", "three"), (0, 0, 1, 0)).select(range(1, 4))) == key
    changed = [
        table(("one", "two", "four")),
        table(labels=(0, 1, 1)),
        table(names=("yes", "no")),
        table().rename_column("text", "other"),
        table().select([1, 0, 2]),
    ]
    assert len({key, *map(table_key, changed)}) == 6


def test_every_part_of_the_key_counts():
    base = {"rows": "r", "tokenizer": "t", "settings": {"max_length": 128, "a": 1}, "code": "c"}
    key = content_key(**base)
    assert content_key(**{**base, "settings": {"a": 1, "max_length": 128}}) == key
    others = [{"rows": "x"}, {"tokenizer": "x"}, {"settings": {"max_length": 64, "a": 1}}, {"code": "x"}]
    assert len({key, *(content_key(**{**base, **change}) for change in others)}) == 5
    assert code_version(features) != code_version(sampler)


def test_code_that_an_encoder_calls_is_part_of_its_version():
    files = {path.name for path in feature_cache._sources(span_features, set())}
    assert {"span_features.py", "span_windows.py", "span_places.py"} <= files
    assert "cli" not in {path.parent.name for path in feature_cache._sources(span_features, set())}


class Letters:
    cls_token_id, sep_token_id = 1, 2

    def encode_batch(self, texts):
        return [[ord(letter) for letter in text] for text in texts]


def test_features_of_a_task_from_the_cache_make_the_same_batches(tmp_path):
    rows = table()
    store = cache(tmp_path)
    build = partial(encode_task, rows, Letters(), max_length=16)
    fresh, mapped = store.get(EncodedTask, "k", build), store.get(EncodedTask, "k", never)
    for number in range(3):
        chosen = np.asarray([number, 0])
        left, right = (one.pack(chosen, with_labels=True) for one in (fresh, mapped))
        assert left.input_ids.tolist() == right.input_ids.tolist()
        assert left.targets["labels"].tolist() == right.targets["labels"].tolist()
    assert fresh.fingerprint() == mapped.fingerprint()


def test_processes_give_what_one_gives_in_order():
    parts = [float(number) for number in range(5)]
    assert map_parts(math.sqrt, parts, processes=2) == map_parts(math.sqrt, parts, processes=1)


def test_a_process_that_dies_is_an_error_of_one_line():
    with pytest.raises(DataError, match="a process that encoded data died"):
        map_parts(os._exit, [1, 1], processes=2)


class Words(Letters):
    fingerprint = "f"


def test_few_rows_are_not_kept_and_many_are_by_their_content(tmp_path):
    def ask(rows, length):
        return kept_features(
            cache(tmp_path),
            EncodedTask,
            rows,
            tokenizer=Words(),
            settings={"max_length": length},
            code=features,
            build=lambda: encode_task(rows, Words(), max_length=length),
        )

    many = table(["word"] * 600, [0, 1] * 300)
    ask(table(), 16)
    assert not (tmp_path / "features").exists()
    for rows, length, entries in ((many, 16, 1), (many, 16, 1), (many, 8, 2), (many.select(range(599)), 16, 3)):
        ask(rows, length)
        assert len(list((tmp_path / "features").iterdir())) == entries


def test_a_split_encoded_by_two_processes_is_the_same(monkeypatch):
    monkeypatch.setattr(features, "_ROWS_AT_ONCE", 7)
    monkeypatch.setattr(features, "_ROWS_OF_A_PROCESS", 10)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    rows = table([f"word {number}" * (number % 5) for number in range(40)], [0, 1] * 20)
    alone, together = (encode_task(rows, Letters(), max_length=16, threads=threads) for threads in (1, 2))
    assert alone.fingerprint() == together.fingerprint()


def test_small_work_starts_no_process():
    assert encoding_processes(10, enough=100, threads=None) == 1
    assert encoding_processes(10_000, enough=100, threads=1) == 1
    assert encoding_processes(10_000, enough=100, threads=2) <= 2


def test_paths_do_not_hang_on_the_home_folder(tmp_path):
    store = FeatureCache(Path(tmp_path) / "deep" / "er", [].append)
    store.get(Windows, "k", windows)
    assert (tmp_path / "deep" / "er" / "Windows-k" / "fields.json").is_file()
