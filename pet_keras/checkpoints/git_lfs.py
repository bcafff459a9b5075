"""Git LFS: a clone without it holds, in place of each large file, a few lines of text that point to it."""
from pet_keras.errors import UserError

_POINTER = b'version https://git-lfs'


def check_no_pointer(path):
    """Raises UserError where in place of a file stands Git's pointer to it."""
    with open(path, 'rb') as reader:
        if reader.read(len(_POINTER)) == _POINTER:
            raise UserError("%s is not the file itself but Git's pointer to it: type `git lfs pull` in its folder, or "
                            "download the file." % path)
