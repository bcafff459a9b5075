import importlib.util
import json
import os
import socket
import subprocess
import sys

import pytest
from hub_server import Repo, hub_server

import pet_keras
from pet_keras.checkpoints.hub import fetch, is_hub_name
from pet_keras.errors import UserError

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(pet_keras.__file__)))
FIRST, SECOND = '1' * 40, '2' * 40
WEIGHTS = bytes(range(256)) * 4096  # one MiB
FILES = {'config.json': b'{}', 'tokenizer_config.json': b'{"a": 1}', 'vocab.txt': b'[PAD]\n[UNK]\n',
         'model.safetensors': WEIGHTS, 'pytorch_model.bin': b'a pickle', 'README.md': b'# Read me',
         'onnx/model.onnx': b'another model'}
READ = ['config.json', 'model.safetensors', 'tokenizer_config.json', 'vocab.txt']

# Runs what the second argument says before the fetch, and says what became of it
SCRIPT = '''
import json, sys
from pet_keras.checkpoints.hub import fetch
from pet_keras.errors import UserError
exec(sys.argv[2])
try:
    print(json.dumps({'folder': fetch(sys.argv[1])}))
except UserError as e:
    print(json.dumps({'error': str(e)}))
'''

needs_hub = pytest.mark.skipif(importlib.util.find_spec('huggingface_hub') is None,
                               reason='huggingface_hub is not installed: pip install "pet-keras[hub]"')


@pytest.fixture
def server():
    with hub_server() as server:
        server.repos['owner/name'] = Repo({FIRST: FILES}, {'main': FIRST})
        yield server


@pytest.fixture
def get(server, tmp_path):
    """Fetches in a process of its own, for huggingface_hub reads its variables once: dict with folder or error."""
    def call(name='hf:owner/name', before='', **variables):
        env = {key: value for key, value in os.environ.items()
               if not key.startswith(('HF_', 'HUGGING', 'TRANSFORMERS_')) and not key.lower().endswith('_proxy')}
        env.update({'PYTHONPATH': ROOT, 'HF_HOME': str(tmp_path / 'hf'), 'HF_ENDPOINT': server.url,
                    'HF_HUB_DISABLE_TELEMETRY': '1'}, **variables)
        done = subprocess.run([sys.executable, '-c', SCRIPT, name, before], env=env, capture_output=True,
                              encoding='utf-8')
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout), stderr=done.stderr)
    return call


def content(folder):
    """The files below a folder, by name."""
    found = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), 'rb') as reader:
            found[name] = reader.read()
    return found


def closed_port():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return 'http://127.0.0.1:%d' % free.getsockname()[1]


# --- names ----------------------------------------------------------------------------------------------

def test_a_name_of_the_hub_begins_with_hf():
    assert is_hub_name('hf:owner/name') and is_hub_name('hf:')
    assert not is_hub_name('owner/name') and not is_hub_name('bert-mini-zh')


@pytest.mark.parametrize('name', ['hf:', 'hf:name', 'hf:owner/', 'hf:owner/name/file', 'hf:owner/name@',
                                  'hf:owner/name@../../x', 'hf:https://huggingface.co/owner/name', 'hf:主人/名字'])
def test_what_names_no_repository_is_refused_with_an_example(name):
    with pytest.raises(UserError, match='hf:google-bert/bert-base-chinese') as e:
        fetch(name)
    assert repr(name) in str(e.value)


@needs_hub
def test_a_name_that_the_hub_does_not_allow_is_refused(get):
    assert 'names no repository' in get('hf:owner/na--me')['error']


def test_without_huggingface_hub_it_says_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
    with pytest.raises(UserError, match=r'Type:  pip install "pet-keras\[hub\]"'):
        fetch('hf:owner/name')


# --- which files ----------------------------------------------------------------------------------------

@needs_hub
def test_what_is_read_is_downloaded_and_nothing_else(get, server):
    folder = get()['folder']
    assert content(folder) == {name: FILES[name] for name in READ}
    assert sorted(server.sent) == READ


