"""Packs come whole, checked and from anywhere, or not at all."""

import fcntl
import stat
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pack_maker import CONTENTS, VERSION, Server, pdsc_text, pins_text, write_packs, write_unpacked
from tinyscene import cli
from tinyscene.errors import ToolError
from tinyscene.tflm.packs import archive, install, pins, places, report as packs_report, selection, store

CORE = "ARM.core"


@pytest.fixture(autouse=True)
def pinfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's own packs.toml, cache and (small) packs."""
    monkeypatch.setenv("TINYSCENE_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "packs.toml"
    path.write_text(pins_text())
    monkeypatch.setattr(pins, "PINS", path)
    return path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "served").mkdir()
    with Server(tmp_path / "served").running() as server:
        yield server


def states() -> dict[str, str | None]:
    return {pin.id: pack.verified if (pack := store.installed(pin)) else None for pin in pins.pinned()}


def leftovers() -> list[str]:
    """What lies in the store beside packs, the lock and downloads."""
    known = {"tensorflow", "ARM", "lock", "lock.json", "downloads"}
    return [path.name for path in store.folder().iterdir() if path.name not in known]


NOTHING = dict.fromkeys(CONTENTS)


def test_a_folder_of_unpacked_packs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install.run(str(write_unpacked(tmp_path / "unpacked")))
    assert states() == dict.fromkeys(CONTENTS, "no")
    assert "ARM.core 1.2.0: not verified: it came unpacked" in capsys.readouterr().out
    assert packs_report.list_packs() == 0
    for pin in pins.pinned():
        root = store.folder() / pin.vendor / pin.name / VERSION
        there = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
        assert there == {*CONTENTS[pin.id], f"{pin.id}.pdsc", ".tinyscene.json"}
    assert leftovers() == []


def test_a_pack_root_of_other_tools(tmp_path: Path) -> None:
    """VENDOR/NAME/VERSION, two versions of one pack, and a hidden folder of descriptions without packs."""
    flat = write_unpacked(tmp_path / "flat")
    root = tmp_path / "root"
    for pin in pins.pinned():
        (root / pin.vendor / pin.name).mkdir(parents=True)
        (flat / pin.id).rename(root / pin.vendor / pin.name / VERSION)
    (write_unpacked(tmp_path / "old", "0.9.0") / CORE).rename(root / "ARM" / "core" / "0.9.0")
    (root / ".Web").mkdir()
    (root / ".Web" / f"{CORE}.pdsc").write_text(pdsc_text(CORE))
    found = places.find(pins.pinned(), str(root))
    assert list(found.values()) == [root / pin.vendor / pin.name / VERSION for pin in pins.pinned()]


@pytest.mark.parametrize("place", ["", "index.pidx"])
def test_a_folder_of_pack_files(place: str, pinfile: Path, tmp_path: Path) -> None:
    hashes = write_packs(tmp_path / "packs")
    pinfile.write_text(pins_text({CORE: hashes[CORE]}))
    install.run(str(tmp_path / "packs" / place))
    assert states() == {"tensorflow.micro": "recorded", CORE: "pinned"}
    assert store.recorded() == {f"tensorflow.micro.{VERSION}.pack": hashes["tensorflow.micro"]}


def test_what_is_here_is_left_alone(tmp_path: Path) -> None:
    install.run(str(write_unpacked(tmp_path / "unpacked")))
    write_packs(tmp_path / "packs")
    install.run()  # needs no place at all
    assert states()[CORE] == "no"
    install.run(str(tmp_path / "packs"), force=True)
    assert states()[CORE] == "recorded"
    assert leftovers() == []


def test_a_hash_that_is_pinned_after_the_install(pinfile: Path, tmp_path: Path) -> None:
    hashes = write_packs(tmp_path / "packs")
    install.run(str(tmp_path / "packs"))
    pinfile.write_text(pins_text({CORE: "0" * 64, "tensorflow.micro": hashes["tensorflow.micro"]}))
    assert states() == {"tensorflow.micro": "pinned", CORE: None}


def test_a_pack_whose_receipt_is_damaged(tmp_path: Path) -> None:
    install.run(str(write_unpacked(tmp_path / "unpacked")))
    for text in ("", "[]", "{}"):
        (store.folder() / "ARM" / "core" / VERSION / ".tinyscene.json").write_text(text)
        assert states() == {"tensorflow.micro": "no", CORE: None}


