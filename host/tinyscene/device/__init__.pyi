from . import (
    check as check,
    crash_places as crash_places,
    emulators as emulators,
    evaluation as evaluation,
    monitor as monitor,
    streaming as streaming,
    verification as verification,
)
from .board import Board as Board
from .description import DeviceInfo as DeviceInfo, read_description as read_description
from .link import Link as Link
from .messages import samples_write as samples_write
from .protocol import (
    Demultiplexer as Demultiplexer,
    Frame as Frame,
    ProtocolError as ProtocolError,
    encode as encode,
)
from .verification import find_bundle as find_bundle
