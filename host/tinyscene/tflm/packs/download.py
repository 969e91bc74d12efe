"""Download a file over HTTP; what has arrived is kept, and the next call asks only for the rest."""

import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tinyscene.errors import ToolError

_CHUNK = 1 << 16
_TIMEOUT = 30  # seconds without a byte


def fetch(url: str, target: Path, progress: Callable[[int, int | None], None]) -> None:
    """Download `url` to `target`, by way of `target`.part.

    Args:
        url: address, http:// or https://.
        target: file to write; appears in one step when the download is complete.
        progress: called with the bytes received and the bytes of the whole file, None if the server does not tell.

    Raises:
        ToolError: the server cannot be reached, refuses, or breaks off.
    """
    if not url.startswith(("http://", "https://")):
        raise ToolError(f"cannot download {url!r}: it is neither http:// nor https://; give another place with --from")
    part = target.with_name(f"{target.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    here = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={here}-"} if here else {})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
            here = here if response.status == http.HTTPStatus.PARTIAL_CONTENT else 0
            total = None if response.length is None else here + response.length
            with part.open("ab" if here else "wb") as sink:
                while data := response.read(_CHUNK):
                    sink.write(data)
                    here += len(data)
                    progress(here, total)
                sink.flush()
                os.fsync(sink.fileno())
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and here:
            # it was already complete, or the file has changed on the server: a fresh download mends both
            part.unlink()
            fetch(url, target, progress)
            return
        raise _failed(url, f"{error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _failed(url, str(getattr(error, "reason", None) or error)) from error
    if total is not None and here < total:
        raise _failed(url, f"the connection broke off after {here:,} of {total:,} bytes")
    part.replace(target)


def _failed(url: str, why: str) -> ToolError:
    return ToolError(
        f"cannot download {url} ({why}); run the same command to resume, "
        "and --from takes packs from a folder of this machine"
    )
