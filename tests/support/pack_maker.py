"""Make small CMSIS-Packs: two that need each other, as folders, .pack files, an index and a server of them."""

import hashlib
import http.server
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

VERSION = "1.2.0"
PDSC = """<?xml version="1.0" encoding="UTF-8"?>
<package schemaVersion="1.7.36" xmlns:xs="http://www.w3.org/2001/XMLSchema-instance"
         xs:noNamespaceSchemaLocation="PACK.xsd">
  <vendor>{vendor}</vendor>
  <name>{name}</name>
  <url>{url}</url>
  <license>LICENSE.txt</license>
  <releases>
    <release version="{version}" date="2026-01-02">Latest</release>
    <release version="0.9.0" date="2025-01-02" url="http://127.0.0.1:9/old.pack">Old</release>
  </releases>
{body}
</package>
"""
MICRO = """
  <conditions>
    <condition id="CMSIS-NN"><require condition="Utils"/><require Cclass="CMSIS" Cgroup="NN Lib"/></condition>
    <condition id="Utils"><require Cclass="Machine Learning" Cgroup="TensorFlow" Csub="Kernel Utils"/></condition>
    <condition id="M4"><accept Dcore="Cortex-M4"/><accept Dcore="Cortex-M7"/></condition>
    <condition id="MVE"><require Dmve="MVE"/></condition>
    <condition id="Armclang"><require Tcompiler="ARMCC"/></condition>
  </conditions>
  <components>
    <component Cclass="Machine Learning" Cgroup="TensorFlow" Csub="Kernel" Cvariant="Reference" Cversion="1">
      <files><file category="sourceCpp" name="src/reference.cpp"/></files>
    </component>
    <component Cclass="Machine Learning" Cgroup="TensorFlow" Csub="Kernel" Cvariant="CMSIS-NN" condition="CMSIS-NN">
      <RTE_Components_h>
        #define RTE_ML_TF_LITE     /* TF */
      </RTE_Components_h>
      <Pre_Include_Global_h>
        // for all sources
        #define TF_LITE_STATIC_MEMORY 1
        //#define TF_LITE_STRIP_ERROR_STRINGS 1
        #define CMSIS_NN  /* kernels */
      </Pre_Include_Global_h>
      <files>
        <file category="sourceCpp" name="src/conv.cpp" condition="M4"/>
        <file category="sourceCpp" name="src/conv_mve.cpp" condition="MVE"/>
        <file category="sourceAsm" name="src/armclang.s" condition="Armclang"/>
        <file category="sourceCpp" attr="template" name="src/main.cpp"/>
        <file category="doc" name="not_there.html"/>
        <file category="include" name="./"/>
      </files>
    </component>
    <component Cclass="Machine Learning" Cgroup="TensorFlow" Csub="Kernel Utils">
      <files>
        <file category="sourceCpp" name="src\\time.cpp" attr="config" version="1.2.0"/>
        <file category="header" name="include/utils.h"/>
      </files>
    </component>
  </components>
"""
CORE = """
  <conditions>
    <condition id="v7-M"><accept Dcore="Cortex-M3"/><accept Dcore="Cortex-M4"/></condition>
    <condition id="A-class"><require Dcore="Cortex-A*"/></condition>
  </conditions>
  <components>
    <component Cclass="CMSIS" Cgroup="CORE" condition="A-class">
      <files><file category="include" name="a-profile/"/></files>
    </component>
    <component Cclass="CMSIS" Cgroup="CORE" condition="v7-M">
      <files><file category="include" name="core/"/></files>
    </component>
    <bundle Cbundle="All" Cclass="CMSIS" Cversion="7.0.0">
      <component Cgroup="NN Lib">
        <files>
          <file category="header" name="Include/arm_nn.h"/>
          <file category="source" name="Source/convolve.c"/>
        </files>
      </component>
    </bundle>
  </components>
"""
CONTENTS: dict[str, dict[str, str]] = {
    "tensorflow.micro": {
        name: f"// {name}\n"
        for name in (
            "src/reference.cpp", "src/conv.cpp", "src/conv_mve.cpp", "src/armclang.s", "src/main.cpp", "src/time.cpp",
            "include/utils.h", "LICENSE.txt",
        )
    },
    "ARM.core": {
        name: f"/* {name} */\n" * 4000
        for name in ("a-profile/a.h", "core/core.h", "Include/arm_nn.h", "Source/convolve.c", "LICENSE.txt")
    },
}  # fmt: skip
BODIES = {"tensorflow.micro": MICRO, "ARM.core": CORE}


