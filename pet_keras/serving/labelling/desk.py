"""Desk: which window shows which text."""
import threading
import time

import numpy as np


class Desk(object):
    """Hands out texts, each to one window at a time: the wanted ones first, then the others in a random order.

    Arguments: `session`, a Session; `patience`, seconds after which a window that is not heard of has been closed.

    Attributes: `wanted`, places in `session.examples`, the first the most wanted; a learner sets it.
    """
    def __init__(self, session, patience=60., seed=0):
        self.session, self.patience, self.wanted = session, patience, []
        self._held, self._guard = {}, threading.RLock()  # window → (place, when it was heard of)
        self._others = np.random.default_rng(seed).permutation(len(session.examples)).tolist()

    def next(self, window):
        """The place of the text that a window shows: the one that it has, unless that is answered; None: all are."""
        with self._guard:
            now = time.monotonic()
            self._held = {w: (i, t) for w, (i, t) in self._held.items() if w == window or now - t < self.patience}
            place = self._held.pop(window, (None, 0))[0]
            if place is None or not self._is_open(place):
                taken = {i for i, _ in self._held.values()}
                place = next((i for i in self.wanted if i not in taken and self._is_open(i)), None)
                if place is None:
                    while self._others and not self._is_open(self._others[-1]):
                        self._others.pop()  # once answered; an undo hands it out itself
                    place = next((i for i in reversed(self._others) if i not in taken and self._is_open(i)), None)
            if place is not None:
                self._held[window] = place, now
            return place

    def hold(self, window, place):
        """A window shows this text, which another one then is not given."""
        with self._guard:
            self._held[window] = place, time.monotonic()
            if self._is_open(place) and place not in self._others:
                self._others.append(place)

    def heard(self, window):
        """A window is still open."""
        with self._guard:
            if window in self._held:
                self._held[window] = self._held[window][0], time.monotonic()

    def _is_open(self, place):
        return self.session.said(self.session.ids[place]) is None
