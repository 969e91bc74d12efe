from . import boards as boards, export as export, project as project, sizes as sizes
from .boards import Board as Board, Qemu as Qemu, Unicorn as Unicorn
from .protocol import (
    ANSWER as ANSWER,
    MAX_PAYLOAD as MAX_PAYLOAD,
    MAX_SMOOTHING as MAX_SMOOTHING,
    VERSION as VERSION,
    Request as Request,
    Status as Status,
)
from .runtimes import KERNELS as KERNELS
from .sizes import BUILDS as BUILDS
from .source_lines import Place as Place, SourceLines as SourceLines