def pdsc_text(pack: str, version: str = VERSION, url: str = "http://127.0.0.1:9/", body: str | None = None) -> str:
    vendor, name = pack.split(".")
    body = BODIES[pack] if body is None else body
    return PDSC.format(vendor=vendor, name=name, version=version, url=url, body=body)


def pins_text(hashes: dict[str, str] | None = None, url: str = "http://127.0.0.1:9/") -> str:
    """The text of a packs.toml for the two packs."""
    entries = []
    for pack in CONTENTS:
        vendor, name = pack.split(".")
        sha256 = (hashes or {}).get(pack, "")
        entries.append(
            f'[[pack]]\nvendor = "{vendor}"\nname = "{name}"\nversion = "{VERSION}"\n'
            f'url = "{url}"\nsha256 = "{sha256}"\n'
        )
    return "# a comment\n\n" + "\n".join(entries)


def write_unpacked(folder: Path, version: str = VERSION) -> Path:
    """Write both packs as folders in `folder`."""
    for pack, contents in CONTENTS.items():
        for name, text in {**contents, f"{pack}.pdsc": pdsc_text(pack, version)}.items():
            path = folder / pack / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return folder


def write_packs(folder: Path, url: str = "http://127.0.0.1:9/", version: str = VERSION) -> dict[str, str]:
    """Write both packs as .pack files, with their descriptions and an index; return the SHA-256 of each."""
    folder.mkdir(parents=True, exist_ok=True)
    hashes, lines = {}, []
    for pack, contents in CONTENTS.items():
        path = folder / f"{pack}.{version}.pack"
        with zipfile.ZipFile(path, "w") as archive:  # stored, so that the larger one takes several reads
            for name, text in {**contents, f"{pack}.pdsc": pdsc_text(pack, version, url)}.items():
                archive.writestr(zipfile.ZipInfo(name), text)
        (folder / f"{pack}.pdsc").write_text(pdsc_text(pack, version, url))
        hashes[pack] = hashlib.sha256(path.read_bytes()).hexdigest()
        vendor, name = pack.split(".")
        lines.append(f'<pdsc url="{url}" vendor="{vendor}" name="{name}" version="{version}"/>')
    (folder / "index.pidx").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<index schemaVersion="1.1.0" '
        'xmlns:xs="http://www.w3.org/2001/XMLSchema-instance" xs:noNamespaceSchemaLocation="PackIndex.xsd">\n'
        f"<vendor>tests</vendor><url>{url}</url><timestamp>2026-01-02T00:00:00</timestamp>\n"
        f"<pindex>{''.join(lines)}</pindex>\n</index>\n"
    )
    return hashes


class Server:
    """A folder over HTTP that understands Range, and breaks connections off on demand.

    Attributes:
        url: ends with a slash.
        requests: path and Range header, in the order of arrival.
        break_after: bytes of a body to send before the connection is closed; None: all.
        ranges: whether Range is understood.
    """

    def __init__(self, folder: Path) -> None:
        self.requests: list[tuple[str, str | None]] = []
        self.break_after: int | None = None
        self.ranges = True
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                server.requests.append((self.path, wanted))
                path = folder / self.path.lstrip("/")
                if not path.is_file():
                    self.send_error(404)
                    return
                data = path.read_bytes()
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.ranges else 0
                if start and start >= len(data):
                    self.send_error(416)
                    return
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(data) - start))
                self.end_headers()
                self.wfile.write(data[start:][: server.break_after])
                self.close_connection = True

            def log_message(self, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    @contextmanager
    def running(self) -> Iterator["Server"]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()
