from . import emulate as emulate
from .board_machine import Machine as Machine, ask as ask, section as section
from .board_models import BOARDS as BOARDS
from .emulator import Emulator as Emulator, built_image as built_image
