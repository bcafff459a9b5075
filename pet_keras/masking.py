"""Random masks for the MLM loss."""
import numpy as np


def random_masking(token_ids, maskable, rng, vocab_size, mask_id, rate=0.15):
    """BERT's masking (arXiv 1810.04805, section 3.1): of the drawn tokens 80 % `[MASK]`, 10 % random, 10 % kept.

    Arguments:
        token_ids: int array `[length]`.
        maskable: positions that may be drawn.
        rng: numpy Generator.

    Returns: `(source ids [length], drawn positions, their original ids)`.
    """
    source, maskable = np.array(token_ids), np.asarray(maskable, dtype=int)
    drawn = maskable[rng.random(len(maskable)) < rate]
    targets = source[drawn]
    fate = rng.random(len(drawn))
    source[drawn[fate < 0.8]] = mask_id
    swapped = drawn[(fate >= 0.8) & (fate < 0.9)]
    source[swapped] = rng.integers(1, vocab_size, len(swapped))
    return source, drawn, targets
