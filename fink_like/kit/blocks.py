"""Matrix products in which a row's result does not depend on its neighbours.

>>> import numpy as np
>>> x, weights = np.arange(6.0).reshape(3, 2), np.ones((5, 2, 4))      # 3 rows; 5 matrices
>>> unblocked(blocks(x) @ weights, len(x)).shape
(5, 3, 4)

BLAS picks its algorithm by the size of the matrices: one row alone differs in the last digits from
the same row in a batch (tried: OpenBLAS, 84 % of the results). So rows go in blocks of 64, the last
filled up with zeros: every product has the same shape, whatever the batch.
"""

import numpy as np

ROWS = 64  # a multiple of every kernel's tile; one row alone costs 64


def blocks(x):
    """Rows (n, I) as (blocks, 1, 64, I), to be multiplied with matrices (M, I, O) or (I, O)."""
    n_blocks = -(-len(x) // ROWS)
    padded = np.zeros((n_blocks * ROWS, x.shape[1]), x.dtype)
    padded[:len(x)] = x
    return padded.reshape(n_blocks, 1, ROWS, x.shape[1])


def unblocked(products, n_rows):
    """Products (blocks, M, 64, O) as (M, n_rows, O)."""
    n_blocks, n_matrices, _, n_columns = products.shape
    whole = np.ascontiguousarray(products.transpose(1, 0, 2, 3))
    return whole.reshape(n_matrices, n_blocks * ROWS, n_columns)[:, :n_rows]
