"""What a Cortex-M4 takes for the firmware's work: the image that is flashed, run block by block, costed by a model.

timing.py has the core's cycles, flash.py the boards' memories, image.py who owns which code, counter.py adds up, and
estimate.py has a clip classified and tells.
"""
