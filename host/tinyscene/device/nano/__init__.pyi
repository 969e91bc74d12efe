from . import upload as upload