PIECES = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors', 'model.safetensors.index.json']
BINS = ['pytorch_model-00001-of-00001.bin', 'pytorch_model.bin.index.json']
CKPT = ['bert_model.ckpt.data-00000-of-00001', 'bert_model.ckpt.index']
STEPS = ['cluecorpussmall_bert_model.bin-250000']


@needs_hub
@pytest.mark.parametrize('there, read', [
    (PIECES + BINS, PIECES), (BINS + CKPT, BINS), (PIECES[1:] + BINS, BINS), (['pytorch_model.bin', *CKPT],
                                                                              ['pytorch_model.bin']),
    (CKPT + ['bert_model.ckpt.meta', 'tf_model.h5', 'checkpoint'], CKPT),
    (CKPT + ['model.ckpt-9.index', 'model.ckpt-9.data-00000-of-00001'], CKPT),
    (['tf_model.h5', 'flax_model.msgpack'], ['tf_model.h5']), (STEPS, STEPS),
], ids=lambda names: names[0])
def test_of_several_formats_of_the_weights_one_is_taken(get, server, there, read):
    server.repos['owner/name'].commits[FIRST] = {name: b'x' for name in ['bert_config.json', 'vocab.txt', *there]}
    assert sorted(content(get()['folder'])) == sorted(['bert_config.json', 'vocab.txt', *read])


@needs_hub
@pytest.mark.parametrize('read', [['config.json', 'model.safetensors', 'tokenizer.json'], ['vocab.txt', *STEPS]],
                         ids=['vocabulary in tokenizer.json', 'UER-py'])
def test_a_folder_that_can_be_read_without_vocab_txt_or_without_a_config_is_fetched(get, server, read):
    server.repos['owner/name'].commits[FIRST] = {name: b'x' for name in read}
    assert sorted(content(get()['folder'])) == sorted(read)


@needs_hub
@pytest.mark.parametrize('there, said', [
    (['README.md'], 'holds no config (config.json) and no vocabulary (vocab.txt) and no whole set of weights'),
    (['config.json', 'vocab.txt', 'flax_model.msgpack'], 'holds no whole set of weights'),
    (['config.json', 'vocab.txt', *PIECES[1:]], 'holds no whole set of weights'),
    (['config.json', 'vocab.txt', 'adapter_model.safetensors'], 'holds no whole set of weights'),
    (['tokenizer_config.json', 'vocab.txt', 'model.safetensors'], 'holds no config'),
    (['config.json', 'tokenizer.json', 'model.safetensors', 'sentencepiece.bpe.model'], 'SentencePiece'),
    (['config.json', 'tokenizer.json', 'model.safetensors', 'vocab.json', 'merges.txt'], 'byte-level BPE'),
], ids=lambda value: value[-1] if isinstance(value, list) else '')
def test_a_repository_that_cannot_be_read_is_refused_before_anything_is_downloaded(get, server, there, said):
    server.repos['owner/name'].commits[FIRST] = {name: b'x' for name in there}
    assert said in get()['error'] and not server.sent


@needs_hub
def test_of_two_files_of_weights_neither_is_downloaded_and_both_are_named(get, server):
    server.repos['owner/name'].commits[FIRST] = {
        name: b'x' for name in ['config.json', 'vocab.txt', 'a.safetensors', 'b.safetensors', 'added.safetensors']}
    assert 'hf:owner/name holds several files that could be the weights: a.safetensors, b.' in get()['error']
    assert not server.sent


@needs_hub
def test_of_several_checkpoints_of_tensorflow_s_none_is_downloaded_and_all_are_named(get, server):
    weights = ['model.ckpt-%d.%s' % (n, end) for n in (1, 2) for end in ('index', 'data-00000-of-00001')]
    server.repos['owner/name'].commits[FIRST] = {name: b'x' for name in ['bert_config.json', 'vocab.txt', *weights]}
    assert 'could be the weights: model.ckpt-1.index, model.ckpt-2.index. Name' in get()['error'] and not server.sent


