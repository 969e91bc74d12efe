from . import cmsis_dsp as cmsis_dsp, compiling as compiling, mps2_image as mps2_image, native as native