def test_hashes_for_maintainers(pinfile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hashes = write_packs(tmp_path / "packs")
    install.run(str(tmp_path / "packs"), pin_hashes=True)
    assert pinfile.read_text() == pins_text(hashes)
    install.run(str(tmp_path / "packs"), force=True)
    assert states() == dict.fromkeys(CONTENTS, "pinned")
    pinfile.write_text(pins_text())
    install.run(str(write_unpacked(tmp_path / "unpacked")), force=True, pin_hashes=True)
    assert pinfile.read_text() == pins_text()
    assert "all packs but tensorflow.micro 1.2.0, ARM.core 1.2.0" in capsys.readouterr().out


def test_a_server(pinfile: Path, server: Server, tmp_path: Path) -> None:
    hashes = write_packs(tmp_path / "served")
    pinfile.write_text(pins_text(hashes, server.url))
    install.run()
    assert states() == dict.fromkeys(CONTENTS, "pinned")
    assert server.requests == [(f"/{pack}.{VERSION}.pack", None) for pack in CONTENTS]
    assert list(store.downloads().iterdir()) == []


@pytest.mark.parametrize("name", ["", "index.pidx"])
def test_an_index(name: str, server: Server, tmp_path: Path) -> None:
    write_packs(tmp_path / "served", server.url)
    install.run(server.url + name)
    assert states() == dict.fromkeys(CONTENTS, "recorded")
    assert store.installed(pins.pinned()[0]).source == f"{server.url}tensorflow.micro.{VERSION}.pack"  # type: ignore[union-attr]


def test_an_older_release_of_an_index(pinfile: Path, server: Server, tmp_path: Path) -> None:
    """The description's own address of a release goes before the folder of the latest."""
    write_packs(tmp_path / "served", server.url)
    pinfile.write_text(pins_text().replace(VERSION, "0.9.0"))
    assert set(places.find(pins.pinned(), server.url).values()) == {"http://127.0.0.1:9/old.pack"}


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_goes_on(ranges: bool, pinfile: Path, server: Server, tmp_path: Path) -> None:
    hashes = write_packs(tmp_path / "served")
    pinfile.write_text(pins_text(hashes, server.url))
    server.break_after = 100_000
    server.ranges = ranges
    whole = (tmp_path / "served" / f"{CORE}.{VERSION}.pack").stat().st_size
    with pytest.raises(
        ToolError, match=rf"broke off after 100,000 of {whole:,} bytes\); run the same command to resume"
    ):
        install.run()
    assert states() == {"tensorflow.micro": "pinned", CORE: None}
    assert [path.name for path in store.downloads().iterdir()] == [f"{CORE}.{VERSION}.pack.part"]
    server.break_after = None
    install.run()
    assert states() == dict.fromkeys(CONTENTS, "pinned")
    assert server.requests[-1] == (f"/{CORE}.{VERSION}.pack", "bytes=100000-")


def test_a_remainder_of_something_longer(pinfile: Path, server: Server, tmp_path: Path) -> None:
    write_packs(tmp_path / "served")
    pinfile.write_text(pins_text(url=server.url))
    store.downloads().mkdir(parents=True)
    (store.downloads() / f"{CORE}.{VERSION}.pack.part").write_bytes(bytes(10**6))
    install.run()
    assert states() == dict.fromkeys(CONTENTS, "recorded")


def test_a_remainder_of_something_else(pinfile: Path, server: Server, tmp_path: Path) -> None:
    """The hash finds it, and it is not tried again."""
    pinfile.write_text(pins_text(write_packs(tmp_path / "served"), server.url))
    store.downloads().mkdir(parents=True)
    (store.downloads() / f"{CORE}.{VERSION}.pack.part").write_bytes(bytes(1000))
    with pytest.raises(ToolError, match=r"does not have the SHA-256 that packs\.toml pins for ARM\.core"):
        install.run()
    assert states()[CORE] is None
    assert list(store.downloads().iterdir()) == []
    install.run()
    assert states()[CORE] == "pinned"


def test_no_network(pinfile: Path, server: Server) -> None:
    for url, why in (("http://127.0.0.1:9/", "refused"), (server.url, "404 Not Found"), ("file:///", "neither")):
        pinfile.write_text(pins_text(url=url))
        with pytest.raises(ToolError, match=f"cannot download .*{why}.*--from"):
            install.run()
    for url, why in (("http://127.0.0.1:9/x.pidx", "refused"), (server.url, "404 Not Found")):
        with pytest.raises(ToolError, match=rf"cannot download {url}.*{why}"):
            install.run(url)
    assert states() == NOTHING


def test_an_index_whose_packs_cannot_be_had(server: Server, tmp_path: Path) -> None:
    write_packs(tmp_path / "served", server.url)
    for path in (tmp_path / "served").glob("*.pdsc"):
        path.unlink()
    with pytest.raises(ToolError, match=r"cannot download .*tensorflow\.micro\.pdsc \(404 Not Found\)"):
        install.run(server.url)
    (tmp_path / "served" / "index.pidx").write_text("<index/>")
    with pytest.raises(ToolError, match=r"index of packs .* leads to no tensorflow\.micro 1\.2\.0; check"):
        install.run(server.url)
    assert states() == NOTHING


def test_a_changed_pack_is_refused(pinfile: Path, tmp_path: Path) -> None:
    hashes = write_packs(tmp_path / "packs")
    install.run(str(tmp_path / "packs"))
    with zipfile.ZipFile(tmp_path / "packs" / f"{CORE}.{VERSION}.pack", "a") as pack:
        pack.writestr("more.c", "")
    with pytest.raises(
        ToolError, match=r"is not the ARM\.core\.1\.2\.0\.pack that was installed here first.*lock\.json"
    ):
        install.run(str(tmp_path / "packs"), force=True)
    assert store.recorded()[f"{CORE}.{VERSION}.pack"] == hashes[CORE]
    assert states() == dict.fromkeys(CONTENTS, "recorded")
    assert not (store.folder() / "ARM" / "core" / VERSION / "more.c").exists()
    pinfile.write_text(pins_text(hashes))
    with pytest.raises(ToolError, match=r"does not have the SHA-256 that packs\.toml pins"):
        install.run(str(tmp_path / "packs"), force=True)


def damaged_pack(tmp_path: Path, entries: dict[str, str], link: bool = False) -> str:
    write_packs(tmp_path / "packs")
    with zipfile.ZipFile(tmp_path / "packs" / f"{CORE}.{VERSION}.pack", "w") as pack:
        for name, text in entries.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16 if link and name.startswith("link") else 0o644 << 16
            pack.writestr(entry, text)
    return str(tmp_path / "packs")


@pytest.mark.parametrize("name", ["../evil.h", "/evil.h", "src/../../../evil.h", "..\\evil.h", "C:/evil.h", "link"])
def test_entries_that_leave_the_pack(name: str, tmp_path: Path) -> None:
    place = damaged_pack(tmp_path, {f"{CORE}.pdsc": pdsc_text(CORE), name: "/etc/passwd"}, link=True)
    with pytest.raises(ToolError, match="an entry that leaves its folder"):
        install.run(place)
    assert states() == {"tensorflow.micro": "recorded", CORE: None}
    assert not list(tmp_path.rglob("evil.h"))
    assert leftovers() == []


@pytest.mark.parametrize("target", ["/dev/zero", "/etc", "src"])
def test_links_in_a_folder_are_not_followed(target: str, tmp_path: Path) -> None:
    """One to /dev/zero filled the disk, one to a folder copied that in."""
    folder = write_unpacked(tmp_path / "unpacked")
    (folder / CORE / "more").symlink_to(target)
    with pytest.raises(ToolError, match=r"more is a link or a device, which a pack does not have; remove it"):
        install.run(str(folder))
    assert states()[CORE] is None
    assert leftovers() == []


@pytest.mark.parametrize(("limit", "value"), [("MAX_ENTRIES", 1), ("MAX_BYTES", 10)])
def test_a_pack_beyond_bounds_is_refused_before_anything_is_copied(
    limit: str, value: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_packs(tmp_path / "packs")
    monkeypatch.setattr(archive, limit, value)
    for place in (write_unpacked(tmp_path / "unpacked"), tmp_path / "packs"):
        with pytest.raises(ToolError, match=r"has more than|entries; fetch|unpacks to more than"):
            install.run(str(place))
    assert leftovers() == []


@pytest.mark.parametrize(
    ("entries", "match"),
    [
        ({"a.h": ""}, r"has no ARM\.core\.pdsc at its root"),
        ({f"sub/{CORE}.pdsc": pdsc_text(CORE)}, r"has no ARM\.core\.pdsc at its root"),
        ({f"{CORE}.pdsc": pdsc_text(CORE, "9.9.9")}, r"is ARM\.core 9\.9\.9, not ARM\.core 1\.2\.0; fetch"),
        ({f"{CORE}.pdsc": pdsc_text("tensorflow.micro")}, r"is tensorflow\.micro 1\.2\.0, not ARM\.core 1\.2\.0"),
        ({f"{CORE}.pdsc": "<package>"}, "is not a pack description"),
        ({f"{CORE}.pdsc": "<html/>"}, "is not a pack description"),
    ],
)
def test_the_wrong_pack(entries: dict[str, str], match: str, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=match):
        install.run(damaged_pack(tmp_path, entries))
    assert states()[CORE] is None
    assert f"{CORE}.{VERSION}.pack" not in store.recorded()
    assert leftovers() == []


def test_a_pack_that_is_cut_or_rotten(tmp_path: Path) -> None:
    write_packs(tmp_path / "packs")
    path = tmp_path / "packs" / f"{CORE}.{VERSION}.pack"
    whole = path.read_bytes()
    rotten = bytearray(whole)
    rotten[len(whole) // 2] ^= 1
    for data in (whole[: len(whole) // 2], whole[:-3], b"", bytes(rotten)):
        path.write_bytes(data)
        with pytest.raises(ToolError, match="is damaged or incomplete"):
            install.run(str(tmp_path / "packs"))
        assert states()[CORE] is None
        assert leftovers() == []


def test_a_pack_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_packs(tmp_path / "packs")
    monkeypatch.setattr(archive, "MAX_BYTES", 1000)
    with pytest.raises(ToolError, match="unpacks to more than"):
        install.run(str(tmp_path / "packs"))


def test_a_place_without_a_pack(tmp_path: Path) -> None:
    folder = write_unpacked(tmp_path / "old", "0.9.0")
    with pytest.raises(ToolError, match=r"has no tensorflow\.micro 1\.2\.0 \(it has 0\.9\.0\); put it there"):
        install.run(str(folder))
    write_packs(tmp_path / "packs", version="1.0.0")
    with pytest.raises(ToolError, match=r"\(it has tensorflow\.micro\.1\.0\.0\.pack\)"):
        install.run(str(tmp_path / "packs"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ToolError, match=r"\(neither tensorflow\.micro\.1\.2\.0\.pack nor a folder with"):
        install.run(str(tmp_path / "empty"))
    with pytest.raises(ToolError, match="is not a folder"):
        install.run(str(tmp_path / "nowhere"))


def test_a_place_that_lacks_one_pack_installs_none(tmp_path: Path) -> None:
    write_packs(tmp_path / "packs")
    (tmp_path / "packs" / f"{CORE}.{VERSION}.pack").unlink()  # its description stays, beside the other's
    for place in (tmp_path / "packs", tmp_path):
        with pytest.raises(ToolError, match=r"has no ARM\.core"):
            install.run(str(place))
    assert states() == NOTHING


def test_a_kill_while_unpacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old pack stays, and what was unpacked goes."""
    place = str(write_unpacked(tmp_path / "unpacked"))
    install.run(place)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(archive, "check", interrupt)
    with pytest.raises(KeyboardInterrupt):
        install.run(place, force=True)
    assert states() == dict.fromkeys(CONTENTS, "no")
    assert leftovers() == []


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TINYSCENE_CACHE", str(tmp_path / "file"))
    with pytest.raises(ToolError, match=r"cannot install packs in .*TINYSCENE_CACHE"):
        install.run(str(write_unpacked(tmp_path / "unpacked")))


def test_a_damaged_lock_file(tmp_path: Path) -> None:
    write_packs(tmp_path / "packs")
    store.folder().mkdir(parents=True)
    for text in ("{", "[1]"):
        store.lock_file().write_text(text)
        with pytest.raises(ToolError, match=r"lock\.json .*; remove it"):
            install.run(str(tmp_path / "packs"))


def test_two_installs_wait_for_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(write_unpacked(tmp_path / "unpacked"))
    store.folder().mkdir(parents=True)
    with (store.folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        other = threading.Thread(target=install.run, args=(place,))
        other.start()
        other.join(0.2)
        assert other.is_alive()
        assert states() == NOTHING
    other.join()
    assert states() == dict.fromkeys(CONTENTS, "no")
    assert "waiting for another process" in capsys.readouterr().err


def test_a_missing_pack_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ToolError, match=r"not installed: tensorflow\.micro 1\.2\.0, .*run `tinyscene packs install`"):
        selection.resolve()
    assert packs_report.list_packs() == 1
    assert "tinyscene packs install" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["tinyscene", "packs", "files", "--json", "-"])
    with pytest.raises(SystemExit) as leaving:
        cli.main()
    assert leaving.value.code == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: these CMSIS-Packs are not installed")