@needs_hub
def test_a_tokenizer_json_beside_vocab_txt_is_fetched_for_what_it_says_of_capitals(get, server):
    there = ['config.json', 'model.safetensors', 'tokenizer.json', 'vocab.txt']
    server.repos['owner/name'].commits[FIRST] = {name: b'x' for name in there}
    assert sorted(content(get()['folder'])) == there


# --- cache and revisions --------------------------------------------------------------------------------

@needs_hub
def test_the_second_time_no_file_is_sent(get, server):
    first = get()
    assert '%' in first['stderr']  # a bar, while there is something to wait for
    server.sent.clear()
    second = get()
    assert second['folder'] == first['folder'] and not server.sent and second['stderr'] == ''


@needs_hub
def test_without_a_revision_the_newest_is_taken_and_with_one_that_one(get, server):
    repo = server.repos['owner/name']
    old = get()['folder']
    repo.commits[SECOND] = dict(FILES, **{'vocab.txt': b'[PAD]\n'})
    repo.revisions.update({'main': SECOND, 'v1.0': FIRST})
    server.sent.clear()
    assert content(get()['folder'])['vocab.txt'] == b'[PAD]\n'
    assert sorted(server.sent) == ['vocab.txt']  # the others have not changed
    for revision in ('v1.0', FIRST):
        assert get('hf:owner/name@' + revision)['folder'] == old


@needs_hub
@pytest.mark.parametrize('without', ['HF_HUB_OFFLINE', 'network', 'Hub'])
def test_what_was_fetched_is_there_offline(get, server, without):
    name = 'hf:owner/name@v1.0'
    server.repos['owner/name'].revisions['v1.0'] = FIRST
    folder = get(name)['folder']
    if without == 'Hub':
        server.status = 503
    variables = {'HF_HUB_OFFLINE': {'HF_HUB_OFFLINE': '1'}, 'network': {'HF_ENDPOINT': closed_port()}, 'Hub': {}}
    server.requests.clear()
    assert get(name, **variables[without])['folder'] == folder
    assert bool(server.requests) == (without == 'Hub')


@needs_hub
def test_a_copy_that_was_not_finished_is_not_taken_offline(get, server):
    server.repos['owner/name'].commits[FIRST] = {name: b'x' for name in ['config.json', 'vocab.txt', *PIECES]}
    os.remove(os.path.join(get()['folder'], PIECES[0]))
    assert 'HF_HUB_OFFLINE' in get(HF_HUB_OFFLINE='1')['error']


@needs_hub
def test_another_program_s_files_of_the_repository_do_not_stand_in_the_way(get, server):
    folder = get()['folder']
    os.remove(os.path.join(folder, 'model.safetensors'))
    with open(os.path.join(folder, 'README.md'), 'w'):
        pass
    assert content(get()['folder'])['model.safetensors'] == WEIGHTS


# --- broken downloads -----------------------------------------------------------------------------------

@needs_hub
def test_a_connection_that_breaks_is_taken_up_where_it_broke(get, server):
    server.repos['owner/name'].breaks['model.safetensors'] = [300000]
    small = 'import huggingface_hub.constants as c\nc.DOWNLOAD_CHUNK_SIZE = 1024'  # what is kept, kept in such pieces
    assert content(get(before=small)['folder'])['model.safetensors'] == WEIGHTS
    assert len(WEIGHTS) <= server.sent['model.safetensors'] < len(WEIGHTS) + 1024


@needs_hub
def test_a_connection_that_breaks_for_good_leaves_nothing_half_read(get, server):
    server.repos['owner/name'].breaks['model.safetensors'] = [300000] * 9
    error = get(before='import time\ntime.sleep = lambda seconds: None')['error']
    assert 'could not be fetched' in error and 'Check the network' in error
    assert 'is not in the cache' in get(HF_HUB_OFFLINE='1')['error']
    server.repos['owner/name'].breaks.clear()
    assert content(get()['folder']) == {name: FILES[name] for name in READ}


