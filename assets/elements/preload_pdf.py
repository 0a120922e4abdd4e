"""The PDF parser, imported and compiled before the first file: numba takes 3 s the first time."""

import numpy as np
import unstructured.partition.pdf
from unstructured.partition.utils.xycut import recursive_xy_cut_swapped

_boxes = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [0, 20, 10, 30]])
recursive_xy_cut_swapped(_boxes, np.arange(3), [])

PARTITION = unstructured.partition.pdf.partition_pdf
