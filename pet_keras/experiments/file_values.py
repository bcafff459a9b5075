"""Reading an experiment file, and checking the values in it."""
import difflib
import json

from pet_keras.data.rows import parse_json
from pet_keras.errors import UserError


def read(path):
    """The object in a YAML or JSON file."""
    try:
        with open(path, encoding='utf-8-sig') as reader:
            text = reader.read()
    except UnicodeDecodeError:
        raise UserError('%s is not UTF-8.' % path) from None
    if path.endswith('.json'):
        return parse_json(text, path)
    try:
        import yaml
    except ImportError:
        raise UserError('%s is YAML, which needs PyYAML. Type:  pip install "pet-keras[experiments]", or write the '
                        'file as JSON.' % path) from None

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node, deep=False):
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            for key in keys:
                if keys.count(key) > 1:  # YAML itself would keep the last in silence
                    raise UserError('%s, line %d: %r stands there twice.' % (path, node.start_mark.line + 1, key))
            return super().construct_mapping(node, deep)
    try:
        return json.loads(json.dumps(yaml.load(text, Loader)))
    except (yaml.YAMLError, RecursionError) as e:
        raise UserError('%s is not YAML: %s' % (path, ' '.join(str(e).split()))) from None
    except TypeError as e:
        raise UserError('%s holds what JSON has not: %s' % (path, e)) from None


def listed(value):
    """A value that may stand alone, as a list."""
    return value if isinstance(value, list) else [value]


def check_object(found, where):
    """`found`; UserError if it is no object."""
    if not isinstance(found, dict):
        raise UserError('%s: %r is not an object of names and values.' % (where, found))
    return found


def check_keys(found, known, where):
    """UserError for a key that is not known, or where `found` is no object."""
    check_known(list(check_object(found, where)), known, where)


def check_known(found, known, where):
    """UserError for a name that is not known, with the one that may have been meant."""
    for key in found:
        if not isinstance(key, str) or key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            raise UserError('%s: there is no %r%s. Known: %s.' % (
                where, key, ', perhaps %r' % near[0] if near else '', ', '.join(sorted(known))))


def check_count(values, name, least, where, all=False):
    """UserError for a value that is no whole number of at least `least`, nor, with `all`, the word."""
    for value in values:
        if not (all and value == 'all') and (type(value) is not int or value < least):
            raise UserError('%s: %s is a whole number of %d or more%s, not %r.' % (
                where, name, least, ", or 'all'" * all, value))