@needs_hub
@pytest.mark.parametrize('name', ['model.safetensors', 'vocab.txt'])
def test_a_file_of_another_content_is_noticed_and_fetched_anew(get, server, name):
    repo = server.repos['owner/name']
    repo.spoiled[name] = FILES[name][:-1] + b'?'
    assert '%s arrived damaged' % name in get()['error']
    assert 'is not in the cache' in get(HF_HUB_OFFLINE='1')['error']
    repo.spoiled.clear()
    assert content(get()['folder'])[name] == FILES[name]


@needs_hub
def test_a_file_of_another_size_leaves_nothing_behind(get, server):
    server.repos['owner/name'].sizes['model.safetensors'] = len(WEIGHTS) + 1
    error = get()['error']
    assert 'could not be fetched' in error and 'should be of size %d' % (len(WEIGHTS) + 1) in error
    assert 'is not in the cache' in get(HF_HUB_OFFLINE='1')['error']


# --- what a user can mend -------------------------------------------------------------------------------

@needs_hub
def test_a_repository_that_is_not_there(get, server):
    error = get('hf:owner/other')['error']
    assert '%s has no repository owner/other, or it is private' % server.url in error and 'HF_TOKEN' in error


@needs_hub
def test_a_revision_that_is_not_there(get):
    assert "has no revision 'v9'" in get('hf:owner/name@v9')['error']


@needs_hub
def test_a_gated_repository_says_where_to_ask(get, server):
    server.repos['owner/name'].gated = True
    error = get()['error']
    assert 'gated: ask for access at %s/owner/name' % server.url in error and 'hf auth login' in error


@needs_hub
@pytest.mark.parametrize('status', [401, 403])
def test_a_refusal_is_no_reason_to_take_the_cache(get, server, status):
    get()
    server.status = status
    assert 'HF_TOKEN' in get()['error']


@needs_hub
def test_no_network(get):
    endpoint = closed_port()
    error = get(HF_ENDPOINT=endpoint)['error']
    assert 'could not be fetched from %s' % endpoint in error and 'name a mirror in HF_ENDPOINT' in error


@needs_hub
def test_offline_and_not_in_the_cache(get, server, tmp_path):
    error = get(HF_HUB_OFFLINE='1')['error']
    assert 'not in the cache (%s)' % (tmp_path / 'hf' / 'hub') in error and not server.requests


@needs_hub
def test_a_server_that_is_no_hub(get, server):
    server.status = 500
    assert 'could not be fetched from %s' % server.url in get()['error']


@needs_hub
def test_no_room_on_the_disk(get, tmp_path):
    full = ("import huggingface_hub.file_download as f\n"
            "def http_get(*args, **kwargs): raise OSError(28, 'No space left on device')\n"
            "f.http_get = http_get")
    error = get(before=full)['error']
    assert 'cannot be written to the cache %s: No space left' % (tmp_path / 'hf' / 'hub') in error
    assert 'HF_HOME' in error


@needs_hub
def test_a_cache_that_cannot_be_written(get, tmp_path):
    (tmp_path / 'file').write_text('')
    assert 'cannot be written to the cache' in get(HF_HOME=str(tmp_path / 'file' / 'hf'))['error']


# --- a real checkpoint ----------------------------------------------------------------------------------

@needs_hub
def test_a_checkpoint_arrives_bit_for_bit(get, server, data_folder):
    folder = os.path.join(data_folder, 'golden', 'bert')
    if not os.path.isdir(folder):
        pytest.skip('no golden/bert in %s' % data_folder)
    files = content(folder)
    server.repos['owner/name'] = Repo({FIRST: files}, {'main': FIRST})
    assert content(get()['folder']) == {name: files[name] for name in ('config.json', 'model.safetensors', 'vocab.txt')}
