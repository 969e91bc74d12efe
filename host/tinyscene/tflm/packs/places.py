"""Where packs come from: their vendors' servers, an index of packs, or a folder of this machine."""

from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from tinyscene import files
from tinyscene.errors import ToolError
from tinyscene.tflm.packs import download, pdsc
from tinyscene.tflm.packs.pins import Pin

INDEX = "index.pidx"
Location = str | Path  # the URL of a .pack file, the path of one, or the folder of an unpacked pack


def find(pins: Iterable[Pin], place: str | None) -> dict[Pin, Location]:
    """Return where each pack is.

    Args:
        pins: the packs to find.
        place: None: the URLs of packs.toml. Else the URL of an index (.pidx), or of a folder with an index.pidx, or a
            folder of this machine with .pack files, unpacked packs or both; a .pidx file there stands for its folder.

    Raises:
        ToolError: a pack is not there, or only in another version.
    """
    if place is None:
        return {pin: pin.url + pin.archive for pin in pins}
    if place.startswith(("http://", "https://")):
        return _in_index(pins, place)
    folder = Path(place).absolute()
    folder = folder.parent if folder.suffix == ".pidx" else folder
    if not folder.is_dir():
        raise ToolError(f"{folder} is not a folder; give --from a folder of .pack files or unpacked packs, or a URL")
    return {pin: _in_folder(pin, folder) for pin in pins}


def _in_folder(pin: Pin, folder: Path) -> Path:
    archives = sorted(folder.rglob(pin.archive))
    if archives:
        return archives[0]
    # At most three folders deep, as in CMSIS_PACK_ROOT (VENDOR/NAME/VERSION). Descriptions in the folder itself, in a
    # hidden folder or next to other descriptions belong to an index, without their packs.
    descriptions = [
        path
        for depth in ("*", "*/*", "*/*/*")
        for path in sorted(folder.glob(f"{depth}/{pin.id}.pdsc"))
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and len(list(path.parent.glob("*.pdsc"))) == 1
    ]
    versions = {pdsc.read(path).version: path.parent for path in descriptions}
    if pin.version in versions:
        return versions[pin.version]
    others = sorted(versions) + [path.name for path in sorted(folder.rglob(f"{pin.id}.[0-9]*.pack"))]
    there = f"it has {', '.join(others)}" if others else f"neither {pin.archive} nor a folder with {pin.id}.pdsc"
    raise ToolError(f"{folder} has no {pin} ({there}); put it there, or install from another place")


def _in_index(pins: Iterable[Pin], url: str) -> dict[Pin, Location]:
    """Fetch the descriptions that an index lists with cmsis-pack-manager, and take the packs' URLs from these."""
    from cmsis_pack_manager import Cache

    url = url if url.endswith(".pidx") else f"{url.rstrip('/')}/{INDEX}"
    with files.temporary_folder("packs") as folder:
        scratch = str(folder)
        download.fetch(url, folder / INDEX, lambda *_: None)  # the manager does not say why it found nothing
        listed = folder / "indices"
        listed.write_text(f"{url}\n")
        # silent, with time-outs
        cache = Cache(True, False, json_path=scratch, data_path=scratch, vidx_list=str(listed))
        try:
            cache.cache_descriptors()
        except Exception as error:  # it raises no narrower class
            raise ToolError(f"cannot read the index of packs {url} ({error}); check the address") from error
        return {pin: _described(pin, folder, url) for pin in pins}


def _fetch_description(pin: Pin, folder: Path) -> None:
    """Fetch a pack's description from where the index says it is, so that the reason of a failure is said."""
    try:
        entries = ElementTree.parse(folder / INDEX).getroot().iterfind("pindex/pdsc")
    except (ElementTree.ParseError, ValueError, LookupError):
        return
    for entry in entries:
        if (entry.get("vendor"), entry.get("name")) == (pin.vendor, pin.name):
            name = f"{pin.id}.pdsc"
            download.fetch(f"{entry.get('url', '').rstrip('/')}/{name}", folder / f"again-{name}", lambda *_: None)


def _described(pin: Pin, folder: Path, index: str) -> str:
    for path in sorted(folder.glob(f"{pin.id}.*.pdsc")):
        package = pdsc.read(path)
        if package.id == pin.id and pin.version in package.releases:
            return package.releases[pin.version] or f"{package.url.rstrip('/')}/{pin.archive}"
    _fetch_description(pin, folder)
    raise ToolError(f"the index of packs {index} leads to no {pin}; check the address, or install from another place")
