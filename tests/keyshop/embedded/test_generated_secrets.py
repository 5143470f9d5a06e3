"""Generated secrets, for those that the settings lack."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from keyshop.embedded.generated_secrets import SecretsRefused, generate_secrets

_NAMES = ("JWT_SECRET", "JWT_REFRESH_SECRET")
_PRINT = """
import sys
from pathlib import Path
from keyshop.embedded.generated_secrets import generate_secrets
sys.stdin.readline()
found = generate_secrets(Path(sys.argv[1]), ("JWT_SECRET", "JWT_REFRESH_SECRET"))
print(*(secret.reveal() for secret in found.values()))
"""


class TestGeneratedSecrets:
    def test_are_long_different_and_the_same_at_every_start(self, tmp_path: Path):
        first = generate_secrets(tmp_path / "home", _NAMES)

        assert generate_secrets(tmp_path / "home", _NAMES) == first
        assert len({secret.reveal() for secret in first.values()}) == 2
        assert all(len(secret.reveal()) >= 32 for secret in first.values())
        assert "*" in str(first)
        assert first["JWT_SECRET"].reveal() not in str(first)

    def test_are_readable_only_by_their_owner(self, tmp_path: Path):
        generate_secrets(tmp_path, _NAMES)

        assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600

    def test_are_generated_once_by_processes_that_start_together(self, tmp_path: Path):
        home = str(tmp_path / "home")
        started = [
            subprocess.Popen(
                [sys.executable, "-c", _PRINT, home],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for _ in range(4)
        ]  # fmt: skip
        for process in started:
            assert process.stdin is not None
            process.stdin.write("now\n")
            process.stdin.flush()
        outputs = {process.communicate(timeout=30)[0] for process in started}

        assert len(outputs) == 1
        assert all(process.returncode == 0 for process in started)

    def test_that_are_added_later_do_not_change_the_others(self, tmp_path: Path):
        (first,) = generate_secrets(tmp_path, ["JWT_SECRET"]).values()

        both = generate_secrets(tmp_path, _NAMES)

        assert both["JWT_SECRET"] == first
        assert set(msgspec.json.decode((tmp_path / "secrets.json").read_bytes())) == set(_NAMES)

    def test_need_no_file_when_none_is_missing(self, tmp_path: Path):
        assert generate_secrets(tmp_path / "home", ()) == {}
        assert list(tmp_path.iterdir()) == []

    def test_ignore_a_damaged_file_when_none_is_missing(self, tmp_path: Path):
        (tmp_path / "secrets.json").write_text("{")

        assert generate_secrets(tmp_path, ()) == {}

    @pytest.mark.parametrize(
        "text", ["", "{", "[]", '{"JWT_SECRET": 7}', '{"JWT_SECRET": "hush"}', '"hush', "\xff"]
    )
    def test_never_replace_a_damaged_file(self, tmp_path: Path, text):
        path = tmp_path / "secrets.json"
        path.write_text(text, encoding="latin-1")

        with pytest.raises(
            SecretsRefused, match=r"secrets\.json .*; restore it from a backup"
        ) as refusal:
            generate_secrets(tmp_path, _NAMES)

        assert "hush" not in str(refusal.value)
        assert path.read_text(encoding="latin-1") == text
