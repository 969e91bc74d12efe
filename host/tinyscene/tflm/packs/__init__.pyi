from . import install as install, pins as pins, report as report, selection as selection, store as store
