import os
import stat

import pytest

from keyshop.embedded.errors import EmbeddedServerError
from keyshop.embedded.folder import last_line, make_home, open_log, write_private
from keyshop.embedded.valkey import ValkeyServer


class TestMakeHome:
    def test_is_closed_to_other_accounts(self, tmp_path):
        make_home(tmp_path / "home")

        assert stat.S_IMODE((tmp_path / "home").stat().st_mode) & 0o066 == 0

    def test_does_not_change_an_existing_home(self, tmp_path):
        (tmp_path / "home").mkdir(mode=0o750)

        make_home(tmp_path / "home")

        assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o750

    def test_names_the_variable_to_set_when_a_folder_cannot_be_created(self, tmp_path):
        (tmp_path / "file").write_text("not a folder")

        with pytest.raises(EmbeddedServerError, match=r"Cannot create .* set KEYSHOP_HOME"):
            ValkeyServer(tmp_path / "file" / "home").start()


class TestWritePrivate:
    def test_replaces_the_whole_file_even_after_an_interrupted_write(self, tmp_path):
        (tmp_path / "port").write_text("a longer text than the next")
        (tmp_path / "port.new").write_text("left behind")

        write_private(tmp_path / "port", "20001")

        assert (tmp_path / "port").read_text() == "20001"
        assert [path.name for path in tmp_path.iterdir()] == ["port"]


class TestOpenLog:
    def test_rotates_a_large_log(self, tmp_path):
        log = tmp_path / "server.log"
        log.write_bytes(b"x" * 10_000_001)

        with os.fdopen(open_log(log), "a") as file:
            file.write("first\nsecond\n")

        assert last_line(log) == "second"
        assert (tmp_path / "server.log.old").stat().st_size == 10_000_001
