"""Compile an INT8 .tflite model to C: read, plan the graph, plan memory, choose kernels, emit."""
