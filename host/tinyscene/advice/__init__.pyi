from . import needs as needs
