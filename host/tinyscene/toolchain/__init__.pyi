from . import cmsis_dsp as cmsis_dsp, mps2_image as mps2_image, native as native
