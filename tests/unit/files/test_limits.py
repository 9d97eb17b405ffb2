"""A write that cannot fit is refused before it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from albert_cli.errors import AlbertError
from albert_cli.files.limits import free_bytes, require_free_space


def test_free_space_of_a_path_that_does_not_exist_yet_is_that_of_its_disk(tmp_path: Path):
    assert free_bytes(tmp_path / "not" / "yet") > 0


def test_what_does_not_fit_is_refused_with_sizes_and_exit_code_three(tmp_path: Path):
    with pytest.raises(AlbertError, match=r"no room for a checkpoint: [\d,]+ MiB needed, [\d,]+ MiB free") as caught:
        require_free_space(tmp_path, 2**60, what="a checkpoint")
    assert caught.value.exit_code == 3
    assert "--out" in caught.value.hint


def test_what_fits_passes(tmp_path: Path):
    require_free_space(tmp_path, 1, what="a byte")
