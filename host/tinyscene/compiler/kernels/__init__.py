"""Kernels: which engine function carries out an operator, and with which parameters."""
