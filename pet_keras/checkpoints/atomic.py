"""A folder whose files change all at once, wherever a save is interrupted.

That is for kills. A process that reads the folder while another one saves into it may see files of both saves.
"""
import contextlib
import os
import shutil

# In the folder: what is being written; what was written and takes its places; and what is done with
_PARTIAL, _WHOLE, _DONE = 'save.partial', 'save.whole', 'save.done'


def present_files(folder):
    """Where the files of `folder` are: in it, or in the part of it that an interrupted save left whole."""
    whole = os.path.join(folder, _WHOLE)
    return whole if os.path.isdir(whole) else folder


@contextlib.contextmanager
def written_at_once(folder):
    """A new folder to write files into; at the end they take the places of the files of their names in `folder`.

    One rename decides. Whatever happens before it leaves `folder` as it was. Whatever happens after it,
    `present_files` finds what was written, and the next save tidies up.

    Raises: OSError where the folder cannot be written.
    """
    os.makedirs(folder, exist_ok=True)
    partial = _fresh(folder, _PARTIAL)
    try:
        yield partial
        for name in os.listdir(partial):
            to_disk(os.path.join(partial, name))
        _take_places(folder)  # of an interrupted save, whose files may have been read for this one
        os.replace(partial, os.path.join(folder, _WHOLE))
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    _take_places(folder)


def to_disk(path):
    """Waits until a file is on the disk: a power cut does not keep the order of writing and renaming."""
    with open(path, 'rb+') as file:
        os.fsync(file.fileno())


def _take_places(folder):
    """Moves the files of a save that is whole to their places; they can be read in the old place until all are."""
    whole, done = os.path.join(folder, _WHOLE), _fresh(folder, _DONE)
    if os.path.isdir(whole):
        for name in os.listdir(whole):
            try:
                os.link(os.path.join(whole, name), os.path.join(done, name))
            except OSError:  # not every file system has links
                shutil.copyfile(os.path.join(whole, name), os.path.join(done, name))
            os.replace(os.path.join(done, name), os.path.join(folder, name))
        shutil.rmtree(done)  # it keeps the links whose file was in its place already: renaming these does nothing
        os.replace(whole, done)
    shutil.rmtree(done, ignore_errors=True)


def _fresh(folder, name):
    """An empty folder of this name in `folder`."""
    path = os.path.join(folder, name)
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path)
    return path
