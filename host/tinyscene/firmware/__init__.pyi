from . import export as export, sizes as sizes
from .runtimes import KERNELS as KERNELS
from .sizes import BUILDS as BUILDS
